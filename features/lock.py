"""One writer at a time: a folder is held by the process that fills it, until it ends, however it ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import OutputError, StoreError, reason_of
from features.storage import Place, Remote

__all__ = ["hold"]


@contextmanager
def hold(folder: Place) -> Iterator[None]:
    """Hold a folder of this machine's file system against other writers; it is made where it is missing.

    The operating system lets go when the process ends. Folders behind a URL, and those of file systems that know no
    locks, are not held: there shards are whole or absent, and rows that are measured twice count once.

    Raises
    ------
    StoreError
        Another process holds it.
    OutputError
        It cannot be made or opened.
    """
    if sys.platform == "win32" or isinstance(folder, Remote):
        yield
        return
    import fcntl

    descriptor = _open(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreError(f"{folder} is being filled by another run; wait until it ends, then run this again") from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {reason_of(error)}") from error
