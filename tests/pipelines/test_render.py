"""Rows become text: every format keeps every value, hostile names included."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from features.errors import OutputError
from pipelines.render import FORMATS, Output, choose_format, flatten, write_record, write_rows

HOSTILE = [
    "plain.jpg",
    "new\nline.jpg",
    "re\rturn.jpg",
    'quo"te,comma.jpg',
    "caf\u00e9.jpg",
    os.fsdecode(b"caf\xe9.jpg"),
    "\x1b[31m",
]
COLUMNS = ("path", "error.type", "face")

Written = Callable[..., bytes]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write rows to a file and give back its bytes."""

    def write(rows: list[dict[str, Any]], kind: str, **options: Any) -> bytes:
        with Output(str(tmp_path / "out")) as output:
            write_rows(rows, kind, output, columns=COLUMNS, **options)
        return (tmp_path / "out").read_bytes()

    return write


def rows_of(names: list[str]) -> list[dict[str, Any]]:
    return [{"path": name, "probability": 0.25, "error": None, "face": [1, 2, 3, 4]} for name in names]


def test_ndjson_gives_back_every_row(written: Written) -> None:
    rows = rows_of(HOSTILE)
    assert [json.loads(line) for line in written(rows, "ndjson").decode("ascii").splitlines()] == rows


@pytest.mark.parametrize("names", [[], HOSTILE[:1], HOSTILE])
def test_json_is_one_array(written: Written, names: list[str]) -> None:
    assert json.loads(written(rows_of(names), "json")) == rows_of(names)


def test_csv_gives_back_every_name(written: Written) -> None:
    text = written(rows_of(HOSTILE), "csv").decode("utf-8", "surrogateescape")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in read] == HOSTILE
    assert read[0] == {"path": "plain.jpg", "error.type": "", "face": "[1, 2, 3, 4]"}


def test_csv_has_the_same_columns_whatever_the_rows(written: Written) -> None:
    rows = [{"path": "a", "error": None}, {"path": "b", "error": {"type": "corrupt_image"}}]
    assert written(rows, "csv") == b"path,error.type,face\na,,\nb,corrupt_image,\n"


def test_a_table_keeps_one_line_a_row_and_no_control_characters(written: Written) -> None:
    lines = written(rows_of(HOSTILE), "table", shown={"probability": 11, "path": 0}).decode().splitlines()
    assert lines[0].split() == ["probability", "path"]
    assert len(lines) == 1 + len(HOSTILE)
    assert all(line.isprintable() for line in lines)
    assert lines[1].split() == ["0.2500", "plain.jpg"]


def test_a_table_ends_a_line_where_nothing_more_is_said_and_counts_long_lists(written: Written) -> None:
    rows = [{"path": "a-", "face": None, "error": None}, {"path": "b", "face": list(range(9)), "error": None}]
    lines = written(rows, "table", shown={"path": 4, "face": 4, "error.type": 4}).decode().splitlines()
    assert lines == ["path  face  error", "a-", "b     9 values"]


def test_columns_of_one_mapping_are_headed_by_their_last_part(written: Written) -> None:
    rows = [{"verdict": {"path": "a", "verdict": "fake"}, "error": {"message": "none"}}]
    lines = written(rows, "table", shown={"verdict.verdict": 7, "verdict.path": 4, "error.message": 4}).decode()
    assert [line.split() for line in lines.splitlines()] == [["verdict", "path", "error"], ["fake", "a", "none"]]


@pytest.mark.parametrize("kind", ["ndjson", "json", "csv", "table"])
def test_rows_are_written_as_they_come(tmp_path: Path, kind: str) -> None:
    seen: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for row in rows_of(HOSTILE[:3]):
            seen.append((tmp_path / "out").stat().st_size)
            yield row

    with Output(str(tmp_path / "out")) as output:
        write_rows(rows(), kind, output, columns=COLUMNS)
    assert seen[0] < seen[1] < seen[2]


RECORD = {"total": 3, "seconds": 1.5, "split": {"train": {"real": 2}, "test": {}}, "note": None}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("json", json.dumps(RECORD, indent=2) + "\n"),
        ("ndjson", json.dumps(RECORD) + "\n"),
        ("csv", "total,seconds,split.train.real,note\n3,1.5,2,\n"),
        ("table", "total             3\nseconds           1.5000\nsplit.train.real  2\nnote              -\n"),
    ],
)
def test_a_record_in_every_format(tmp_path: Path, kind: str, expected: str) -> None:
    with Output(str(tmp_path / "out")) as output:
        write_record(RECORD, kind, output)
    assert (tmp_path / "out").read_text() == expected


def test_flatten_joins_names_with_dots() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


@pytest.mark.parametrize(
    ("wanted", "output", "expected"),
    [
        ("csv", "x.json", "csv"),
        (None, "x.json", "json"),
        (None, "x.CSV", "csv"),
        (None, "x.out", "ndjson"),
        (None, None, "ndjson"),
    ],
)
def test_the_format_is_asked_for_or_follows(wanted: str | None, output: str | None, expected: str) -> None:
    assert choose_format(wanted, output) == expected


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert choose_format(None, None) == "table"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_is_a_clear_error(kind: str) -> None:
    with pytest.raises(OutputError, match="cannot write to /dev/full: no space left"), Output("/dev/full") as output:
        write_rows(rows_of(HOSTILE), kind, output, columns=COLUMNS)


def test_an_output_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such file or directory"):
        Output(str(tmp_path / "missing" / "out"))
    with pytest.raises(OutputError, match="is a directory"):
        Output(str(tmp_path))


def test_a_reader_that_goes_away_is_a_broken_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with Output(str(fifo)) as output:
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            output.write("row\n")
