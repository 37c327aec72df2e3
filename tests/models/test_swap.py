"""A folder takes the place of another: never is there none, and nothing is left beside it."""

import os
import subprocess
from pathlib import Path

import pytest

from models import swap as module
from models.files import replace_folder
from models.swap import spare, swap, sweep


def make(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "mark").write_text(text)
    return folder


@pytest.mark.parametrize("exchanges", [True, False])
def test_two_folders_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool) -> None:
    if not exchanges:
        monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    place, fresh = make(tmp_path / "place", "old"), make(tmp_path / "fresh", "new")
    swap(fresh, place)
    assert ((place / "mark").read_text(), (fresh / "mark").read_text()) == ("new", "old")
    assert len(list(tmp_path.iterdir())) == 2


def test_an_empty_place_is_taken(tmp_path: Path) -> None:
    swap(make(tmp_path / "fresh", "new"), tmp_path / "place")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_the_old_goes_back_where_the_new_cannot_be_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    place, fresh, rename = make(tmp_path / "place", "old"), make(tmp_path / "fresh", "new"), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path == fresh:
            raise OSError(5, os.strerror(5))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output"):
        swap(fresh, place)
    assert (place / "mark").read_text() == "old"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="exchanges folders on Linux only")
def test_linux_does_it_in_one_step(tmp_path: Path) -> None:
    assert module._exchange(make(tmp_path / "a", "1"), make(tmp_path / "b", "2"))
    assert not module._exchange(tmp_path / "a", tmp_path / "none")


def test_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    dead = make(tmp_path / f".place.{process.pid}.new", "")
    names = (spare(tmp_path / "place").name, ".place.1.new", ".other.1.new", f".place.{process.pid}.new.x")
    kept = [make(tmp_path / name, "") for name in names]
    sweep(tmp_path / "place")
    assert not dead.exists()
    assert all(path.exists() for path in kept)
    sweep(tmp_path / "none" / "place")


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for text in (b"1", b"2"):
        replace_folder(place, {"mark": text}, "mark")
        assert (place / "mark").read_bytes() == text
        assert [path.name for path in tmp_path.iterdir()] == ["place"]
