"""What a verdict costs on one core, against a bare cv2.imread and against the same features by scikit-image and scipy.

The images are unpacked to a temporary folder and taken in chunks; on each chunk every step runs, one after the other,
so that a drift of the machine hits all alike. The slow twin sees every tenth image. Beside that, `python cli.py score
--jobs 1` runs on all images and on a tenth of them: the difference is what one more image costs, start-up aside.

    python -m benchmarks.speed -o benchmarks/results/speed.json
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.record import DATA, ROOT, judge, make_parser, one_core, scratch, spread, unpack, write
from benchmarks.stages import Spans, Stages, medians
from benchmarks.twin import twin
from features.frame import Frame
from models.bundle import resolve
from pipelines.score import Detector, load_detector

__all__ = [
    "MOST_IMREADS",
    "TWIN_OVER_PATH",
    "Step",
    "interleave",
    "main",
    "make_steps",
    "measure",
    "ratios",
    "score_command",
]

MOST_IMREADS: Final = 10
"""The whole path costs at most this many bare `cv2.imread` of the same files."""

TWIN_OVER_PATH: Final = 20
"""The twin costs at least this many times the whole path."""

_CHUNK = 64  # as many as `score` judges together
_TWIN_EVERY = 10
_WARM_UP = 20

Step = Callable[[Sequence[str]], int]
"""Does its work on some images; returns how many it took."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--images", type=int, default=2000, help="default: 2000")
    parser.add_argument("--rounds", type=int, default=5, help="of the command line (default: 5)")
    options = parser.parse_args(arguments)
    figures = measure(options.data, options.model, images=options.images, rounds=options.rounds)
    write(options.output, "speed", arguments, figures)


def measure(sources: Sequence[str], model: str, *, images: int, rounds: int) -> dict[str, Any]:
    """Time every step; JSON values, times in microseconds an image.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    model : str
        A detector that ships, or the path of a bundle.
    images : int
        How many to take.
    rounds : int
        How often the command line runs.
    """
    detector = load_detector(model, faces="off")
    with scratch() as folder:
        paths = unpack(sources, images, folder / "all")
        tenth = unpack(sources, max(1, len(paths) // 10), folder / "tenth")
        stages: list[Spans] = []
        seconds = interleave(make_steps(detector, stages) | {"twin": partial(_judge_all_slowly, detector)}, paths)
        commands = [_command_line(resolve(model).absolute(), paths, tenth) for _ in range(rounds)]
    times = {step: spread([1e6 * value for value in values]) for step, values in seconds.items()}
    return {
        "model": {**asdict(detector.bundle.ref), "feature_set": detector.bundle.feature_set.digest},
        "values": len(detector.bundle.feature_set.names),
        "images": len(paths),
        "images_of_twin": sum(len(chunk[::_TWIN_EVERY]) for chunk in _chunks(paths)),
        "microseconds": times | {"command_line": spread([1e6 * path for path, _ in commands])},
        "ratios": {
            "path_to_imread": judge(ratios(seconds, "path", "imread"), at_most=MOST_IMREADS),
            "command_line_to_imread": judge([path / imread for path, imread in commands], at_most=MOST_IMREADS),
            "twin_to_path": judge(ratios(seconds, "twin", "path"), at_least=TWIN_OVER_PATH),
        },
        "stages": medians(stages),
    }


def make_steps(detector: Detector, spans: list[Spans]) -> dict[str, Step]:
    """Make the steps `imread`, `path` (read to row) and `stage_by_stage`, which adds to `spans`."""
    stages = Stages(detector.bundle.feature_set, detector.bundle.network)

    def imread(chunk: Sequence[str]) -> int:
        return sum(cv2.imread(path) is not None for path in chunk)

    def path(chunk: Sequence[str]) -> int:
        return sum(len(json.dumps(verdict.to_json())) > 0 for (verdict,) in detector.score_all([(p, p) for p in chunk]))

    def profile(chunk: Sequence[str]) -> int:
        spans.extend(stages.time_verdict(detector, path) for path in chunk)
        return len(chunk)

    return {"imread": imread, "path": path, "stage_by_stage": profile}


def _judge_all_slowly(detector: Detector, chunk: Sequence[str]) -> int:
    return sum(_judge_slowly(detector, path) is not None for path in chunk[::_TWIN_EVERY])


def _judge_slowly(detector: Detector, path: str) -> str:
    """Judge one image by the twin's features: the same decoder, the same decision."""
    features = detector.bundle.feature_set
    values = twin(Frame.load(path).bgr[..., ::-1], [spec.name for spec in features.blocks])
    row = np.array([[values[name] for name in features.names]], np.float32)
    return detector.bundle.decide(float(detector.bundle.probability(row)[0]))


def _chunks(paths: Sequence[str]) -> list[Sequence[str]]:
    return [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]


def interleave(steps: Mapping[str, Step], paths: Sequence[str]) -> dict[str, list[float]]:
    """Run every step on every chunk, each time another one first; seconds an image by step and chunk."""
    for step in steps.values():
        step(paths[:_WARM_UP])
    order = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn, chunk in enumerate(_chunks(paths)):
        at = turn % len(order)
        for name in order[at:] + order[:at]:
            started = perf_counter()
            count = steps[name](chunk)
            seconds[name].append((perf_counter() - started) / count)
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], above: str, below: str) -> list[float]:
    """Divide the seconds of one step by those of another, run by run."""
    return [high / low for high, low in zip(seconds[above], seconds[below], strict=True)]


def _command_line(model: Path, paths: Sequence[str], fewer: Sequence[str]) -> tuple[float, float]:
    """Score a few files and many: what one more costs in a process of its own, and a bare imread of it; seconds."""
    few, many = (_score(model, Path(some[0]).parents[1]) for some in (fewer, paths))
    started = perf_counter()
    for path in paths:
        cv2.imread(path)
    imread = (perf_counter() - started) / len(paths)
    return (many - few) / (len(paths) - len(fewer)), imread


def _score(model: Path, folder: Path) -> float:
    """Run `score --jobs 1` on a folder; seconds."""
    started = perf_counter()
    subprocess.run([*score_command(folder, model), "-o", os.devnull], cwd=ROOT, check=True)
    return perf_counter() - started


def score_command(folder: Path, model: Path, *, jobs: int = 1, faces: str = "off") -> list[str]:
    """Make the command that scores a folder, its rows as ndjson; to run in the checkout."""
    options = {"--model": str(model), "--faces": faces, "--jobs": str(jobs), "--format": "ndjson"}
    return [sys.executable, "cli.py", "score", str(folder), *chain.from_iterable(options.items()), "--quiet"]


if __name__ == "__main__":
    one_core()
    main()
