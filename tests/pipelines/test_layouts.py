"""The layouts beside those of `test_dataset`: other tables, other columns, a folder's own split."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from features.errors import DatasetError
from pipelines.dataset import read_dataset, split_of
from pipelines.layouts import has_layout
from tests.pipelines.test_dataset import brief, kaggle, pack, table, touch


def write_parquet(path: Path, columns: dict[str, list[Any]]) -> str:
    parquet.write_table(pa.table(columns), path)
    return str(path)


@pytest.mark.parametrize("inside", ["", "real_vs_fake/real-vs-fake/"])
@pytest.mark.parametrize("packed", [False, True])
def test_140k_faces_keep_note_of_their_own_split(tmp_path: Path, inside: str, packed: bool) -> None:
    folder = tmp_path / "140k"
    names = ("train/real/1.jpg", "valid/real/2.jpg", "test/fake/A.jpg", "train/fake/B.jpg")
    touch(folder, *(inside + name for name in names))
    (folder / "train.csv").write_text(",original_path,id,label,label_str,path\n0,x,1,1,real,train/real/1.jpg\n")
    samples = read_dataset([pack(folder) if packed else str(folder)])
    assert sorted((s.group, s.label, s.own_split) for s in samples) == [
        ("1", 0, "train"),
        ("2", 0, "validation"),
        ("A", 1, "test"),
        ("B", 1, "train"),
    ]
    assert all(sample.split == split_of(sample.group) for sample in samples)


def test_a_stem_that_repeats_is_one_group(tmp_path: Path) -> None:
    touch(tmp_path, "train/real/1.jpg", "test/fake/1.png")
    assert {sample.group for sample in read_dataset([str(tmp_path)])} == {"1"}


def test_a_parquet_table_is_read_like_a_csv(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "path": ["a.jpg", "b.jpg"],
        "label": [0, 1],
        "group": ["g", None],
        "kind": [None, "k"],
    }
    samples = read_dataset([write_parquet(tmp_path / "list.parquet", columns)])
    assert brief(samples) == [("a.jpg", 0, "g", ""), ("b.jpg", 1, "b.jpg", "k")]
    assert {sample.source for sample in samples} == {"list"}


@pytest.mark.parametrize("packed", [False, True])
def test_a_parquet_manifest_in_a_folder_or_zip(tmp_path: Path, packed: bool) -> None:
    folder = touch(tmp_path / "set", "real/1.jpg", "fake/2.jpg")
    write_parquet(folder / "manifest.parquet", {"path": ["real/1.jpg"], "label": ["real"]})
    assert brief(read_dataset([pack(folder) if packed else str(folder)])) == [("1.jpg", 0, "real/1.jpg", "")]


def test_a_damaged_parquet_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(DatasetError, match=r"list\.parquet: "):
        read_dataset([str(tmp_path / "list.parquet")])


def test_a_table_may_say_more(tmp_path: Path) -> None:
    columns = ["path", "label", "source", "split", "original_width", "original_height", "origins", "mask"]
    rows = [["a.jpg", "real", "A", "Test", "90", "80", "x|y", ""], ["b.jpg", "fake", "", "", "90", "", "", "m/b.png"]]
    first, second = read_dataset([table(tmp_path / "list.csv", columns, *rows)])
    assert (first.source, first.own_split, first.original_size, first.origins) == ("A", "test", (90, 80), ("x", "y"))
    assert (second.source, second.own_split, second.original_size, second.origins) == ("list", "", None, ())
    assert first.split == split_of("a.jpg")
    assert (first.mask, second.mask) == ("", str(tmp_path / "m" / "b.png"))


def test_deepfake_faces_tell_the_size_before_resizing(tmp_path: Path) -> None:
    assert {sample.original_size for sample in read_dataset([str(kaggle(tmp_path))])} == {(90, 89)}


@pytest.mark.parametrize(
    ("names", "known"), [(("Celeb-real/id0_0000/1.png",), True), (("photos/1.png",), False), (("real/1.png",), True)]
)
def test_a_layout_is_told_from_mere_pictures(tmp_path: Path, names: tuple[str, ...], known: bool) -> None:
    assert has_layout(str(touch(tmp_path, *names)), {"real": 0, "fake": 1}) is known
