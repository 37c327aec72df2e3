"""What the scripts share: options, the images they measure, limits to keep, and the form of a result file.

A result file holds the command that made it, the machine it ran on, and the figures; nothing of time or place.
"""

import argparse
import hashlib
import json
import os
import shlex
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.source import read_bytes
from pipelines.dataset import Sample, read_dataset
from pipelines.machine import machine, round_all

__all__ = [
    "DATA",
    "ROOT",
    "balanced_images",
    "choose",
    "interval",
    "judge",
    "machine",
    "make_parser",
    "one_core",
    "resamples",
    "round_all",
    "scratch",
    "spread",
    "unpack",
    "write",
]

ROOT: Final = Path(__file__).resolve().parents[1]
"""The checkout."""

DATA: Final = "../shared/data/deepfake-faces.zip"
"""Where the scripts look for images unless told, seen from the checkout."""

_ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("MKL", "OMP", "OPENBLAS")}


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser that knows `-o FILE` and shows the script's docstring."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the result file to write")
    return parser


def write(output: Path, name: str, arguments: Sequence[str] | None, figures: Mapping[str, Any]) -> None:
    """Write the result file of the script `name`; `arguments` are those of the process where None."""
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", f"benchmarks.{name}", *map(_public, given)])
    output.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "machine": machine(), "figures": round_all(figures)}
    output.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def _public(argument: str) -> str:
    """Write an absolute path as it is seen from the checkout, and only its name where it lies elsewhere."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return os.path.relpath(path, ROOT) if path.is_relative_to(ROOT.parent) else f".../{path.name}"


def one_core() -> None:
    """Go on with one core and one thread; the process starts anew where libraries may have more threads already."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if any(os.environ.get(name) != "1" for name in _ONE_THREAD):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_ONE_THREAD})


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="fauxface_", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def unpack(sources: Sequence[str], count: int, folder: Path) -> list[str]:
    """Write images of data sets below `folder`, in `real/` and `fake/`.

    Parameters
    ----------
    sources : sequence of str
        Data sets, as `extract` takes them.
    count : int
        The most images: those whose file names have the lowest sha256, so the same ones each time.
    folder : Path
        Made where it is missing.

    Returns
    -------
    list of str
        Their paths, in the order of those digests.
    """
    paths = []
    for index, sample in enumerate(choose(read_dataset(sources), count)):
        path = folder / ("real", "fake")[sample.label] / f"{index:06d}{Path(sample.path).suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read_bytes(sample.path))
        paths.append(str(path))
    return paths


def choose(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Take the samples whose file names have the lowest sha256, in that order: the same ones each time."""
    return sorted(samples, key=lambda sample: hashlib.sha256(Path(sample.path).name.encode()).digest())[:count]


def balanced_images(samples: Sequence[Sample], limit: int, split: str = "test") -> list[Sample]:
    """Choose as many real as fake images of one part, at most `limit` in all; the reals come first."""
    own = [sample for sample in samples if sample.split == split]
    reals, fakes = (choose([sample for sample in own if sample.label == label], limit // 2) for label in (0, 1))
    each = min(len(reals), len(fakes))
    return reals[:each] + fakes[:each]


def resamples(groups: Sequence[str], count: int = 1000) -> list[npt.NDArray[np.float64]]:
    """Draw groups with replacement: how often each row occurs, once for each resample."""
    _, index = np.unique(groups, return_inverse=True)
    rng, number = np.random.default_rng(0), int(index.max()) + 1
    draws = (rng.multinomial(number, np.full(number, 1 / number)) for _ in range(count))
    return [drawn[index].astype(np.float64) for drawn in draws]


def interval(values: Sequence[float]) -> list[float]:
    """Give the bounds of the middle 95 % of resampled figures."""
    return [float(bound) for bound in np.quantile(values, [0.025, 0.975])]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Give the median of repeated measurements, with the least and the greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def judge(
    values: Sequence[float], *, at_most: float | None = None, at_least: float | None = None
) -> dict[str, float | bool]:
    """Give the spread of repeated measurements, the limits of their median, and whether it `holds` them."""
    limits = {name: limit for name, limit in (("at_most", at_most), ("at_least", at_least)) if limit is not None}
    middle = statistics.median(values)
    holds = (at_most is None or middle <= at_most) and (at_least is None or middle >= at_least)
    return {**spread(values), **limits, "holds": holds}
