"""What becomes of feature stores and detectors when runs are killed, disks fill and files are damaged.

Each check takes how often to try and gives a JSON record: `tried`, and how many of the trials came to each outcome.
Every trial ends with a run that is left alone, and what that leaves is compared with what was never disturbed.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks import kill_resume
from benchmarks.record import DATA, ROOT, scratch, unpack
from features.store import FeatureStore
from models.bundle import verify
from pipelines.dataset import read_dataset
from pipelines.extract import extract

__all__ = [
    "CHECKS",
    "DiskCheck",
    "damaged_shards",
    "full_disk",
    "killed_extracts",
    "killed_trains",
    "read_only_disk",
    "two_writers",
]

DiskCheck = Callable[[int, str, int], dict[str, Any]]
"""Takes how often to try, a data set, and how many of its images."""

IMAGES: Final = 200
"""Images of a store, unless fewer do."""

_NAMESPACE: Final = ("unshare", "--map-root-user", "--mount", "sh", "-ec")
_CLI: Final = f"{sys.executable} {ROOT / 'cli.py'}"


def killed_extracts(tries: int, source: str = DATA, images: int = IMAGES) -> dict[str, Any]:
    """Kill `extract` and its workers at random moments, up to four times on a store, then let it finish."""
    chance, done = random.Random(0), Counter[str]()
    with scratch() as folder:
        unpack([source], images, folder / "images")
        began = monotonic()
        kill_resume.finish(folder / "images", folder / "whole")
        seconds = monotonic() - began
        while done.total() < tries:
            kills, store = 0, folder / "killed"
            while kills < 4 and kill_resume.kill(folder / "images", store, seconds * chance.uniform(0.25, 1.0)):
                kills += 1
            kill_resume.finish(folder / "images", store)
            same = all(kill_resume.compare(folder / "whole", store).values()) and not list(store.rglob("*.tmp"))
            done["same rows, once each" if same else "lost or wrong"] += kills
            shutil.rmtree(store)
    return {"tried": done.total(), **done}


def killed_trains(tries: int, source: str = DATA, images: int = IMAGES) -> dict[str, Any]:
    """Kill `train` at random moments, in the place of a detector that is there: whole it is, the old or the new one."""
    chance, done = random.Random(0), Counter[str]()
    with scratch() as folder:
        store, out = folder / "store", folder / "bundles/own"
        unpack([source], images, folder / "images")
        extract(read_dataset([str(folder / "images")]), str(store), workers=1)
        began = monotonic()
        if _train(store, out).wait():
            raise RuntimeError(f"{images} images are too few to train on")
        seconds, whole = monotonic() - began, _bytes(out)
        while done.total() < tries:
            process = _train(store, out)
            try:
                process.wait(seconds * chance.uniform(0.2, 1.0))
                continue
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            done["whole and the same" if _bytes(out) == whole and not verify(out) else "lost or differs"] += 1
        _train(store, out).wait()
        done["differs"] += _bytes(out) != whole
        left = [path.name for path in out.parent.iterdir() if path != out]
    return {"tried": tries, **+done, "left_behind": len(left)}


def _train(store: Path, out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "cli.py", "train", str(store), "--out", str(out), "--quiet", "-o", os.devnull]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def damaged_shards(tries: int, source: str = DATA, images: int = 60) -> dict[str, Any]:
    """Cut a shard short, or alter bits, bytes or a block of it, at random; then extract again."""
    chance, done = random.Random(0), Counter[str]()
    with scratch() as folder:
        samples = read_dataset([str(folder / "images")]) if unpack([source], images, folder / "images") else []
        extract(samples, str(folder / "whole"), workers=1)
        for _ in range(tries):
            shutil.copytree(folder / "whole", folder / "hurt")
            path = chance.choice([shard.path for shard in FeatureStore(folder / "hurt").shards()])
            assert isinstance(path, Path)
            path.write_bytes(chance.choice(_DAMAGE)(path.read_bytes(), chance))
            extract(samples, str(folder / "hurt"), workers=1)
            seen = bool(list((folder / "hurt").rglob("*.damaged")))
            same = all(kill_resume.compare(folder / "whole", folder / "hurt").values())
            done[("set aside, measured again" if seen else "harmless bit") if same else "silently wrong"] += 1
            shutil.rmtree(folder / "hurt")
    return {"tried": tries, **done}


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _garble(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    length = min(chance.randrange(1, 4096), len(data) - at)
    return data[:at] + chance.choice([bytes(length), chance.randbytes(length)]) + data[at + length :]


_DAMAGE: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (_cut, _flip, _garble)


def two_writers(tries: int, source: str = DATA, images: int = 60) -> dict[str, Any]:
    """Start two `extract` at once on one store: one fills it, the other says so, and nothing is lost."""
    done: Counter[str] = Counter()
    with scratch() as folder:
        unpack([source], images, folder / "images")
        extract(read_dataset([str(folder / "images")]), str(folder / "whole"), workers=1)
        for _ in range(tries):
            command = f"{_CLI} extract {folder / 'images'} --out {folder / 'both'} --quiet -o {os.devnull}"
            both = [subprocess.Popen(["sh", "-c", command], stderr=subprocess.PIPE, text=True) for _ in range(2)]
            said = [process.communicate()[1] for process in both]
            codes = sorted(process.returncode for process in both)
            refused = codes[1] == 1 and any("being filled by another run" in line for line in said)
            same = all(kill_resume.compare(folder / "whole", folder / "both").values())
            outcome = {(0, 0): "one after the other", (0, 1): "one refused"}.get((codes[0], codes[1]), "failed")
            done[outcome if same and (refused or codes == [0, 0]) else "lost or wrong"] += 1
            shutil.rmtree(folder / "both")
    return {"tried": tries, **done}


def full_disk(tries: int, source: str = DATA, images: int = 100) -> dict[str, Any]:
    """Extract to a disk that is full sooner or later, then make room and go on."""
    chance, done = random.Random(0), Counter[str]()
    with scratch() as folder:
        unpack([source], images, folder / "images")
        extract(read_dataset([str(folder / "images")]), str(folder / "whole"), workers=1)
        size = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
        for _ in range(tries):
            said = _in_namespace(
                "mkdir -p $D; mount -t tmpfs -o size=$SIZE none $D;"
                f"{_CLI} extract $IN --out $D/store --quiet -o /dev/null && echo fits || echo full $?;"
                "mount -o remount,size=1g $D;"
                f"{_CLI} extract $IN --out $D/store --quiet -o /dev/null; cp -r $D/store $OUT",
                D=folder / "disk",
                SIZE=max(4096, int(size * chance.uniform(0.05, 0.95))),
                IN=folder / "images",
                OUT=folder / "out",
            )
            if said is None:
                return {"tried": 0, "could not be mounted": tries}
            same = all(kill_resume.compare(folder / "whole", folder / "out").values())
            told = "no space left" in said and "full 1" in said
            done["said, and the same after" if same and told else "fits" if same else "lost or wrong"] += 1
            shutil.rmtree(folder / "out")
    return {"tried": tries, **done}


def read_only_disk(tries: int, source: str = DATA, images: int = 60) -> dict[str, Any]:
    """Extract to a store on a disk that cannot be written, empty or filled; then look at what is there."""
    done: Counter[str] = Counter()
    with scratch() as folder:
        unpack([source], images, folder / "images")
        samples = read_dataset([str(folder / "images")])
        for trial in range(tries):
            store = folder / f"store{trial}"
            store.mkdir()
            if trial % 2:
                extract(samples[: images // 2], str(store), workers=1)
            before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
            said = _in_namespace(
                "mount --bind $D $D; mount -o remount,bind,ro $D;"
                f"{_CLI} extract $IN --out $D --quiet -o /dev/null || echo ended $?",
                D=store,
                IN=folder / "images",
            )
            if said is None:
                return {"tried": 0, "could not be mounted": tries}
            kept = before == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
            told = "read-only file system" in said and "ended 1" in said and "Traceback" not in said
            done["said, and untouched" if kept and told else "lost or wrong"] += 1
    return {"tried": tries, **done}


def _in_namespace(script: str, **names: object) -> str | None:
    """Run a script where it may mount; what it said, or None where that is not allowed."""
    try:
        subprocess.run([*_NAMESPACE, "mount -t tmpfs none /mnt"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    given = {name: str(value) for name, value in names.items()}
    done = subprocess.run(
        [*_NAMESPACE, script],
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace")


CHECKS: Final[Mapping[str, tuple[Callable[[int], dict[str, Any]], int]]] = {
    "extract is killed": (killed_extracts, 200),
    "train is killed": (killed_trains, 200),
    "a shard is damaged": (damaged_shards, 200),
    "two extracts into one store": (two_writers, 20),
    "the disk is full": (full_disk, 20),
    "the disk is read-only": (read_only_disk, 4),
}
"""By what is done: the check, and how often it is tried."""
