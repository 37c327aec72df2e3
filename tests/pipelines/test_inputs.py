"""What stands behind the arguments of `score`: nothing is lost, the order is stable."""

import io
import os
import zipfile
from pathlib import Path
from typing import cast

import pytest

from pipelines.inputs import SUFFIXES, Input, apart, below_shared, expand
from tests.images import encode, jpeg, photo


def listed(*arguments: str | Path, stdin: bytes = b"") -> list[Input]:
    reader = cast(io.BufferedReader, io.BufferedReader(io.BytesIO(stdin)))
    return list(expand([str(argument) for argument in arguments], stdin=reader))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.JPG", "notes.txt", "sub/c.png", "sub/deep/d.webp", "new\nline.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    return tmp_path / "set"


def test_a_folder_is_searched_to_any_depth_in_a_stable_order(folder: Path) -> None:
    expected = ["a.JPG", "b.jpg", "new\nline.jpg", "sub/c.png", "sub/deep/d.webp"]
    assert listed(folder) == [str(folder / name) for name in expected]


def test_every_image_ending_is_found(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        (tmp_path / f"x{suffix}").touch()
    assert len(listed(tmp_path)) == len(SUFFIXES)


def test_a_file_is_itself_whatever_its_name(folder: Path) -> None:
    assert listed(folder / "notes.txt") == [str(folder / "notes.txt")]


def test_what_is_missing_or_empty_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    named = ["missing.jpg", str(tmp_path / "empty"), "no*match.jpg", "bad**glob", "@no-list"]
    assert listed(*named) == named


def test_a_folder_that_cannot_be_listed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert str(folder / "sub" / "deep") in listed(folder)


def test_globs_are_sorted_and_reach_into_folders(folder: Path) -> None:
    assert listed(f"{folder}/*.jpg") == [str(folder / "b.jpg"), str(folder / "new\nline.jpg")]
    assert listed(f"{folder}/s*") == [str(folder / "sub/c.png"), str(folder / "sub/deep/d.webp")]
    assert str(folder / "sub/deep/d.webp") in listed(f"{folder}/**/*.webp")


def test_a_name_with_brackets_that_exists_is_no_glob(tmp_path: Path) -> None:
    (tmp_path / "a[1].jpg").touch()
    assert listed(tmp_path / "a[1].jpg") == [str(tmp_path / "a[1].jpg")]


def test_a_zip_gives_its_image_members_sorted(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("faces/b.jpg", "faces/a.jpg", "metadata.csv"):
            opened.writestr(name, b"")
    assert listed(archive) == [f"{archive}!/faces/a.jpg", f"{archive}!/faces/b.jpg"]


def test_a_damaged_zip_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4")
    assert listed(tmp_path / "bad.zip") == [f"{tmp_path / 'bad.zip'}!/"]


def test_a_list_names_files_and_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(f"{folder}/b.jpg\r\n\n{folder}/sub\n".encode())
    expected = [str(folder / "b.jpg"), str(folder / "sub/c.png"), str(folder / "sub/deep/d.webp")]
    assert listed(f"@{tmp_path / 'list.txt'}") == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a.jpg\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", ["a\nb.jpg", "c.jpg"]),
        (b"caf\xe9.jpg\n", [os.fsdecode(b"caf\xe9.jpg")]),
        (b"BMW/front-view.jpg\n", ["BMW/front-view.jpg"]),
        (b"", []),
    ],
)
def test_standard_input_is_a_list_of_paths(data: bytes, expected: list[str]) -> None:
    assert listed("-", stdin=data) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_standard_input_is_an_image(kind: str) -> None:
    data = encode(photo(1, 64), kind)
    assert listed("-", stdin=data) == [data]


def test_a_long_list_survives_the_buffer() -> None:
    names = [f"face-{index:06d}.jpg" for index in range(20_000)]
    assert listed("-", stdin="\n".join(names).encode()) == names


def test_expansion_is_lazy(folder: Path) -> None:
    inputs = expand([str(folder), "later"])
    assert next(inputs) == str(folder / "a.JPG")


def test_mixed_arguments_keep_their_order(folder: Path) -> None:
    data = jpeg(photo(1, 64))
    assert listed("x.jpg", "-", folder / "b.jpg", stdin=data) == ["x.jpg", data, str(folder / "b.jpg")]


def test_names_of_files_keep_their_folders_and_come_apart(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("x/a.jpg", "y/../x/a.png", "x/deep/A.tar.jpg", "set.zip!/x/b.png")]
    assert below_shared(paths) == ["x/a", "x/a", "x/deep/A.tar", "set.zip/x/b"]
    assert below_shared([]) == []
    assert below_shared(["-"]) == ["-"]
    assert apart(["a", "b", "A", "a", "a~2"]) == ["a", "b", "A~2", "a~3", "a~2~2"]
