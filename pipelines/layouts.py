"""The layouts that a data set may have, each read in place from a folder or a zip.

deepfake-faces    metadata.csv (videoname,label,original) beside faces_224/, as Kaggle serves it
table             a CSV with the columns path,label[,group[,kind]]; in a folder or zip it is named manifest.csv
class folders     images below folders named real and fake, however deep
"""

import csv
import difflib
import io
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, is_zipfile

from features.errors import DatasetError
from features.source import MEMBER, open_archive
from pipelines.inputs import SUFFIXES

__all__ = ["Classes", "Row", "has_layout", "read_layout"]

Classes = Mapping[str, int]
"""Names of class folders and labels, lower case, to 0 (real) or 1 (fake)."""

_EXPECTED = (
    "expected one of: metadata.csv beside faces_224/ (Kaggle's deepfake-faces), "
    "a CSV path,label[,group[,kind]] (manifest.csv in a folder or zip), or images below folders named {}"
)
_LABELS: Classes = {"real": 0, "fake": 1, "0": 0, "1": 1}
_TABLES = ("metadata.csv", "manifest.csv")
_Table = list[tuple[int, dict[str, str]]]  # line numbers and cells


class Row(NamedTuple):
    """One image as its data set lists it."""

    path: str
    label: int
    group: str
    kind: str


@dataclass(frozen=True)
class _Tree:
    """The files below a folder or in a zip, by their paths inside it with slashes."""

    root: str
    archived: bool
    entries: tuple[str, ...]

    def address(self, entry: str) -> str:
        """Give the path by which `features.source.read_bytes` finds an entry."""
        if self.archived:
            return self.root + MEMBER + posixpath.normpath(entry)
        return str(Path(self.root, entry))

    def read(self, entry: str) -> bytes:
        return open_archive(self.root).read(entry) if self.archived else Path(self.root, entry).read_bytes()


