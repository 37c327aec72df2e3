"""Where the bytes of an input come from: a file, or a member of a zip read in place.

A member is addressed as `archive.zip!/folder/name.jpg`. Each process keeps the few archives it read last open,
because opening one reads its whole directory.
"""

import os
import zipfile
import zlib
from functools import lru_cache

from features.errors import ImageTooLargeError, UnreadableFileError

__all__ = ["MAX_BYTES", "MEMBER", "open_archive", "read_bytes"]

MEMBER = "!/"
"""Stands between the path of an archive and the name of its member."""

MAX_BYTES = 1 << 30
"""The largest file that is read, in bytes (1 GiB)."""


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole input.

    Raises
    ------
    UnreadableFileError
        Missing, a folder, no permission, or not a member of its archive.
    ImageTooLargeError
        More bytes than any image within the pixel limit needs.
    """
    name = os.fspath(path)
    archive, separator, member = name.partition(MEMBER)
    try:
        return _read_member(archive, member) if separator else _read_file(name)
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableFileError(_cause(error)) from error


def _read_file(name: str) -> bytes:
    with open(name, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    _check_bytes(len(data))
    return data


def _read_member(archive: str, member: str) -> bytes:
    opened = open_archive(archive)
    _check_bytes(opened.getinfo(member).file_size)
    return opened.read(member)


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise ImageTooLargeError(f"the file holds more than {MAX_BYTES:,} bytes")


@lru_cache(maxsize=4)
def open_archive(path: str) -> zipfile.ZipFile:
    """Open a zip for reading, once a process; the caller does not close it."""
    return zipfile.ZipFile(path)


def _cause(error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "this is a folder, not a file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).strip("'\"")
