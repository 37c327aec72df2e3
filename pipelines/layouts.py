"""The layouts that a data set may have, each read in place from a folder or a zip.

deepfake-faces    metadata.csv (videoname,label,original) beside faces_224/, as Kaggle serves it
table             a CSV or Parquet table with the columns path,label and, where wanted, group, kind, source, split,
                  original_width, original_height, origins and mask; in a folder or zip it is named manifest
class folders     images below folders named real and fake, however deep; 140k-real-and-fake-faces is one of these, and
                  its train, valid and test folders are noted as the split it came with
frames            of Celeb-DF and FaceForensics++, see `pipelines.frames_layouts`

The split that a data set came with is only noted, for the audit: what is trained on follows from the group alone.
"""

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from features.errors import DatasetError
from features.source import READ_ERRORS
from features.storage import locate
from pipelines.frames_layouts import frame_rows, has_frames
from pipelines.inputs import SUFFIXES
from pipelines.tree import Row, Tree, open_tree

__all__ = ["ORIGIN_MARK", "Classes", "has_layout", "read_layout"]

ORIGIN_MARK: Final = "|"
"""Stands between the origins of a row of a table."""

Classes = Mapping[str, int]
"""Names of class folders and labels, lower case, to 0 (real) or 1 (fake)."""

_EXPECTED = (
    "expected one of: metadata.csv beside faces_224/ (Kaggle's deepfake-faces), "
    "a CSV or Parquet table path,label[,group[,kind]] (manifest.csv in a folder or zip), "
    "Celeb-DF or FaceForensics++ as frames, or images below folders named {}"
)
_LABELS: Classes = {"real": 0, "fake": 1, "0": 0, "1": 1}
_TABLES = ("metadata.csv", "manifest.csv", "manifest.parquet")
_PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_SAID = ("kind", "source", "split", "origins")
_Table = list[tuple[int, dict[str, str]]]  # line numbers and cells


