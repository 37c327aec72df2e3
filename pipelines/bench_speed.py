"""What a verdict of each detector costs: every measurement in a fresh process on one core, in turns."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np

from features.errors import WorkerError
from features.source import read_bytes
from models.bundle import NETWORK_ONNX
from pipelines.bench_quality import Contestant
from pipelines.bench_references import NOTE
from pipelines.bench_worker import BATCHES, GO, Job
from pipelines.dataset import Sample

__all__ = ["Effort", "logit_only", "measure_speed"]

_ROOT: Final = Path(__file__).resolve().parents[1]
_ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("MKL", "OMP", "OPENBLAS")}
_PERCENTILES: Final = (50, 95, 99)


class Effort(NamedTuple):
    """How much is measured: files that are judged in turn, rounds, and seconds for each size of batch in each."""

    files: int = 200
    rounds: int = 5
    seconds: float = 2.0


@dataclass(frozen=True)
class _Setup:
    """A detector, or a reference, where it runs."""

    detector: str
    runtime: str
    size: int | None
    job: Job


class _Run(NamedTuple):
    """What one process said: seconds to its first verdict, seconds of its batches and its peak of memory by batch."""

    start: float
    seconds: Mapping[str, Sequence[float]]
    memory: Mapping[str, int]


def measure_speed(
    contestants: Sequence[Contestant],
    samples: Sequence[Sample],
    *,
    device: str,
    effort: Effort,
    progress: Callable[[int, int | None], None],
    references: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Time every detector, alone and two processes side by side, from reading a file to its verdict.

    Parameters
    ----------
    contestants : sequence of Contestant
        The detectors.
    samples : sequence of Sample
        Images to judge; some are copied to plain files.
    device : str
        With `cuda`, whatever has a network is timed on the GPU too.
    effort : Effort
        How much is measured.
    progress : callable
        Called with the number of measurements that are finished and that there are.
    references : sequence of str
        Names of REFERENCES to time beside them, from reading a file to the logit.

    Returns
    -------
    list of dict
        For each detector and runtime: `detector`, `runtime`, `device`, `size` in bytes, `note`, `start` in seconds,
        `memory` in bytes, `latency` in seconds and `throughput` in images a second; the latter two by processes, `one`
        and `two` (None where there is one core). References come last, with the note NOTE and the size None.

    Raises
    ------
    WorkerError
        A process failed; the message holds the last it said.
    """
    with TemporaryDirectory(prefix="fauxface_", ignore_cleanup_errors=True) as folder:
        paths = _copy(samples[: effort.files], Path(folder))
        blank = Job("bundle", "", paths, None, "cpu", effort.seconds)
        setups = [setup for found in contestants for setup in _setups(found, blank, device, Path(folder))]
        setups += _reference_setups(references, blank, device)
        cores = _cores()
        numbers = (1, 2) if len(cores) > 1 else (1,)
        runs: dict[tuple[int, int], list[list[_Run]]] = {}
        total = effort.rounds * len(numbers) * len(setups)
        for turn in range(total):
            key = turn % len(setups), numbers[turn // len(setups) % len(numbers)]
            runs.setdefault(key, []).append(_side_by_side(setups[key[0]].job, cores[-key[1] :]))
            progress(turn + 1, total)
    return [_figures(setup, runs[at, 1], runs.get((at, 2))) for at, setup in enumerate(setups)]


def _copy(samples: Sequence[Sample], folder: Path) -> list[str]:
    """Write images as files of their own, so that nothing is timed but reading them."""
    paths = [folder / f"{index:04d}{Path(sample.path).suffix}" for index, sample in enumerate(samples)]
    for path, sample in zip(paths, samples, strict=True):
        path.write_bytes(read_bytes(sample.path))
    return list(map(str, paths))


def _cores() -> Sequence[int | None]:
    """List the cores to stay on; None stands for one that cannot be chosen."""
    if hasattr(os, "sched_setaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * (os.cpu_count() or 1)


def _setups(found: Contestant, blank: Job, device: str, folder: Path) -> list[_Setup]:
    """Say where a detector runs: in onnxruntime; a network alone in torch too, if it is installed; and on the GPU."""
    network = Path(found.model) / NETWORK_ONNX
    devices = ("cpu", "cuda") if device == "cuda" and network.is_file() else ("cpu",)
    if not found.pure:
        runtimes = {"cpu": "onnxruntime", "cuda": "torch"}
        jobs = [(runtimes[name], replace(blank, model=found.model, device=name)) for name in devices]
    else:
        fitted = replace(blank, calibration=found.calibration.to_json(), points=found.points.to_json())
        alone = folder / f"{found.digest}.onnx"
        alone.write_bytes(logit_only(network.read_bytes()))
        jobs = [("onnxruntime", replace(fitted, kind="onnxruntime", model=str(alone)))]
        if find_spec("torch"):
            torch = replace(fitted, kind="torch", model=str(network))
            jobs += [("torch", replace(torch, device=name)) for name in devices]
    return [_Setup(found.name, runtime, found.size, job) for runtime, job in jobs]


def _reference_setups(names: Sequence[str], blank: Job, device: str) -> list[_Setup]:
    devices = ("cpu", "cuda") if device == "cuda" else ("cpu",)
    jobs = [replace(blank, kind="reference", model=name, device=where) for name in names for where in devices]
    return [_Setup(job.model, "torch", None, job) for job in jobs]


def logit_only(data: bytes) -> bytes:
    """Take away from a network what does not lead to its logit, so that alone it does not pay for embeddings."""
    import onnx
    from onnx.utils import Extractor

    model = Extractor(onnx.load_from_string(data)).extract_model(["pixels"], ["logit"])
    return bytes(model.SerializeToString(deterministic=True))


def _side_by_side(job: Job, cores: Sequence[int | None]) -> list[_Run]:
    """Run a job on each of the cores at once; all begin to time when all are ready."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(replace(job, core=core))) for core in cores]
        starts = [worker.wait()["first_verdict"] - worker.started for worker in workers]
        for worker in workers:
            worker.wait()
        for worker in workers:
            worker.say(GO)
        said = [worker.wait() for worker in workers]
    return [
        _Run(
            start,
            {batch: timed["seconds"] for batch, timed in found.items()},
            {batch: timed["memory"] for batch, timed in found.items()},
        )
        for start, found in zip(starts, said, strict=True)
    ]


class _Worker:
    """A process of `pipelines.bench_worker`; it ends when its standard input closes."""

    def __init__(self, job: Job) -> None:
        self.started = time.time()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            [sys.executable, "-m", "pipelines.bench_worker", json.dumps(asdict(job))],
            cwd=_ROOT,
            env={**os.environ, **_ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def wait(self) -> dict[str, Any]:
        """Read the next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise WorkerError(
                f"a process that was timed ended early: {(said.strip().splitlines() or ['no message'])[-1]}"
            )
        return dict(json.loads(line))

    def say(self, line: str) -> None:
        """Write a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def _figures(setup: _Setup, one: Sequence[Sequence[_Run]], two: Sequence[Sequence[_Run]] | None) -> dict[str, Any]:
    runs = [run for (run,) in one]
    return {
        "detector": setup.detector,
        "runtime": setup.runtime,
        "device": setup.job.device,
        "size": setup.size,
        "note": NOTE if setup.job.kind == "reference" else None,
        "start": _spread([run.start for run in runs]),
        "memory": {batch: max(run.memory[batch] for run in runs) for batch in runs[0].memory},
        "latency": {"one": _latency(one), "two": two and _latency(two)},
        "throughput": {"one": _throughput(one), "two": two and _throughput(two)},
    }


def _latency(turns: Sequence[Sequence[_Run]]) -> dict[str, float | int]:
    """Take the percentiles of the seconds that single images took, over all turns and processes."""
    seconds = list(chain.from_iterable(run.seconds["batch_1"] for turn in turns for run in turn))
    values = np.percentile(seconds, _PERCENTILES).tolist()
    return {**{f"p{share}": value for share, value in zip(_PERCENTILES, values, strict=True)}, "images": len(seconds)}


def _throughput(turns: Sequence[Sequence[_Run]]) -> dict[str, dict[str, float]]:
    """Sum images a second over the processes of each turn, by size of batch."""

    def rate(run: _Run, batch: int) -> float:
        seconds = run.seconds[f"batch_{batch}"]
        return batch * len(seconds) / sum(seconds)

    return {f"batch_{batch}": _spread([sum(rate(run, batch) for run in turn) for turn in turns]) for batch in BATCHES}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values)}
