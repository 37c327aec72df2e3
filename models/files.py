"""Files of detectors and networks: read whole, within a limit, against a sha256; replaced whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from features.errors import BundleError, OutputError

__all__ = ["MAX_BYTES", "read_bounded", "read_checked", "replace_file", "replace_folder"]

MAX_BYTES: Final = 1 << 30
"""The largest file of a detector or network."""


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes; raises BundleError where it is larger or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if len(data) > limit:
        raise BundleError(f"{path}: larger than {limit:,} bytes")
    return data


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a file; raises BundleError where it is not the one of that sha256, or cannot be read."""
    data = read_bounded(path, MAX_BYTES)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f"{path}: damaged: its sha256 is not the one on record")
    return data


def replace_file(path: Path, data: bytes) -> None:
    """Put a whole file in the place of `path`; raises OutputError where it cannot be written."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        fresh.unlink(missing_ok=True)


def replace_folder(path: Path, files: Mapping[str, bytes], mark: str) -> None:
    """Put a complete folder in the place of `path`; what was there stays until the new one is whole.

    Parameters
    ----------
    path : Path
        The place.
    files : mapping
        The bytes of each file.
    mark : str
        The file by which a folder is known that may be replaced.

    Raises
    ------
    OutputError
        The place is taken by something else, or cannot be written.
    """
    if path.exists() and not (path / mark).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{path}: exists and is not a bundle; choose another place or remove it")
    place = path.resolve()
    fresh, old = (place.with_name(f".{place.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    try:
        fresh.mkdir(parents=True)
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
