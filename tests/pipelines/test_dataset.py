"""Data sets in every layout become the same kind of table; what cannot be read is named."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from features.errors import DatasetError
from features.source import read_bytes
from pipelines.dataset import SPLITS, Sample, describe, read_dataset, split_of
from tests.images import encode, jpeg, photo, png

KAGGLE = """videoname,original_width,original_height,label,original
aa.mp4,90,89,FAKE,cc.mp4
bb.mp4,90,89,FAKE,zz.mp4
cc.mp4,90,89,REAL,
"""


def touch(root: Path, *names: str, data: bytes = b"") -> Path:
    """Write files that only have to be there."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def pack(folder: Path, inside: str = "") -> str:
    """Zip a folder, its files below `inside`."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                opened.write(path, inside + path.relative_to(folder).as_posix())
    return str(archive)


def kaggle(root: Path, table: str = KAGGLE) -> Path:
    touch(root, "faces_224/aa.jpg", "faces_224/bb.jpg", "faces_224/cc.jpg", data=jpeg(photo(1, 64)))
    (root / "metadata.csv").write_text(table)
    return root


def table(path: Path, *rows: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    path.write_text(stream.getvalue())
    return str(path)


def brief(samples: Sequence[Sample]) -> list[tuple[str, int, str, str]]:
    return [(Path(s.path).name, s.label, s.group, s.kind) for s in samples]


IN_KAGGLE = [("aa.jpg", 1, "cc.mp4", "dfdc"), ("bb.jpg", 1, "zz.mp4", "dfdc"), ("cc.jpg", 0, "cc.mp4", "dfdc")]


def test_deepfake_faces_in_a_folder(tmp_path: Path) -> None:
    samples = read_dataset([str(kaggle(tmp_path / "faces"))])
    assert brief(samples) == IN_KAGGLE
    assert {sample.source for sample in samples} == {"faces"}
    assert all(read_bytes(sample.path) for sample in samples)


@pytest.mark.parametrize("inside", ["", "archive/"])
def test_deepfake_faces_in_a_zip(tmp_path: Path, inside: str) -> None:
    samples = read_dataset([pack(kaggle(tmp_path / "faces"), inside)])
    assert brief(samples) == IN_KAGGLE
    assert {sample.source for sample in samples} == {"faces"}
    assert all(read_bytes(sample.path) for sample in samples)


def test_deepfake_faces_by_their_table(tmp_path: Path) -> None:
    assert brief(read_dataset([str(kaggle(tmp_path) / "metadata.csv")])) == IN_KAGGLE


def test_a_row_without_its_image_is_kept(tmp_path: Path) -> None:
    (kaggle(tmp_path) / "faces_224/bb.jpg").unlink()
    assert brief(read_dataset([str(tmp_path)])) == IN_KAGGLE


def test_class_folders_at_any_depth(tmp_path: Path) -> None:
    touch(
        tmp_path, "a/Real/x/1.jpg", "a/Real/2.PNG", "b/fake/x/1.webp", "notes/3.jpg", "a/Real/read.me", "a/real/.4.jpg"
    )
    assert sorted(brief(read_dataset([str(tmp_path)]))) == [
        ("1.jpg", 0, "x/1", "Real"),
        ("1.webp", 1, "x/1", "fake"),
        ("2.PNG", 0, "2", "Real"),
    ]


def test_class_folders_in_a_zip(tmp_path: Path) -> None:
    touch(tmp_path / "set", "real/1.jpg", "fake/1.jpg", "__MACOSX/real/1.jpg", data=b"bytes")
    samples = read_dataset([pack(tmp_path / "set", "set/")])
    assert sorted(brief(samples)) == [("1.jpg", 0, "1", "real"), ("1.jpg", 1, "1", "fake")]
    assert all(read_bytes(sample.path) == b"bytes" for sample in samples)


def test_class_folders_of_other_names(tmp_path: Path) -> None:
    touch(tmp_path, "original/1.jpg", "Deepfakes/1.jpg", "faceswap/2.jpg", "fake/3.jpg")
    samples = read_dataset([str(tmp_path)], real=["original"], fake=["deepfakes", "FaceSwap"])
    assert sorted(brief(samples)) == [
        ("1.jpg", 0, "1", "original"),
        ("1.jpg", 1, "1", "Deepfakes"),
        ("2.jpg", 1, "2", "faceswap"),
    ]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.jpg")
    touch(tmp_path / "set", "fake/2.jpg")
    (tmp_path / "set/real").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/fake/again").symlink_to(tmp_path / "set")
    assert [row[:2] for row in brief(read_dataset([str(tmp_path / "set")]))] == [("2.jpg", 1), ("1.jpg", 0)]


def test_a_table_names_paths_labels_groups_and_kinds(tmp_path: Path) -> None:
    rows = [["a.jpg", "real", "g", "k"], ["sub/b.jpg", "1", "", ""], [str(tmp_path / "c.jpg"), " FAKE ", "g", ""]]
    samples = read_dataset([table(tmp_path / "list.csv", ["path", "label", "group", "kind"], *rows)])
    assert [sample.path for sample in samples] == [str(tmp_path / name) for name in ("a.jpg", "c.jpg", "sub/b.jpg")]
    assert brief(samples) == [("a.jpg", 0, "g", "k"), ("c.jpg", 1, "g", ""), ("b.jpg", 1, "sub/b.jpg", "")]
    assert {sample.source for sample in samples} == {"list"}


def test_a_table_may_lack_group_and_kind_and_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbfpath, label\r\na.jpg, fake\r\n")
    assert brief(read_dataset([str(tmp_path / "list.csv")])) == [("a.jpg", 1, "a.jpg", "")]


@pytest.mark.parametrize("packed", [False, True])
def test_a_manifest_in_a_folder_or_zip_comes_before_class_folders(tmp_path: Path, packed: bool) -> None:
    folder = touch(tmp_path / "set", "real/1.jpg", "fake/2.jpg", "fake/3.jpg", data=b"bytes")
    table(folder / "manifest.csv", ["path", "label", "group"], ["real/1.jpg", "real", "g"], ["fake/2.jpg", "fake", "g"])
    samples = read_dataset([pack(folder) if packed else str(folder)])
    assert brief(samples) == [("2.jpg", 1, "g", ""), ("1.jpg", 0, "g", "")]
    assert all(read_bytes(sample.path) == b"bytes" for sample in samples)


def test_several_sets_go_in_as_one_in_any_order(tmp_path: Path) -> None:
    sources = [str(kaggle(tmp_path / "a")), str(touch(tmp_path / "b", "real/1.jpg", "fake/1.jpg"))]
    samples = read_dataset(sources)
    assert len(samples) == 5
    assert samples == read_dataset(sources[::-1]) == read_dataset([*sources, *sources])
    assert [sample.path for sample in samples] == sorted(sample.path for sample in samples)


def test_a_split_follows_from_the_group_alone() -> None:
    known = {  # sha256sum gives 0, 79, 80, 84, 85, 89, 90 and 99 modulo 100
        "225": "train",
        "86": "train",
        "189": "validation",
        "73": "validation",
        "36": "calibration",
        "58": "calibration",
        "71": "test",
        "574": "test",
        "é": "train",
    }
    assert {group: split_of(group) for group in known} == known
    assert split_of("\udcff") in SPLITS


def test_a_split_has_its_shares() -> None:
    splits = [split_of(f"{number}.mp4") for number in range(20_000)]
    shares = [splits.count(split) / len(splits) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.05, 0.05, 0.1], abs=0.01)


def test_a_fake_and_its_original_share_a_split(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{label}/{number}.jpg" for label in ("real", "fake") for number in range(50)))
    splits: dict[str, set[str]] = {}
    for sample in read_dataset([str(tmp_path)]):
        splits.setdefault(sample.group, set()).add(sample.split)
    assert len(splits) == 50
    assert all(len(found) == 1 for found in splits.values())


def missing(root: Path) -> str:
    touch(root, "deepfake-faces.zip")
    return str(root / "deepfake-face.zip")


def lost(root: Path) -> str:
    return str(root / "no/such/place")


def empty(root: Path) -> str:
    return str(root)


def other(root: Path) -> str:
    return str(touch(root, "notes.txt") / "notes.txt")


def torn_zip(root: Path) -> str:
    archive = Path(pack(touch(root / "set", "real/1.jpg")))
    data = bytearray(archive.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at : at + 4] = b"XXXX"
    archive.write_bytes(data)
    return str(archive)


def no_rows(root: Path) -> str:
    return str(kaggle(root, "videoname,label,original\n"))


def bad_label(root: Path) -> str:
    return str(kaggle(root, KAGGLE.replace("REAL", "ECHT")))


def other_columns(root: Path) -> str:
    return table(root / "list.csv", ["file", "class"], ["a.jpg", "real"])


def no_label(root: Path) -> str:
    return table(root / "list.csv", ["path", "label"], ["a.jpg"])


def torn(root: Path) -> str:
    return table(root / "list.csv", ["path", "label"], ["a.jpg", "real"], ["x" * 200_000, "real"])


def both_classes(root: Path) -> str:
    return str(touch(root, "real/fake/1.jpg"))


def both_tables(root: Path) -> str:
    table(root / "manifest.csv", ["path", "label"], ["a.jpg", "real"])
    return str(kaggle(root))


def both_layouts(root: Path) -> str:
    return str(kaggle(touch(root, "real/1.jpg")))


def twice(root: Path) -> str:
    return table(root / "list.csv", ["path", "label"], ["a.jpg", "real"], ["a.jpg", "fake"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, r"deepfake-face.zip does not exist; did you mean .*deepfake-faces.zip\?"),
        (lost, "neither does .*no/such$"),
        (empty, "no layout that is known; expected one of.*metadata.csv.*path,label.*real or fake"),
        (other, "neither a folder, a zip nor a CSV"),
        (torn_zip, "cannot read .*set.zip"),
        (no_rows, "no images in"),
        (bad_label, r"metadata.csv, line 4: label 'ECHT' is not known; expected real, fake"),
        (other_columns, "has the columns class, file; expected"),
        (no_label, "line 2: label '' is not known"),
        (torn, "list.csv, after line 2: field larger than"),
        (both_classes, "below a real and a fake folder at once"),
        (both_tables, "holds both metadata.csv and manifest.csv|holds both manifest.csv and metadata.csv"),
        (both_layouts, "holds both metadata.csv and class folders"),
        (twice, "a.jpg is listed as real and as fake"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(DatasetError, match=message):
        read_dataset([make(tmp_path)])


def test_a_folder_name_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.jpg", "deepfakes/1.jpg")
    with pytest.raises(DatasetError, match=r"no images below a folder named deepfake$"):
        read_dataset([str(tmp_path)], fake=["deepfake"])


def test_a_folder_name_cannot_be_both(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'X' cannot be both"):
        read_dataset([str(tmp_path)], real=["x"], fake=["X"])


def test_no_set_is_refused() -> None:
    with pytest.raises(DatasetError, match="no data set"):
        read_dataset([])


def test_a_description_counts_what_is_there(tmp_path: Path) -> None:
    same = jpeg(photo(1, 64))
    touch(tmp_path, "real/1.jpg", "real/2.jpg", "fake/1.jpg", data=same)
    touch(tmp_path, "fake/3.png", data=png(photo(2, (48, 80))))
    touch(tmp_path, "fake/4.tif", data=encode(photo(2, 64), "TIFF"))
    touch(tmp_path, "fake/5.jpg")
    touch(tmp_path, "fake/6.png", data=b"\x89PNG\r\n\x1a\nbroken")
    found = describe(read_dataset([str(tmp_path)]), workers=1).to_json()
    assert found["images"] == 7
    assert found["labels"] == {"fake": 5, "real": 2}
    assert found["kinds"] == {"fake": 5, "real": 2}
    assert found["sources"] == {tmp_path.name: 7}
    assert sum(count for split in SPLITS for count in found["splits"][split].values()) == 7
    assert found["groups"] == {"all": 6, "both_labels": 1, "largest": 2}
    assert found["formats"] == {"JPEG": 3, "PNG": 2, "TIFF": 1}
    assert found["sizes"] == {"64x64": 4, "80x48": 1, "unknown": 1}
    assert found["errors"] == {"empty_file": 1}
    examples = [[str(tmp_path / name) for name in ("fake/1.jpg", "real/1.jpg", "real/2.jpg")]]
    across_splits = len({split_of("1"), split_of("2")}) - 1
    assert found["duplicates"] == {
        "sets": 1,
        "images": 3,
        "across_labels": 1,
        "across_splits": across_splits,
        "examples": examples,
    }


def test_a_description_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    for number in range(300):
        touch(tmp_path, f"real/{number}.png", data=png(photo(number % 250, 32)))
    samples = read_dataset([str(tmp_path)])
    assert describe(samples, workers=1) == describe(samples, workers=2)


@pytest.mark.realdata
def test_both_archives_of_deepfake_faces_are_one_set(deepfake_faces: Path) -> None:
    more = deepfake_faces.with_name("deepfake-faces-more.zip")
    samples = read_dataset([str(more), str(deepfake_faces)])
    assert (len(samples), sum(sample.label for sample in samples)) == (42_150, 30_000)
    splits: dict[str, set[str]] = {}
    for sample in samples:
        splits.setdefault(sample.group, set()).add(sample.split)
    assert len(splits) == 13_022
    assert all(len(found) == 1 for found in splits.values())
    assert read_bytes(samples[-1].path)


@pytest.mark.realdata
def test_the_manifest_of_stylegan_faces_is_understood(deepfake_faces: Path) -> None:
    samples = read_dataset([str(deepfake_faces.with_name("stylegan-faces.zip"))])
    assert {(sample.label, sample.kind) for sample in samples} == {(0, "ffhq"), (1, "stylegan")}
    assert len(samples) == 600