def read_layout(source: str, classes: Classes) -> list[Row]:
    """List the images of one data set: a folder, a zip, a CSV or a Parquet table.

    Raises
    ------
    DatasetError
        Where the source is missing, of no known layout or of two, or lists no image.
    """
    try:
        tree, tables = _open(source)
        rows = _read_tables(tree, tables, classes) if tables else _folder_rows(tree, classes)
    except READ_ERRORS as error:
        raise DatasetError(f"cannot read {source}: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise DatasetError(f"no images in {source}")
    return rows


def has_layout(source: str, classes: Classes) -> bool:
    """Tell a data set, which `read_layout` reads or refuses, from pictures without labels and what cannot be read."""
    try:
        tree, tables = _open(source)
    except (*READ_ERRORS, DatasetError):
        return False
    return bool(tables) or any(_class_of(entry, classes) for entry in tree.entries) or has_frames(tree)


def _open(source: str) -> tuple[Tree, list[str]]:
    """Open a source; returns its tree and the tables in it that say which images there are."""
    path = locate(source)
    if (tree := open_tree(source)) is not None:
        return tree, _top_tables(tree.entries)
    if path.suffix.lower() in (".csv", ".parquet"):
        return Tree(str(path.parent), False, ()), [path.name]
    raise DatasetError(f"{source} is neither a folder, a zip nor a CSV or Parquet table")


def _top_tables(entries: Sequence[str]) -> list[str]:
    """Choose the tables nearest to the root, at most one folder down."""
    tables = [entry for entry in entries if posixpath.basename(entry) in _TABLES and entry.count("/") <= 1]
    depth = min((entry.count("/") for entry in tables), default=0)
    return [entry for entry in tables if entry.count("/") == depth]


def _read_tables(tree: Tree, tables: Sequence[str], classes: Classes) -> list[Row]:
    """Read the images of every table; those of one folder must not contradict each other."""
    folders = [posixpath.dirname(entry) for entry in tables]
    if len(set(folders)) < len(folders):
        raise DatasetError(f"{tree.root} holds both {' and '.join(tables)}; name the one that counts")
    return [row for entry in tables for row in _read_table(tree, entry, classes)]


def _read_table(tree: Tree, entry: str, classes: Classes) -> Iterator[Row]:
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


def _parse(tree: Tree, entry: str) -> tuple[set[str], _Table]:
    """Parse a table: its columns, and the cells of each line, with no cell missing."""
    return (_parse_parquet if entry.lower().endswith(".parquet") else _parse_csv)(tree, entry)


def _parse_parquet(tree: Tree, entry: str) -> tuple[set[str], _Table]:
    from pyarrow import ArrowException, BufferReader, parquet

    try:
        read = parquet.read_table(BufferReader(tree.read(entry)))
    except ArrowException as error:
        raise DatasetError(f"{tree.address(entry)}: {error}") from error
    rows = ({name: "" if value is None else str(value) for name, value in row.items()} for row in read.to_pylist())
    return set(read.column_names), list(enumerate(rows, 1))


def _parse_csv(tree: Tree, entry: str) -> tuple[set[str], _Table]:
    text = tree.read(entry).decode("utf-8-sig", "surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", skipinitialspace=True)
    try:
        table = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DatasetError(f"{tree.address(entry)}, after line {reader.line_num}: {error}") from error
    return set(reader.fieldnames or ()), table


def _kaggle_rows(tree: Tree, entry: str, table: _Table, known: Classes) -> Iterator[Row]:
    """Yield the rows of a deepfake-faces metadata.csv; a fake is of the group of its original."""
    faces = posixpath.join(posixpath.dirname(entry), "faces_224")
    for line, row in table:
        video = row["videoname"]
        label = _label(row["label"], known, tree.address(entry), line)
        path = tree.address(f"{faces}/{posixpath.splitext(video)[0]}.jpg")
        yield Row(path, label, row.get("original") or video, "dfdc", size=_size(row))


def _listed_rows(tree: Tree, entry: str, table: _Table, known: Classes) -> Iterator[Row]:
    """Yield the rows of a table; an image without a group is a group of its own."""
    folder = posixpath.dirname(entry)
    for line, row in table:
        label = _label(row["label"], known, tree.address(entry), line)
        path, mask = (tree.address(posixpath.join(folder, name)) for name in (row["path"], row.get("mask", "")))
        mask = mask if row.get("mask") else ""
        group, (kind, source, split, origins) = row.get("group") or row["path"], (row.get(name, "") for name in _SAID)
        made_from = tuple(filter(None, origins.split(ORIGIN_MARK)))
        yield Row(path, label, group, kind, source, _PARTS.get(split.lower(), split), _size(row), made_from, mask)


def _size(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Read the width and height that an image had before it was resized; None where they are not two numbers."""
    width, height = row.get("original_width", ""), row.get("original_height", "")
    return (int(width), int(height)) if width.isdecimal() and height.isdecimal() else None


def _label(value: str, known: Classes, table: str, line: int) -> int:
    label = known.get(value.strip().lower())
    if label is None:
        raise DatasetError(f"{table}, line {line}: label {value!r} is not known; expected {', '.join(known)}")
    return label


def _folder_rows(tree: Tree, classes: Classes) -> list[Row]:
    """List the images below class folders, else the frames of a known tree."""
    found = [(entry, _class_of(entry, classes)) for entry in tree.entries]
    rows = [_class_row(tree, entry, *place, classes) for entry, place in found if place] or frame_rows(tree)
    if not rows:
        raise DatasetError(f"{tree.root} has no layout that is known; {_expected(classes)}")
    return rows


def _class_of(entry: str, classes: Classes) -> tuple[int, list[str]] | None:
    """Locate the class folder of an image: its depth, and the parts of the path; None where it has none."""
    if posixpath.splitext(entry)[1].lower() not in SUFFIXES:
        return None
    parts = entry.split("/")
    return next(((depth, parts) for depth, part in enumerate(parts[:-1]) if part.lower() in classes), None)


def _class_row(tree: Tree, entry: str, depth: int, parts: list[str], classes: Classes) -> Row:
    """Make the row of an image below a class folder; a fake and a real of the same path below them share a group."""
    labels = {classes[part.lower()] for part in parts[depth:-1] if part.lower() in classes}
    if len(labels) > 1:
        raise DatasetError(f"{tree.address(entry)} is below a real and a fake folder at once")
    group = posixpath.splitext("/".join(parts[depth + 1 :]))[0]
    split = _PARTS.get(parts[depth - 1].lower(), "") if depth else ""
    return Row(tree.address(entry), labels.pop(), group, parts[depth], split=split)


def _expected(classes: Classes) -> str:
    return _EXPECTED.format(" or ".join(classes))
