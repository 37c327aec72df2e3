"""One target of `benchmarks.fuzz`, under libFuzzer: reads what it is given, and may fail only as fauxface means to.

python -m benchmarks.fuzz_target TARGET CORPUS [flags of libFuzzer]
"""

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["features", "models", "pipelines", "PIL", "zipfile"]):
    from features.errors import FauxfaceError
    from features.frame import Frame
    from features.source import open_archive, read_bytes
    from features.store import FeatureStore
    from models import bundle
    from pipelines.inputs import expand

from benchmarks.fuzz import ARCHIVE, BUNDLE_FILES
from tests import toy

__all__ = ["TARGETS", "main"]

Target = Callable[[Path, bytes], None]


def frame(_: Path, data: bytes) -> None:
    """Decode an image."""
    Frame.load(data)


def archive(folder: Path, data: bytes) -> None:
    """List a zip and read its members."""
    path = folder / "some.zip"
    path.write_bytes(data)
    open_archive.cache_clear()
    for entry in expand([str(path)]):
        with contextlib.suppress(FauxfaceError):
            read_bytes(str(entry))


def manifest(folder: Path, data: bytes) -> None:
    """Read the manifest of a feature store."""
    (folder / "manifest.parquet").write_bytes(data)
    FeatureStore(folder).manifest()


def detector(folder: Path, data: bytes) -> None:
    """Load a bundle of which one file, told by the first byte, is as given; the manifest vouches for it."""
    own = folder / "bundle"
    if not own.exists():
        shutil.copytree(ARCHIVE, own)
    name, given = BUNDLE_FILES[data[0] % len(BUNDLE_FILES) if data else 0], data[1:]
    written = {name: given}
    if name != bundle.MANIFEST:
        record = json.loads((ARCHIVE / bundle.MANIFEST).read_bytes())
        record["files"][name] = hashlib.sha256(given).hexdigest()
        written[bundle.MANIFEST] = json.dumps(record).encode()
    for file, content in written.items():
        (own / file).write_bytes(content)
    try:
        bundle.load(own)
    finally:
        for file in written:
            (own / file).write_bytes((ARCHIVE / file).read_bytes())


TARGETS: Final[Mapping[str, Target]] = {"frame": frame, "zip": archive, "manifest": manifest, "bundle": detector}
"""What is fuzzed, by name; the names are those of `benchmarks.fuzz.SEEDS`."""


def main() -> None:
    """Hand a target to libFuzzer, which ends the process."""
    target = TARGETS[sys.argv[1]]
    folder = Path(tempfile.mkdtemp(prefix="fauxface_fuzz_", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))

    def once(data: bytes) -> None:
        with contextlib.suppress(FauxfaceError):
            target(folder, data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], once)
    try:
        with toy.registered():  # the block that the bundle measures
            atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
