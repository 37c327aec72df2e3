"""Rows and records become text: a table for people, ndjson, json and csv for programs.

A row is a mapping of JSON values. Rows are written one by one as they come, each complete, so that whoever reads along
or interrupts has every row so far. Names that are not UTF-8 or hold line breaks survive in every format.
"""

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from features.errors import OutputError, reason_of

__all__ = ["FORMATS", "Output", "Row", "choose_format", "flatten", "to_line", "write_record", "write_rows"]

Row = Mapping[str, Any]
"""JSON values by name; they may be nested."""

FORMATS: Final = ("table", "json", "ndjson", "csv")
"""The names of the formats."""

_BY_SUFFIX = {".json": "json", ".csv": "csv", ".txt": "table"}
_LONG = 8  # items from which on a table only counts a list
_to_json = json.JSONEncoder().encode


def choose_format(wanted: str | None, output: str | None) -> str:
    """Settle the format: the one asked for, else by the ending of the output file, else a table on a terminal."""
    if wanted:
        return wanted
    if output:
        return _BY_SUFFIX.get(Path(output).suffix.lower(), "ndjson")
    return "table" if sys.stdout.isatty() else "ndjson"


class Output:
    """Where data go: a file, or standard output where `path` is None.

    Every write is complete when it returns. A reader of standard output that went away shows as BrokenPipeError.

    Raises
    ------
    OutputError
        Where the file cannot be opened or written.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        try:
            self._stream = io.BufferedWriter(io.FileIO(path, "wb")) if path else sys.stdout.buffer
        except OSError as error:
            raise self._failure(error) from error

    def write(self, text: str) -> None:
        """Write text as UTF-8 and flush it; bytes of a file name that are not UTF-8 go out as they are."""
        try:
            self._stream.write(text.encode("utf-8", "surrogateescape"))
            self._stream.flush()
        except BrokenPipeError:
            self._abandon()
            raise
        except OSError as error:
            self._abandon()
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.path:
            self._stream.close()

    def _abandon(self) -> None:
        """Send to nowhere what is still buffered, so that nothing fails again when it is closed."""
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def _failure(self, error: OSError) -> OutputError:
        cause = reason_of(error)
        return OutputError(f"cannot write to {self.path or 'standard output'}: {cause}")


def write_rows(
    rows: Iterable[Row], kind: str, output: Output, *, columns: Sequence[str], shown: Mapping[str, int] | None = None
) -> None:
    """Write rows as they come.

    Parameters
    ----------
    rows : iterable of mappings
        The JSON formats write them whole.
    kind : str
        One of `FORMATS`.
    output : Output
        Flushed after each row.
    columns : sequence of str
        What csv holds, in order; `model.name` looks into nested mappings.
    shown : mapping
        What a table holds, in order, and how wide its columns are, in characters; all columns unless given.
    """
    widths = shown or {name: len(name) for name in columns}
    for text in _table(rows, widths) if kind == "table" else _WRITERS[kind](rows, columns):
        output.write(text)


def write_record(record: Row, kind: str, output: Output) -> None:
    """Write a single mapping: indented as json, a line for each value in a table, else as one row."""
    flat = flatten(record)
    if kind == "json":
        output.write(json.dumps(record, indent=2) + "\n")
    elif kind == "table":
        width = max(map(len, flat), default=0)
        output.write("".join(f"{_printable(name):<{width}}  {_cell(value)}\n" for name, value in flat.items()))
    else:
        write_rows([record if kind == "ndjson" else flat], kind, output, columns=list(flat))


def flatten(row: Row, prefix: str = "") -> dict[str, Any]:
    """Join the names of nested mappings with dots; lists stay values."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def to_line(value: Any) -> str:
    """Write JSON values on one line, as a row of ndjson has them."""
    return _to_json(value)


def _ndjson(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    for row in rows:
        yield to_line(row) + "\n"


def _json(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    lead = "[\n"
    for row in rows:
        yield lead + _to_json(row)
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line([_look_up(row, name) for name in columns])


def _csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(
        [value if value is None or isinstance(value, str) else _to_json(value) for value in values]
    )
    return line.getvalue().removesuffix("\r\n") + "\n"


def _table(rows: Iterable[Row], widths: Mapping[str, int]) -> Iterator[str]:
    yield _table_line(_heads(list(widths)), widths)
    for row in rows:
        yield _table_line([_cell(_look_up(row, name)) for name in widths], widths)


def _heads(names: Sequence[str]) -> list[str]:
    """Head each column by the first part of its name, or by the last where that is not its own."""
    firsts = [name.partition(".")[0] for name in names]
    return [
        first if firsts.count(first) == 1 else name.rpartition(".")[2]
        for name, first in zip(names, firsts, strict=True)
    ]


def _table_line(cells: Sequence[str], widths: Mapping[str, int]) -> str:
    said = list(cells)
    while said and said[-1] == "-":  # columns without a value, at the end of a line
        said.pop()
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(said, widths.values(), strict=False)).rstrip() + "\n"


def _look_up(row: Row, name: str) -> Any:
    """Find a value by its flat name: as it stands, else inside nested mappings; None where one is missing."""
    value: Any = row
    for part in [name] if name in row else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple) and len(value) >= _LONG:
        return f"{len(value):,} values"
    return _printable(value if isinstance(value, str) else _to_json(value))


def _printable(text: str) -> str:
    """Escape what would break a line or steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


_WRITERS = {"ndjson": _ndjson, "json": _json, "csv": _csv}
