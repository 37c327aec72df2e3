"""Files are read whole and as they were recorded, or not at all; they are replaced whole, or not at all."""

import hashlib
from pathlib import Path

import pytest

from features.errors import BundleError, OutputError
from models.files import read_bounded, read_checked, replace_file, replace_folder


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    replace_file(tmp_path / "deep" / "a", b"one")
    replace_file(tmp_path / "deep" / "a", b"two")
    assert [(found.name, found.read_bytes()) for found in (tmp_path / "deep").iterdir()] == [("a", b"two")]
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken: cannot be written"):
        replace_file(tmp_path / "taken", b"three")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["deep", "taken"]


def test_a_file_is_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    assert read_checked(tmp_path / "a", hashlib.sha256(b"one").hexdigest()) == b"one"
    with pytest.raises(BundleError, match="a: damaged: its sha256 is not the one on record"):
        read_checked(tmp_path / "a", hashlib.sha256(b"two").hexdigest())
    with pytest.raises(BundleError, match="b: no such file"):
        read_checked(tmp_path / "b", "")


def test_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    assert read_bounded(tmp_path / "a", 10) == bytes(10)
    with pytest.raises(BundleError, match="a: larger than 9 bytes"):
        read_bounded(tmp_path / "a", 9)


def test_a_folder_is_replaced_where_it_bears_the_mark(tmp_path: Path) -> None:
    replace_folder(tmp_path / "x", {"mark": b"1", "old": b""}, "mark")
    replace_folder(tmp_path / "x", {"mark": b"2"}, "mark")
    assert [(found.name, found.read_bytes()) for found in (tmp_path / "x").iterdir()] == [("mark", b"2")]
    with pytest.raises(OutputError, match="x: exists and is not a bundle"):
        replace_folder(tmp_path / "x", {}, "another mark")
