"""Build what is published, twice and bit for bit the same, and try it where nothing of the checkout can be seen.

    python -m tests.release

Takes the last commit, not the working tree; its time is that of every file in the archives. Wheel and sdist are left in
`dist/`. They are tried in a virtual environment of its own, with the versions of `requirements.lock`.
"""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "build", "locked", "main", "missing", "normalise", "tracked"]

ROOT: Final = Path(__file__).resolve().parents[1]

_SHIPPED: Final = re.compile(r"cli\w*\.py|(features|models|pipelines)/.+")
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def main() -> None:
    """Build, compare, look through, try; the exit status is 1 where anything is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="fauxface-release-") as folder:
        first, second = (build(Path(folder, name)) for name in ("one", "two"))
        for one, other in zip(first, second, strict=True):
            if one.name != other.name or one.read_bytes() != other.read_bytes():
                sys.exit(f"{one.name} and {other.name} of the same commit differ")
        wheel, _ = first
        if lacking := missing(zipfile.ZipFile(wheel).namelist(), tracked()):
            sys.exit(f"{wheel.name} lacks {', '.join(lacking)}")
        _try(wheel, Path(folder, "clean"))
        (ROOT / "dist").mkdir(exist_ok=True)
        for file in first:
            (ROOT / "dist" / file.name).write_bytes(file.read_bytes())
            print(hashlib.sha256(file.read_bytes()).hexdigest(), f"dist/{file.name}")


def build(folder: Path, tree: str = "HEAD") -> tuple[Path, Path]:
    """Build a tree of the repository below a folder that is new; returns the wheel, made of the sdist, and that."""
    source, out = folder / "source", folder / "dist"
    source.mkdir(parents=True)
    out.mkdir()
    packed = _run("git", "-C", str(ROOT), "archive", tree)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(source, filter="data")
    epoch = _run("git", "-C", str(ROOT), "log", "-1", "--format=%ct").decode().strip()
    said = {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"}
    make = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out))
    _run(*make, "--sdist", str(source), said=said)
    (sdist,) = out.glob("*.tar.gz")
    sdist.write_bytes(normalise(sdist.read_bytes(), int(epoch)))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    _run(*make, "--wheel", str(folder / "unpacked" / sdist.name.removesuffix(".tar.gz")), said=said)
    (wheel,) = out.glob("*.whl")
    return wheel, sdist


def normalise(packed: bytes, epoch: int) -> bytes:
    """Write a .tar.gz anew with its members in order, of nobody, of one time and of the usual modes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(packed)) as old, tarfile.open(fileobj=plain, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            fresh = tarfile.TarInfo(member.name)
            fresh.type, fresh.size, fresh.mtime = member.type, member.size, epoch
            fresh.mode = 0o755 if member.isdir() else 0o644
            new.addfile(fresh, old.extractfile(member) if member.isfile() else None)
    return gzip.compress(plain.getvalue(), mtime=epoch)


def tracked() -> list[str]:
    """List the files of the last commit that a wheel has to hold."""
    names = _run("git", "-C", str(ROOT), "ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0")
    return [name for name in names if _SHIPPED.fullmatch(name)]


def missing(held: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """List what is wanted and not held, sorted."""
    return sorted(set(wanted) - set(held))


def locked() -> dict[str, str]:
    """Read the versions of the lock, by name."""
    return dict(_PIN.findall((ROOT / "requirements.lock").read_text()))


def _try(wheel: Path, folder: Path) -> None:
    """Install the wheel alone, and have it judge a picture, check its bundles and show its help."""
    _run(sys.executable, "-m", "venv", str(folder))
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in locked().items()))
    _run(str(folder / "bin/pip"), "install", "--quiet", "--constraint", str(pins), str(wheel))
    program, picture = str(folder / "bin/fauxface"), str(folder / "picture.png")
    _run(str(folder / "bin/python"), "-c", _DRAW, picture, where=folder)
    for words in (["--help"], ["--version"], ["bundle", "verify", "fast"], ["bundle", "verify", "full"], ["doctor"]):
        _run(program, *words, where=folder)
    row = json.loads(_run(program, "score", picture, "--faces", "off", "--format", "ndjson", where=folder))
    here = [sys.executable, str(ROOT / "cli.py"), "score", picture, "--faces", "off", "--format", "ndjson"]
    if row["verdict"] is None or row != json.loads(_run(*here, where=folder)):
        sys.exit(f"the wheel judges otherwise than the checkout: {row}")


_DRAW: Final = (
    "import sys, cv2; from pipelines.doctor import specimen; cv2.imwrite(sys.argv[1], specimen()[..., ::-1].copy())"
)


def _run(*command: str, said: Mapping[str, str] | None = None, where: Path = ROOT) -> bytes:
    """Run a command; its output, or the end of all with what it said."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = {**usual, **(said or {})}
    done = subprocess.run(command, cwd=where, env=said, capture_output=True, check=False, umask=0o022)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {(done.stderr or done.stdout).decode(errors='replace')[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
