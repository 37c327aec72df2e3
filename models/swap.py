"""Puts one folder in the place of another so that at no moment, whatever kills the process, there is none."""

import ctypes
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

__all__ = ["spare", "swap", "sweep"]

_HERE: Final = -100  # AT_FDCWD: paths are seen from the working folder
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of renameat2(2)


def spare(place: Path) -> Path:
    """Name a folder beside a place where this process may put together what is to be there."""
    return place.with_name(f".{place.name}.{os.getpid()}.new")


def swap(fresh: Path, place: Path) -> None:
    """Put a folder in a place, and what was there, if anything, under the folder's name; raises OSError.

    Linux exchanges the two in one step. Elsewhere they are renamed one after the other, and the old one goes back where
    the new one cannot be put.
    """
    if not place.exists():
        fresh.rename(place)
    elif not _exchange(fresh, place):
        old = fresh.with_suffix(".old")
        place.rename(old)
        try:
            fresh.rename(place)
        except OSError:
            old.rename(place)
            raise
        old.rename(fresh)


def sweep(place: Path) -> None:
    """Remove what processes left beside a place that were killed before they were done."""
    name = re.compile(rf"\.{re.escape(place.name)}\.(\d+)\.new")
    for path in place.parent.iterdir() if place.parent.is_dir() else ():
        if (found := name.fullmatch(path.name)) and not _lives(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of somebody else
        return True
    return True