def read_layout(source: str, classes: Classes) -> list[Row]:
    """List the images of one data set: a folder, a zip or a CSV.

    Raises
    ------
    DatasetError
        Where the source is missing, of no known layout or of two, or lists no image.
    """
    try:
        tree, tables = _open(source)
        rows = _read_tables(tree, tables, classes) if tables else _class_rows(tree, classes)
    except (OSError, BadZipFile) as error:
        raise DatasetError(f"cannot read {source}: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise DatasetError(f"no images in {source}")
    return rows


def has_layout(source: str, classes: Classes) -> bool:
    """Tell a data set, which `read_layout` reads or refuses, from pictures without labels and what cannot be read."""
    try:
        tree, tables = _open(source)
    except (OSError, BadZipFile, DatasetError):
        return False
    return bool(tables) or any(_class_of(entry, classes) for entry in tree.entries)


def _open(source: str) -> tuple[_Tree, list[str]]:
    """Open a source; returns its tree and the tables in it that say which images there are."""
    path = Path(source)
    if path.is_dir():
        tree = _Tree(str(path), False, tuple(_walk(source)))
    elif not path.exists():
        raise DatasetError(_missing(path))
    elif is_zipfile(source):
        tree = _Tree(str(path), True, tuple(n for n in open_archive(str(path)).namelist() if not _hidden(n)))
    elif path.suffix.lower() == ".csv":
        return _Tree(str(path.parent), False, ()), [path.name]
    else:
        raise DatasetError(f"{source} is neither a folder, a zip nor a CSV")
    return tree, _top_tables(tree.entries)


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


def _top_tables(entries: Sequence[str]) -> list[str]:
    """Choose the tables nearest to the root, at most one folder down."""
    tables = [entry for entry in entries if posixpath.basename(entry) in _TABLES and entry.count("/") <= 1]
    depth = min((entry.count("/") for entry in tables), default=0)
    return [entry for entry in tables if entry.count("/") == depth]


def _read_tables(tree: _Tree, tables: Sequence[str], classes: Classes) -> list[Row]:
    """Read the images of every table; those of one folder must not contradict each other."""
    folders = [posixpath.dirname(entry) for entry in tables]
    if len(set(folders)) < len(folders):
        raise DatasetError(f"{tree.root} holds both {' and '.join(tables)}; name the one that counts")
    return [row for entry in tables for row in _read_table(tree, entry, classes)]


def _read_table(tree: _Tree, entry: str, classes: Classes) -> Iterator[Row]:
    columns, table = _parse(tree, entry)
    known = {**_LABELS, **classes}
    if {"videoname", "label"} <= columns:
        if any(_class_of(other, classes) for other in tree.entries):
            raise DatasetError(f"{tree.root} holds both {entry} and class folders; leave one of them in it")
        return _kaggle_rows(tree, entry, table, known)
    if {"path", "label"} <= columns:
        return _listed_rows(tree, entry, table, known)
    found = ", ".join(sorted(columns)) or "none"
    raise DatasetError(f"{tree.address(entry)} has the columns {found}; {_expected(classes)}")


def _parse(tree: _Tree, entry: str) -> tuple[set[str], _Table]:
    """Parse a CSV: its columns, and the cells of each line, with no cell missing."""
    text = tree.read(entry).decode("utf-8-sig", "surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", skipinitialspace=True)
    try:
        table = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DatasetError(f"{tree.address(entry)}, after line {reader.line_num}: {error}") from error
    return set(reader.fieldnames or ()), table


def _kaggle_rows(tree: _Tree, entry: str, table: _Table, known: Classes) -> Iterator[Row]:
    """Yield the rows of a deepfake-faces metadata.csv; a fake is of the group of its original."""
    faces = posixpath.join(posixpath.dirname(entry), "faces_224")
    for line, row in table:
        video = row["videoname"]
        label = _label(row["label"], known, tree.address(entry), line)
        path = tree.address(f"{faces}/{posixpath.splitext(video)[0]}.jpg")
        yield Row(path, label, row.get("original") or video, "dfdc")


def _listed_rows(tree: _Tree, entry: str, table: _Table, known: Classes) -> Iterator[Row]:
    """Yield the rows of a table; an image without a group is a group of its own."""
    for line, row in table:
        label = _label(row["label"], known, tree.address(entry), line)
        path = tree.address(posixpath.join(posixpath.dirname(entry), row["path"]))
        yield Row(path, label, row.get("group") or row["path"], row.get("kind") or "")


def _label(value: str, known: Classes, table: str, line: int) -> int:
    label = known.get(value.strip().lower())
    if label is None:
        raise DatasetError(f"{table}, line {line}: label {value!r} is not known; expected {', '.join(known)}")
    return label


def _class_rows(tree: _Tree, classes: Classes) -> list[Row]:
    """List the images below class folders; a fake and a real of the same path below them share a group."""
    found = [(entry, _class_of(entry, classes)) for entry in tree.entries]
    rows = [_class_row(tree, entry, *place, classes) for entry, place in found if place]
    if not rows:
        raise DatasetError(f"{tree.root} has no layout that is known; {_expected(classes)}")
    return rows


def _class_of(entry: str, classes: Classes) -> tuple[int, list[str]] | None:
    """Locate the class folder of an image: its depth, and the parts of the path; None where it has none."""
    if posixpath.splitext(entry)[1].lower() not in SUFFIXES:
        return None
    parts = entry.split("/")
    return next(((depth, parts) for depth, part in enumerate(parts[:-1]) if part.lower() in classes), None)


def _class_row(tree: _Tree, entry: str, depth: int, parts: list[str], classes: Classes) -> Row:
    labels = {classes[part.lower()] for part in parts[depth:-1] if part.lower() in classes}
    if len(labels) > 1:
        raise DatasetError(f"{tree.address(entry)} is below a real and a fake folder at once")
    group = posixpath.splitext("/".join(parts[depth + 1 :]))[0]
    return Row(tree.address(entry), labels.pop(), group, parts[depth])


def _expected(classes: Classes) -> str:
    return _EXPECTED.format(" or ".join(classes))
