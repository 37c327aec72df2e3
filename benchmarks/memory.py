"""Whether `score` holds constant memory: the resident set of its processes while it scores many small images.

The folder holds hard links to a few crops under as many names as there are to be images, so that it fills no disk.
Rows go to a pipe as ndjson and are counted. VmRSS of the parent and of its workers together is read every 0.2 seconds
(Linux). `early` is the median of the looks between 5 and 10 % of the time from the first row to the last, `late` that
of the last 5 %.

    python -m benchmarks.memory -o benchmarks/results/memory.json
"""

import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from benchmarks.processes import PERIOD, look
from benchmarks.record import DATA, ROOT, judge, make_parser, scratch, unpack, write
from benchmarks.speed import score_command
from models.bundle import resolve
from pipelines.score import FACES

__all__ = ["GROWTH", "Look", "Run", "figures_of", "main", "measure"]

GROWTH: Final = 1.05
"""How many times the early memory the late may be."""

_SHARE: Final = 0.05  # of the run: before `early`, and the length of `early` and `late`


@dataclass(frozen=True)
class Look:
    """How many images had rows by then, and bytes of memory by role: `parent`, `worker` (of all workers together)."""

    images: int
    memory: Mapping[str, int]


@dataclass
class Run:
    """What was seen of a run: looks in their order, rows, those of them that failed, and the names they are of."""

    looks: list[Look] = field(default_factory=list)
    rows: int = 0
    failed: int = 0
    names: set[str] = field(default_factory=set)
    seconds: float = 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--faces", choices=FACES, default="off", help="with auto, a row a face (default: off)")
    parser.add_argument("--images", type=int, default=100_000, help="names in the folder (default: 100,000)")
    parser.add_argument("--crops", type=int, default=400, help="files behind them (default: 400)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="one run each (default: 1 2)")
    options = parser.parse_args(arguments)
    figures = measure(
        *(options.data, options.model),
        faces=options.faces,
        images=options.images,
        crops=options.crops,
        jobs=options.jobs,
    )
    write(options.output, "memory", arguments, figures)


def measure(
    sources: Sequence[str], model: str, *, faces: str, images: int, crops: int, jobs: Sequence[int]
) -> dict[str, Any]:
    """Score the folder once for each number of jobs; JSON values, memory in megabytes (10**6 bytes).

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    model : str
        A detector that ships, or the path of a bundle.
    faces : str
        As `score` takes it.
    images : int
        How many names the folder has.
    crops : int
        How many files they are of.
    jobs : sequence of int
        Processes of each run.
    """
    bundle = resolve(model).absolute()
    with scratch() as folder:
        files = unpack(sources, min(crops, images), folder / "crops")
        place = _link(files, images, folder / "images")
        runs = {
            str(count): figures_of(_watch(score_command(place, bundle, jobs=count, faces=faces)), images)
            for count in jobs
        }
    return {
        "images": images,
        "files": len(files),
        "faces": faces,
        "growth": {f"jobs_{count} {role}": judged for count, run in runs.items() for role, judged in run.pop("growth")},
        "jobs": runs,
        "every_image": all(run["every_image"] for run in runs.values()),
        "one_row_each": all(run["one_row_each"] for run in runs.values()),
    }


def _link(files: Sequence[str], count: int, folder: Path) -> Path:
    """Fill a new folder with names of files, in turn."""
    folder.mkdir()
    for index, path in enumerate(islice(cycle(map(Path, files)), count)):
        (folder / f"{index:06d}{path.suffix}").hardlink_to(path)
    return folder


def _watch(command: Sequence[str]) -> Run:
    """Run `score`, take its rows from a pipe and look at its processes meanwhile."""
    run, ended, started = Run(), threading.Event(), perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=_look_on, args=(process.pid, run, ended))
        watcher.start()
        try:
            for line in process.stdout or ():
                _note(json.loads(line), run)
        finally:
            ended.set()
            watcher.join()
    run.seconds = perf_counter() - started
    if process.returncode not in (0, 3):  # 3: some images failed, and they are counted
        raise subprocess.CalledProcessError(process.returncode, command)
    return run


def _look_on(pid: int, run: Run, ended: threading.Event) -> None:
    while not ended.wait(PERIOD):
        memory: dict[str, int] = defaultdict(int)
        for process in look(pid, "VmRSS"):
            memory[process.role] += process.memory
        memory.pop("helper", None)
        run.looks.append(Look(len(run.names), memory))


def _note(row: Mapping[str, Any], run: Run) -> None:
    run.rows += 1
    run.failed += row["error"] is not None
    run.names.add(row["path"])


def figures_of(run: Run, images: int) -> dict[str, Any]:
    """Give the memory early and late in a run over `images` files, by role and in all, with its growth.

    Raises
    ------
    ValueError
        Where no look fell between the first row and the last.
    """
    looks = [one for one in run.looks if 0 < one.images < images]
    if not looks:
        raise ValueError(f"{images} images were too few: no look at the processes fell between two rows")
    first, length = int(_SHARE * len(looks)), max(1, int(_SHARE * len(looks)))
    roles = sorted({role for one in looks for role in one.memory})
    early, late = (_megabytes(some, roles) for some in (looks[first : first + length], looks[-length:]))
    most = {role: max(one.memory.get(role, 0) for one in looks) / 1e6 for role in roles}
    return {
        "seconds": run.seconds,
        "rows": run.rows,
        "failed": run.failed,
        "every_image": len(run.names) == images,
        "one_row_each": run.rows == images,
        "looks": len(looks),
        "megabytes": {role: {"early": early[role], "late": late[role], "most": most[role]} for role in roles},
        "growth": [(role, judge([late[role] / early[role]], at_most=GROWTH)) for role in roles],
    }


def _megabytes(looks: Sequence[Look], roles: Sequence[str]) -> dict[str, float]:
    return {role: median(one.memory.get(role, 0) for one in looks) / 1e6 for role in roles}


if __name__ == "__main__":
    main()
