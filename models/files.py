"""Files of detectors and networks: read whole, within a limit, against a sha256; replaced whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from features.errors import BundleError, OutputError, reason_of
from features.storage import Place, Remote, list_files, locate
from models.swap import spare, swap, sweep

__all__ = ["MAX_BYTES", "local_folder", "read_bounded", "read_checked", "replace_file", "replace_folder"]

MAX_BYTES: Final = 1 << 30
"""The largest file of a detector or network."""


def local_folder(path: str | os.PathLike[str]) -> Path:
    """Give a folder of this machine: `path` itself, or a copy of what is behind a URL, made once a process.

    Raises
    ------
    BundleError
        Nothing is behind the URL, or it cannot be read.
    """
    place = locate(path)
    return _copy(place) if isinstance(place, Remote) else place


@lru_cache(maxsize=8)
def _copy(remote: Remote) -> Path:
    """Copy the files of a folder, not those of folders in it, into one that goes when the process ends."""
    try:
        files = [entry for entry in list_files(remote) if entry.is_file()]
        if not files:
            raise BundleError(f"no bundle at {str(remote)!r}: nothing is there")
        held = tempfile.TemporaryDirectory(prefix="fauxface-", ignore_cleanup_errors=True)
        _held.append(held)
        folder = Path(held.name, remote.name)
        folder.mkdir()
        for entry in files:
            (folder / entry.name).write_bytes(entry.read_bytes())
    except OSError as error:
        raise BundleError(f"{remote}: cannot be read: {reason_of(error)}") from error
    return folder


_held: "list[tempfile.TemporaryDirectory[str]]" = []


def read_bounded(path: Place, limit: int) -> bytes:
    """Read a file of at most `limit` bytes; raises BundleError where it is larger or cannot be read."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe might wait for ever
            raise BundleError(f"{path}: not a regular file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{path}: {reason_of(error)}") from error
    if len(data) > limit:
        raise BundleError(f"{path}: larger than {limit:,} bytes")
    return data


def read_checked(path: Place, sha256: str) -> bytes:
    """Read a file; raises BundleError where it is not the one of that sha256, or cannot be read."""
    data = read_bounded(path, MAX_BYTES)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f"{path}: damaged: its sha256 is not the one on record")
    return data


def replace_file(path: Place, data: bytes) -> None:
    """Put a whole file in the place of `path`; raises OutputError where it cannot be written."""
    if isinstance(path, Remote):
        _replace_remote({path: data})
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason_of(error)}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _replace_remote(files: Mapping[Remote, bytes]) -> None:
    for path, data in files.items():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {reason_of(error)}") from error


def replace_folder(path: str | os.PathLike[str], files: Mapping[str, bytes], mark: str) -> None:
    """Put a complete folder in the place of `path`; what was there stays until the new one is whole.

    Parameters
    ----------
    path : path
        The place. Behind a URL the files are written one by one, the mark last.
    files : mapping
        The bytes of each file.
    mark : str
        The file by which a folder is known that may be replaced.

    Raises
    ------
    OutputError
        The place is taken by something else, or cannot be written.
    """
    path = locate(path)
    if path.exists() and not (path / mark).is_file() and not (path.is_dir() and not list_files(path)):
        raise OutputError(f"{path}: exists and is not a bundle; choose another place or remove it")
    if isinstance(path, Remote):
        _replace_remote({path / name: files[name] for name in sorted(files, key=mark.__eq__)})
        return
    place = path.resolve()
    fresh = spare(place)
    try:
        sweep(place)
        fresh.mkdir(parents=True)
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        swap(fresh, place)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason_of(error)}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
