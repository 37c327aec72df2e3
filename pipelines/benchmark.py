"""Stands detectors side by side on the same images in one run: how good they are, and what a verdict of each costs."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from features.device import DEVICES, choose_device, require
from models.bundle import MANIFEST, PRETRAINED
from models.files import replace_file
from pipelines.bench_page import page
from pipelines.bench_quality import Contestant, Images, choose_images, judge_images, measure_quality
from pipelines.bench_references import REFERENCES
from pipelines.bench_speed import Effort, measure_speed
from pipelines.dataset import LABELS, Sample, read_dataset
from pipelines.engine import cores
from pipelines.machine import machine, public, round_all
from pipelines.progress import Progress

__all__ = ["PAGE", "RECORD", "SHOWN", "Task", "benchmark", "table"]

RECORD: Final = "benchmark.json"
"""The command, the machine and all figures."""

PAGE: Final = "benchmark.html"
"""The same to look at: one file that asks nothing of the network."""

SHOWN: Final = {
    "detector": 16,
    "runtime": 11,
    "device": 6,
    "auc": 6,
    "accuracy": 8,
    "tpr_at_fpr_1": 12,
    "per_second": 10,
    "per_second_32": 13,
    "p50_ms": 8,
    "p99_ms": 8,
    "memory_mb": 9,
    "size_mb": 8,
    "start_s": 7,
    "note": 37,
}
"""The columns of the table, and their widths."""

_QUICK: Final = Effort(files=8, rounds=1, seconds=0.1)
_QUICK_IMAGES: Final = 64
_RESAMPLES: Final = {False: 1000, True: 50}  # by whether it is quick

Follow = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Task:
    """What is compared.

    Attributes
    ----------
    sources : sequence of str
        Data sets of face crops, as `read_dataset` takes them; their images are judged whole.
    models : sequence of str
        Names of detectors that ship, or paths of bundles; those that ship unless given. A bundle that has a network
        brings the network alone along.
    whole : bool
        Whether images of all groups are judged, not of the test groups alone.
    limit : int, optional
        The most images to judge.
    quick : bool
        Whether few images and repeats will do: to see that it works, not for figures.
    device : str
        With `cuda` (or `auto`, where there is a GPU) what has a network is timed on the GPU too.
    real, fake : sequence of str
        As `read_dataset` takes them.
    references : bool, optional
        Whether REFERENCES are timed too; unless given, where torch is installed and it is not quick.
    """

    sources: Sequence[str]
    models: Sequence[str] = ()
    whole: bool = False
    limit: int | None = None
    quick: bool = False
    device: str = "cpu"
    real: Sequence[str] = ()
    fake: Sequence[str] = ()
    references: bool | None = None

    @property
    def most(self) -> int | None:
        """How many images are judged at most."""
        return self.limit or (_QUICK_IMAGES if self.quick else None)

    def command(self, out: str) -> str:
        """Write the command that does this; of an absolute path only the name is told."""
        words = ["python", "cli.py", "benchmark", *map(public, self.sources), "--out", public(out)]
        repeated = {"--model": self.models, "--real": self.real, "--fake": self.fake}
        words += [word for option, values in repeated.items() for value in values for word in (option, public(value))]
        words += [option for option, given in (("--all", self.whole), ("--quick", self.quick)) if given]
        words += ["--limit", str(self.limit)] if self.limit else []
        words += [] if self.references is None else ["--references" if self.references else "--no-references"]
        return shlex.join([*words, *(["--device", self.device] if self.device != "cpu" else [])])


def benchmark(
    task: Task, out: str, *, follow: Follow, workers: int | None = None, say: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Judge the same images with several detectors, time them, and write RECORD and PAGE.

    Parameters
    ----------
    task : Task
        What is compared.
    out : str
        The folder for the results.
    follow : callable
        Takes the name of a part of the work and gives what shows its progress.
    workers : int, optional
        Processes that judge; what is timed runs by itself. One a core by default.
    say : callable, optional
        Takes the sentence that tells which device `auto` took.

    Returns
    -------
    dict
        What RECORD holds.

    Raises
    ------
    DatasetError, UnknownNameError, BundleError, FeatureMismatchError
        The data set or a detector cannot be read, or a class is missing.
    DeviceError, MissingExtraError
        `cuda` without a GPU; `cuda` or references without torch.
    WorkerError, OutputError
        A process failed; the results cannot be written.
    """
    device, references, workers = _device(task.device, say), _references(task), workers or cores()
    effort, resamples = (_QUICK if task.quick else Effort()), _RESAMPLES[task.quick]
    samples = read_dataset(task.sources, real=task.real, fake=task.fake)
    images = choose_images(samples, whole=task.whole, limit=task.most, workers=workers)
    with follow("judge") as progress:
        contestants = judge_images(task.models or _shipped(), images, workers=workers, count=_summed(progress))
    quality, pairs = measure_quality(contestants, images, resamples=resamples)
    with follow("time") as progress:
        speed = measure_speed(
            contestants, images.test, device=device, effort=effort, progress=progress, references=references
        )
    figures = {
        "images": _count(images, whole=task.whole),
        "detectors": list(map(_describe, contestants)),
        "quality": quality,
        "differences": pairs,
        "speed": speed,
        "effort": {**effort._asdict(), "resamples": resamples},
    }
    record = {"command": task.command(out), "machine": machine(), "figures": round_all(figures)}
    replace_file(Path(out) / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    replace_file(Path(out) / PAGE, page(record, images.labels, contestants).encode())
    return record


def _device(wanted: str, say: Callable[[str], None] | None) -> str:
    if wanted == "cpu":
        return wanted
    require("neural", ("torch",))
    return "cpu" if choose_device(wanted, say) is DEVICES["cpu"] else "cuda"


def _references(task: Task) -> list[str]:
    """Name the networks to time beside the detectors."""
    if task.references:
        require("neural", ("torch",))
    by_default = not task.quick and find_spec("torch") is not None
    return list(REFERENCES) if task.references or (task.references is None and by_default) else []


def _shipped() -> list[str]:
    """Name the detectors that ship."""
    return sorted(found.parent.name for found in PRETRAINED.glob(f"*/{MANIFEST}"))


def _summed(progress: Progress) -> Callable[[int], None]:
    """Report the sum of what is counted."""
    done = 0

    def add(number: int) -> None:
        nonlocal done
        done += number
        progress(done, None)

    return add


def _count(images: Images, *, whole: bool) -> dict[str, Any]:
    """Say which images were judged, and how many served to calibrate networks."""
    return {
        "groups": "all" if whole else "test",
        "test": _by_label(images.test),
        "calibration": _by_label(images.calibration),
        "sources": sorted({sample.source for sample in images.test}),
        "left_out": dict(images.left_out),
    }


def _by_label(samples: Sequence[Sample]) -> dict[str, int]:
    return {name: sum(sample.label == label for sample in samples) for label, name in enumerate(LABELS)}


def _describe(found: Contestant) -> dict[str, Any]:
    return {
        "name": found.name,
        "network_alone": found.pure,
        "sha256": found.digest,
        "size": found.size,
        "calibration": found.calibration.to_json(),
        "operating_points": found.points.to_json(),
    }


def table(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a row of SHOWN for each detector and runtime: one process, batches of one unless its name says 32.

    Quality and size of a reference are None.
    """
    figures = record["figures"]
    for entry in figures["speed"]:
        rate, quality = entry["throughput"]["one"], None if entry["note"] else figures["quality"][entry["detector"]]
        yield {
            **{name: entry[name] for name in ("detector", "runtime", "device")},
            **{name: quality and quality[name]["value"] for name in ("auc", "accuracy", "tpr_at_fpr_1")},
            "per_second": round(rate["batch_1"]["median"], 1),
            "per_second_32": round(rate["batch_32"]["median"], 1),
            **{f"{share}_ms": round(1e3 * entry["latency"]["one"][share], 3) for share in ("p50", "p99")},
            "memory_mb": round(entry["memory"]["batch_32"] / 1e6, 1),
            "size_mb": None if entry["size"] is None else round(entry["size"] / 1e6, 2),
            "start_s": round(entry["start"]["median"], 3),
            "note": entry["note"],
        }
