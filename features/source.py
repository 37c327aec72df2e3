"""Where the bytes of an input come from: a file, or a member of a zip read in place.

A member is addressed as `archive.zip!/folder/name.jpg`. Each process keeps the few archives it read last open,
because opening one reads its whole directory.
"""

import lzma
import os
import stat
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from features.errors import ImageTooLargeError, UnreadableFileError
from features.storage import Remote, is_url, locate

__all__ = ["MAX_BYTES", "MEMBER", "READ_ERRORS", "open_archive", "read_bytes", "split_member"]

MEMBER = "!/"
"""Stands between the path of an archive and the name of its member."""

MAX_BYTES = 1 << 30
"""The largest file that is read, in bytes (1 GiB)."""

# fmt: off
READ_ERRORS = (
    OSError, ValueError, LookupError, RuntimeError, EOFError, struct.error, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError,
)
# fmt: on
"""What reading a damaged file or zip raises."""


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole input.

    Raises
    ------
    UnreadableFileError
        Missing, a folder, a pipe or device, no permission, or not a member of its archive.
    ImageTooLargeError
        More bytes than any image within the pixel limit needs.
    """
    name = os.fspath(path)
    try:
        address = split_member(name)
        return _read_member(*address) if address else _read_file(name)
    except READ_ERRORS as error:
        raise UnreadableFileError(_cause(error)) from error


def split_member(name: str) -> tuple[str, str] | None:
    """Split the address of a member into its archive, which is a file, and its name; None for any other path."""
    at = name.find(MEMBER)
    while at >= 0 and not _is_archive(name[:at]):  # a folder's name may end in an exclamation mark
        at = name.find(MEMBER, at + 1)
    return (name[:at], name[at + len(MEMBER) :]) if at >= 0 else None


def _is_archive(name: str) -> bool:
    return name.lower().endswith(".zip") if is_url(name) else Path(name).is_file()


def _read_file(name: str) -> bytes:
    place = locate(name) if is_url(name) else name
    if isinstance(place, Remote):
        _check_bytes(place.size())
        return place.read_bytes()
    with open(place, "rb", buffering=0, opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError("not a regular file but a pipe, socket or device")
        _check_bytes(status.st_size)
        return file.readall()


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _read_member(archive: str, member: str) -> bytes:
    opened = open_archive(archive)
    entry = opened.getinfo(member)
    if entry.is_dir():
        raise IsADirectoryError
    _check_bytes(entry.file_size)
    return opened.read(entry)


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise ImageTooLargeError(f"the file holds more than {MAX_BYTES:,} bytes")


@lru_cache(maxsize=4)
def open_archive(path: str) -> zipfile.ZipFile:
    """Open a zip for reading, once a process; the caller does not close it."""
    place = locate(path)
    return zipfile.ZipFile(place.open() if isinstance(place, Remote) else place)


def _cause(error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "this is a folder; no image was found in it, or it was not searched"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).strip("'\"") or type(error).__name__
