"""The process in which a benchmark times one detector, from reading a file to its verdict.

    python -m pipelines.bench_worker JOB

It takes a Job as JSON, judges one image, says when that was done, waits for a line on standard input, and times batches
of one and then of more, each for as long as the job says. What it says are lines of JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from features.decode import Pixels
from features.device import DEVICES, keep_memory
from features.frame import Frame, load_pixels
from features.planes import resize
from features.runtime import open_model
from models.calibration import Calibration, OperatingPoints
from models.files import MAX_BYTES, read_bounded
from pipelines.bench_references import REFERENCES
from pipelines.score import load_detector

__all__ = ["BATCHES", "GO", "Job", "judge_of", "main", "peak_memory"]

BATCHES: Final = (1, 32)
"""How many images are judged together."""

GO: Final = "go"
"""What is waited for."""

_STATUS: Final = Path("/proc/self/status")

Judge = Callable[[Sequence[str]], Sequence[str | None]]
"""Gives a verdict for each path, None where there is none to give."""
Infer = Callable[[Pixels], Any]


@dataclass(frozen=True)
class Job:
    """What to time.

    Attributes
    ----------
    kind : str
        `bundle`; the runtime of a network alone, `onnxruntime` or `torch`; or `reference`.
    model : str
        The folder of the bundle, the file of the network, or a name of REFERENCES.
    paths : sequence of str
        Images, taken again and again.
    core : int
        The core to stay on, where the system lets one choose.
    device : str
        `cpu` or `cuda`.
    seconds : float
        How long each size of batch is timed.
    calibration, points : mapping
        Of a network alone, in their JSON forms.
    """

    kind: str
    model: str
    paths: Sequence[str]
    core: int | None
    device: str
    seconds: float
    calibration: Mapping[str, Any] = field(default_factory=dict)
    points: Mapping[str, Any] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the job that the first argument holds."""
    job = Job(**json.loads((sys.argv[1:] if arguments is None else arguments)[0]))
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    judge = judge_of(job)
    judge(job.paths[:1])
    _say({"first_verdict": time.time()})
    judge(job.paths[-1:])
    _say({"ready": True})
    if sys.stdin.readline().strip() == GO:
        _say({f"batch_{batch}": _timed(judge, job, batch) for batch in BATCHES})


def _say(record: Mapping[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def _timed(judge: Judge, job: Job, batch: int) -> dict[str, Any]:
    """Judge batch after batch until the time is over; the seconds that each took, and the peak of memory so far.

    The first batch of a size does not count.
    """
    supply = cycle(job.paths)
    judge(list(islice(supply, batch)))
    seconds: list[float] = []
    end = time.perf_counter() + job.seconds
    while not seconds or time.perf_counter() < end:
        started = time.perf_counter()
        judge(list(islice(supply, batch)))
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "memory": peak_memory()}


def peak_memory() -> int:
    """Give the most memory that this process has held, in bytes.

    Linux hands the figure of `getrusage` on from the process that started this one, so that its own status is read
    there (`man 5 proc`, VmHWM).
    """
    if _STATUS.is_file():
        (peak,) = (line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def judge_of(job: Job) -> Judge:
    """Make ready what a job times."""
    if job.kind == "bundle":
        detector = load_detector(job.model, "off", job.device)
        return lambda paths: [rows[0].verdict for rows in detector.score_all([(path, path) for path in paths])]
    infer = _in_onnxruntime(job) if job.kind == "onnxruntime" else _in_torch(job)
    if job.kind == "reference":
        return partial(_look, infer, REFERENCES[job.model].size)
    return partial(_judge, infer, Calibration.from_json(job.calibration), OperatingPoints.from_json(job.points))


def _judge(infer: Infer, calibration: Calibration, points: OperatingPoints, paths: Sequence[str]) -> list[str]:
    logits = infer(np.stack([Frame.load(path).bgr for path in paths]))
    return [points.decide(probability) for probability in calibration.probability(np.ravel(logits)).tolist()]


def _look(infer: Infer, side: int, paths: Sequence[str]) -> list[None]:
    """Bring images to the size of a reference and compute its logits, which say nothing."""
    infer(np.stack([resize(load_pixels(path), side, side) for path in paths]))
    return [None] * len(paths)


def _in_onnxruntime(job: Job) -> Infer:
    model = open_model(read_bounded(Path(job.model), MAX_BYTES), job.model)
    return lambda pixels: model.run(["logit"], {"pixels": pixels})[0]


def _in_torch(job: Job) -> Infer:
    """Open a network as it runs fastest in torch: channels last (as all of them are), one thread, freed memory kept."""
    keep_memory()
    import torch

    from features.network import normalise

    torch.set_num_threads(1)
    device = DEVICES[job.device].name
    network = _network(job).to(device)

    def infer(pixels: Pixels) -> Any:
        with torch.inference_mode():
            return network(normalise(torch.from_numpy(pixels).to(device))).cpu().numpy()

    return infer


def _network(job: Job) -> Any:
    if job.kind == "reference":
        from pipelines.bench_networks import build

        return build(job.model)
    from features.network_onnx import from_onnx

    return from_onnx(read_bounded(Path(job.model), MAX_BYTES))


if __name__ == "__main__":
    main()
