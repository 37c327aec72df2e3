"""What becomes of bad images: each gets a verdict or a row that says why not, and those beside it keep their verdicts.

Whole commands run over folders and zips of `tests.hostile`, with one and with two processes. Each check takes how often
to try and gives a JSON record, as those of `benchmarks.reliability_stores` do.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

from benchmarks.record import ROOT, scratch
from features.decode import decode
from features.errors import ImageError
from features.store import FeatureStore
from pipelines.inputs import expand
from tests import hostile

__all__ = ["CHECKS", "bad_images", "bad_places", "bad_zips", "run"]

SLOW: Final = 10.0
"""Seconds beyond which an image is taken to hang."""

Bad = Callable[[int], Mapping[str, bytes]]

_MEASURE: Final = """
import os, sys
with open(os.devnull, "w") as nowhere:
    nowhere = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), stream) for stream in (1, 2)]
    process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(process, 0)
print(status, usage.ru_maxrss)
"""
"""Runs a command from a small process: by the kernel's count, a process starts with the most memory of its parent."""

_FATES: Final = ("a verdict", "a vector", "a reason", "lost")
_FAULTS: Final = ("neighbours changed", "commands failed")


class Ended(NamedTuple):
    """How a command ended: its exit status, the seconds and the most memory (of one process, in MB) that it took."""

    status: int
    seconds: float
    megabytes: int


def run(*arguments: str | Path) -> Ended:
    """Run a command of fauxface to its end."""
    began = monotonic()
    command = [sys.executable, "-c", _MEASURE, sys.executable, str(ROOT / "cli.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=True)
    status, kilobytes = map(int, done.stdout.split())
    return Ended(os.waitstatus_to_exitcode(status), monotonic() - began, kilobytes // 1024)


def bad_images(make: Bad, tries: int) -> dict[str, Any]:
    """Put bad images beside good ones; `score` them, `score` them in a zip, and `extract` them."""
    with scratch() as folder:
        (folder / "in" / "real").mkdir(parents=True)
        files = {f"real/{name}": data for name, data in make(tries).items()}
        good = {f"fake/{name}": data for name, data in hostile.neighbours().items()}
        (folder / "in" / "fake").mkdir()
        with zipfile.ZipFile(folder / "in.zip", "w") as made:
            for name, data in {**files, **good}.items():
                (folder / "in" / name).write_bytes(data)
                made.writestr(name, data)
        slowest = max(map(_seconds, files.values()))
        done, most = _all_commands(folder, [folder / "in", folder / "in.zip"])
    return {**_record(done, most), "decoded slower than 10 s": int(slowest > SLOW)}


def bad_places(tries: int) -> dict[str, Any]:
    """Put links that loop, pipes, devices and names of strange bytes beside good images."""
    done, most = Counter[str](), 0
    for _ in range(tries):
        with scratch() as folder:
            for part in ("real", "fake"):
                (folder / "in" / part).mkdir(parents=True)
            for name, data in hostile.neighbours().items():
                (folder / "in" / "fake" / name).write_bytes(data)
            list(hostile.make_places(folder / "in" / "real"))
            found, megabytes = _all_commands(folder, [folder / "in"])
        done, most = done + found, max(most, megabytes)
    return _record(done, most)


def bad_zips(tries: int) -> dict[str, Any]:
    """Score zips that expand beyond measure, lie, are cut short or name members outside themselves."""
    done, most = Counter[str](), 0
    for _ in range(tries):
        with scratch() as folder:
            (folder / "in" / "fake").mkdir(parents=True)
            for name, data in hostile.neighbours().items():
                (folder / "in" / "fake" / name).write_bytes(data)
            hostile.archives(folder)
            found, megabytes = _scored(folder, [*sorted(folder.glob("*.zip")), folder / "in"], 1)
        done, most = done + found, max(most, megabytes)
    return _record(done, most)


def _record(done: Counter[str], most: int) -> dict[str, Any]:
    """Tell how many inputs were tried, what became of them, and what should not have happened."""
    tried = sum(done[fate] for fate in _FATES)
    return {"tried": tried, **{name: done[name] for name in (*_FATES, *_FAULTS)}, "most MB": most}


def _seconds(data: bytes) -> float:
    """Measure how long it takes to decode an image, or to refuse it."""
    began = monotonic()
    with suppress(ImageError):
        decode(data)
    return monotonic() - began


def _all_commands(folder: Path, inputs: Sequence[Path]) -> tuple[Counter[str], int]:
    done, most = Counter[str](), 0
    for jobs in (1, 2):
        for found, megabytes in (*(_scored(folder, [one], jobs) for one in inputs), _extracted(folder, jobs)):
            done, most = done + found, max(most, megabytes)
    return done, most


def _scored(folder: Path, inputs: Sequence[Path], jobs: int) -> tuple[Counter[str], int]:
    """Score inputs; count what became of each."""
    rows = folder / "rows.ndjson"
    rows.unlink(missing_ok=True)
    fixed = ("--faces", "off", "--format", "ndjson", "--quiet", "--jobs", str(jobs), "-o", rows)
    ended = run("score", *inputs, *fixed)
    lines = rows.read_text().splitlines() if rows.exists() else []
    found = {row["path"]: row for row in map(json.loads, lines)}
    done = Counter("a verdict" if row["error"] is None else "a reason" for row in found.values())
    done["lost"] = len(set(expand([str(one) for one in inputs])) - found.keys())
    done["neighbours changed"] = _changed({path: row["probability"] for path, row in found.items()}, folder)
    done["commands failed"] = int(ended.status not in (0, 3))
    return done, ended.megabytes


def _changed(probabilities: Mapping[str, float | None], folder: Path) -> int:
    """Count the good images that have another probability than by themselves."""
    alone = folder / "alone"
    if not alone.exists():
        alone.mkdir()
        for name, data in hostile.neighbours().items():
            (alone / name).write_bytes(data)
        run("score", alone, "--faces", "off", "--format", "ndjson", "--quiet", "-o", folder / "alone.ndjson")
    rows = map(json.loads, (folder / "alone.ndjson").read_text().splitlines())
    expected = {Path(row["path"]).name: row["probability"] for row in rows}
    found = {Path(path).name: value for path, value in probabilities.items() if "fake/" in path}
    return sum(found.get(name) != value for name, value in expected.items())


def _extracted(folder: Path, jobs: int) -> tuple[Counter[str], int]:
    """Extract the folder `in`; count what became of each of its images."""
    store = folder / f"store{len(list(folder.glob('store*')))}"
    ended = run("extract", folder / "in", "--out", store, "--quiet", "--jobs", str(jobs))
    done = Counter({"commands failed": int(ended.status not in (0, 3))})
    named = set(expand([str(folder / "in")]))
    if not done["commands failed"]:
        errors = FeatureStore(store).manifest()["error"]
        done += Counter("a reason" if error else "a vector" for error in errors)
        done["lost"] = max(len(named) - len(errors), 0)
    return done, ended.megabytes


CHECKS: Final[Mapping[str, tuple[Callable[[int], dict[str, Any]], int]]] = {
    "images are cut short": (partial(bad_images, lambda _: hostile.truncations()), 1),
    "bits are flipped": (partial(bad_images, hostile.flips), 300),
    "images lie": (partial(bad_images, lambda _: hostile.lies()), 1),
    "images are of rare kinds": (partial(bad_images, lambda _: hostile.odd_kinds()), 1),
    "files are no files, names are strange": (bad_places, 1),
    "zips lie": (bad_zips, 1),
}
"""By what is done: the check, and how often it is tried."""
