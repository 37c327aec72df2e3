"""The files of a data set below a folder or in a zip, and the rows that a layout makes of them."""

import difflib
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import is_zipfile

from features.errors import DatasetError
from features.source import MEMBER, open_archive
from features.storage import Remote, is_url, locate

__all__ = ["Row", "Tree", "open_tree"]


class Row(NamedTuple):
    """One image as its data set lists it.

    Attributes
    ----------
    path : str
        A file, or a member of a zip.
    label : int
        0 real, 1 fake.
    group : str
        What must not be torn apart; empty where that follows from `origins`.
    kind : str
        How it was made, as far as the data set tells.
    source : str
        The data set that a table says it is from.
    split : str
        The part that the data set itself assigns it to.
    size : (int, int), optional
        Width and height in pixels before it was resized, where the data set tells.
    origins : tuple of str
        The videos or people it was made from, where the data set tells.
    mask : str
        An image that says how much of each pixel was forged; empty where there is none.
    """

    path: str
    label: int
    group: str
    kind: str
    source: str = ""
    split: str = ""
    size: tuple[int, int] | None = None
    origins: tuple[str, ...] = ()
    mask: str = ""


@dataclass(frozen=True)
class Tree:
    """The files below a folder or in a zip.

    Attributes
    ----------
    root : str
        The folder, or the zip.
    archived : bool
        Whether it is a zip.
    entries : tuple of str
        Paths inside it, with slashes.
    """

    root: str
    archived: bool
    entries: tuple[str, ...]

    def address(self, entry: str) -> str:
        """Give the path by which `features.source.read_bytes` finds an entry."""
        if self.archived:
            return self.root + MEMBER + posixpath.normpath(entry)
        if is_url(entry):
            return entry
        place = locate(self.root)
        return str(place / posixpath.normpath(entry) if isinstance(place, Remote) else place / entry)

    def read(self, entry: str) -> bytes:
        """Read a whole entry; raises OSError or BadZipFile where that fails."""
        return open_archive(self.root).read(entry) if self.archived else locate(self.address(entry)).read_bytes()


def open_tree(source: str) -> Tree | None:
    """List the files of a folder or zip; None for any other file.

    Raises
    ------
    DatasetError
        Where there is nothing of that name; the message offers a neighbour.
    OSError, BadZipFile
        Where it cannot be read.
    """
    path = locate(source)
    if isinstance(path, Remote):
        return _open_remote(path)
    if path.is_dir():
        return Tree(str(path), False, tuple(_walk(source)))
    if not path.exists():
        raise DatasetError(_missing(path))
    return _open_zip(str(path)) if is_zipfile(path) else None


def _open_remote(place: Remote) -> Tree | None:
    if place.suffix.lower() == ".zip":
        return _open_zip(str(place))
    if place.is_dir():
        return Tree(str(place), False, tuple(entry for entry in place.below() if not _hidden(entry)))
    if not place.exists():
        raise DatasetError(f"{place} does not exist")
    return None


def _open_zip(path: str) -> Tree:
    return Tree(path, True, tuple(entry for entry in open_archive(path).namelist() if not _hidden(entry)))


def _missing(path: Path) -> str:
    """Say that a path does not exist, and which of its neighbours may have been meant."""
    if not path.parent.is_dir():
        return f"{path} does not exist; neither does {path.parent}"
    close = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    return f"{path} does not exist" + (f"; did you mean {path.with_name(close[0])}?" if close else "")


def _walk(root: str) -> Iterator[str]:
    """Yield the files below a folder, links followed once, hidden ones left out."""
    seen: set[str] = set()
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = [name for name in sorted(below) if not _hidden(name)]
        if (real := os.path.realpath(folder)) in seen:
            below.clear()
            continue
        seen.add(real)
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        yield from (posixpath.normpath(f"{inside}/{name}") for name in files if not _hidden(name))


def _hidden(entry: str) -> bool:
    return entry.endswith("/") or any(part.startswith((".", "__MACOSX")) for part in entry.split("/"))
