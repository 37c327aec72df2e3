"""What two processes of `score` reach, against two independent runs of one process side by side.

The same images are scored by `score FOLDER --jobs 2` and by two `score FOLDER --jobs 1`, each on half of them, in
turns; so is a tenth of them. The difference of the two sizes is what the other images cost, start-up aside. Throughput
of the two processes is given as a share of that of the independent runs. The rows of both have to be the same.

    python -m benchmarks.parallel -o benchmarks/results/parallel.json
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.record import DATA, ROOT, judge, make_parser, scratch, spread, unpack, write
from benchmarks.speed import score_command
from models.bundle import resolve
from pipelines.engine import cores

__all__ = ["LEAST", "PROCESSES", "main", "measure", "same_rows"]

LEAST: Final = 0.95
"""Of the throughput of two independent runs, what two processes of one run reach at least."""

PROCESSES: Final = 2
"""How many processes share the images."""

_WAYS: Final = ("one_run", "independent")

Commands = Sequence[Sequence[str]]
"""Commands that run side by side."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--images", type=int, default=6000, help="in all (default: 6000)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args(arguments)
    figures = measure(options.data, options.model, images=options.images, rounds=options.rounds)
    write(options.output, "parallel", arguments, figures)


def measure(sources: Sequence[str], model: str, *, images: int, rounds: int) -> dict[str, Any]:
    """Score in both ways in turns; JSON values, times in seconds.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    model : str
        A detector that ships, or the path of a bundle.
    images : int
        How many to take.
    rounds : int
        How often.
    """
    bundle = resolve(model).absolute()
    with scratch() as folder:
        paths = unpack(sources, images, folder / "unpacked")
        chosen = {"all": paths, "tenth": paths[: max(PROCESSES, len(paths) // 10)]}
        commands = {
            (size, way): command
            for size, some in chosen.items()
            for way, command in _ways(bundle, some, folder / size).items()
        }
        seconds = _in_turns(commands, rounds)
        same = {size: same_rows(folder / size / "one_run", folder / size / "independent") for size in chosen}
    aside = {way: _differences(seconds["all", way], seconds["tenth", way]) for way in _WAYS}
    return {
        "images": {size: len(some) for size, some in chosen.items()},
        "cores": cores(),
        "rounds": rounds,
        "seconds": {size: {way: spread(seconds[size, way]) for way in _WAYS} for size in chosen},
        "images_per_second": {way: spread([len(paths) / value for value in seconds["all", way]]) for way in _WAYS},
        "ratios": {
            "with_start": judge(_shares(seconds["all", "independent"], seconds["all", "one_run"]), at_least=LEAST),
            "start_aside": judge(_shares(aside["independent"], aside["one_run"]), at_least=LEAST),
        },
        "same_rows": same,
        "same": all(same.values()),
    }


def _ways(model: Path, paths: Sequence[str], folder: Path) -> dict[str, Commands]:
    """Give the commands of both ways to score some images; rows go to `folder/WAY`."""
    whole = [_link(paths, folder / "whole")]
    parts = [_link(paths[turn::PROCESSES], folder / f"part{turn}") for turn in range(PROCESSES)]
    for way in _WAYS:
        (folder / way).mkdir()
    return {
        way: [
            [*score_command(place, model, jobs=jobs), "-o", str(folder / way / f"{place.name}.ndjson")]
            for place in places
        ]
        for way, places, jobs in (("one_run", whole, PROCESSES), ("independent", parts, 1))
    }


def _link(paths: Sequence[str], folder: Path) -> Path:
    """Give images a second name in a new folder."""
    folder.mkdir(parents=True)
    for path in map(Path, paths):
        (folder / path.name).hardlink_to(path)
    return folder


def _in_turns(commands: Mapping[tuple[str, str], Commands], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Run everything once a round, each time another first; the seconds of each round."""
    order = list(commands)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in order}
    for turn in range(rounds):
        at = turn % len(order)
        for key in order[at:] + order[:at]:
            seconds[key].append(_side_by_side(commands[key]))
    return seconds


def _side_by_side(commands: Commands) -> float:
    """Run commands together; seconds until the last has ended."""
    started = perf_counter()
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    codes = [process.wait() for process in running]
    seconds = perf_counter() - started
    for code, command in zip(codes, commands, strict=True):
        if code:
            raise subprocess.CalledProcessError(code, command)
    return seconds


def same_rows(one: Path, other: Path) -> bool:
    """Say whether two folders of ndjson hold the same rows, whatever their order and the folders of their images."""
    return _rows(one) == _rows(other)


def _rows(folder: Path) -> list[str]:
    rows = [json.loads(line) for path in folder.glob("*.ndjson") for line in path.read_text().splitlines()]
    return sorted(json.dumps(row | {"path": Path(row["path"]).name}) for row in rows)


def _differences(more: Sequence[float], fewer: Sequence[float]) -> list[float]:
    return [high - low for high, low in zip(more, fewer, strict=True)]


def _shares(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [high / low for high, low in zip(above, below, strict=True)]


if __name__ == "__main__":
    main()
