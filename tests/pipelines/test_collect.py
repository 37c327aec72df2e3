"""Manifests of several data sets: read again as they were written, groups kept apart or joined as they should be."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DatasetError
from features.source import read_bytes
from pipelines.collect import COLUMNS, columns_of, count_splits, digest, manifest_rows, merge, regroup
from pipelines.dataset import Sample, read_dataset, split_of
from pipelines.render import Output, write_rows
from tests.forgeries import forgeries
from tests.images import jpeg, photo
from tests.pipelines.test_dataset import kaggle, pack, table, touch

DFDC = "abcdefghij.mp4"


def write(path: Path, samples: Sequence[Sample]) -> str:
    with Output(str(path)) as output:
        write_rows(manifest_rows(samples, str(path)), "csv", output, columns=columns_of(samples))
    return str(path)


def folder(root: Path, **images: int) -> str:
    """Write pictures: `real_1=7` is the picture of seed 7 as `real/1.jpg`."""
    for name, seed in images.items():
        touch(root, name.replace("_", "/") + ".jpg", data=jpeg(photo(seed, 32)))
    return str(root)


def by_name(samples: Sequence[Sample]) -> dict[str, str]:
    """The group of each image, by the last two parts of its path."""
    return {"/".join(Path(sample.path).parts[-3:]): sample.group for sample in samples}


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    touch(tmp_path / "celeb", "Celeb-real/id0_0000/0.png", "Celeb-synthesis/id0_id1_0000/0.png")
    sources = [str(kaggle(tmp_path / "faces")), str(tmp_path / "celeb"), folder(tmp_path / "own", real_1=1, fake_1=2)]
    samples = read_dataset(sources)
    again = read_dataset([write(tmp_path / "manifest.csv", samples)])
    assert again == samples
    assert [s.original_size for s in again] == [s.original_size for s in samples]
    assert [s.origins for s in again] == [s.origins for s in samples]
    assert {s.own_split for s in again} == {s.split for s in samples}


def test_masks_stay_with_their_forgeries(tmp_path: Path) -> None:
    samples = read_dataset([str(forgeries(tmp_path / "forged", 3))])
    again = read_dataset([write(tmp_path / "manifest.csv", samples)])
    assert again == samples
    assert [s.mask for s in again] == [s.mask for s in samples]
    assert sum(Path(s.mask).is_file() for s in again) == 6
    assert {row["mask"][:12] for row in manifest_rows(samples, str(tmp_path / "m.csv"))} == {"", "forged/mask/"}


def test_a_manifest_moves_with_its_images(tmp_path: Path) -> None:
    samples = read_dataset([folder(tmp_path / "set", real_1=1, fake_1=2)])
    rows = list(manifest_rows(samples, str(tmp_path / "manifest.csv")))
    assert [row["path"] for row in rows] == ["set/fake/1.jpg", "set/real/1.jpg"]
    elsewhere = list(manifest_rows(samples, str(tmp_path / "other" / "manifest.csv")))
    assert [row["path"] for row in elsewhere] == [str(tmp_path / "set/fake/1.jpg"), str(tmp_path / "set/real/1.jpg")]


def test_members_of_a_zip_are_found_from_a_manifest(tmp_path: Path) -> None:
    archive = pack(Path(folder(tmp_path / "set", real_1=1, fake_1=2)))
    again = read_dataset([write(tmp_path / "manifest.csv", read_dataset([archive]))])
    assert all(read_bytes(sample.path).startswith(b"\xff\xd8") for sample in again)


def test_columns_are_those_that_are_known(tmp_path: Path) -> None:
    assert columns_of(read_dataset([folder(tmp_path / "set", real_1=1)])) == COLUMNS
    assert columns_of(read_dataset([str(kaggle(tmp_path / "k"))])) == (*COLUMNS, "original_width", "original_height")


def test_groups_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a", real_1=1, fake_1=2), folder(tmp_path / "b", real_1=3, fake_1=4, fake_2=5)
    merged = merge([first, second], workers=1)
    assert by_name(merged.samples) == {
        "a/fake/1.jpg": "1",
        "a/real/1.jpg": "1",
        "b/fake/1.jpg": "b:1",
        "b/real/1.jpg": "b:1",
        "b/fake/2.jpg": "2",
    }
    assert (merged.renamed, merged.joined, merged.unreadable) == (1, 0, 0)
    assert all(sample.split == split_of(sample.group) for sample in merged.samples)
    assert {sample.source for sample in merged.samples} == {"a", "b"}


def test_the_same_bytes_join_groups_and_all_that_hangs_on_them(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a", real_1=1, fake_1=2), folder(tmp_path / "b", real_9=1, fake_9=4, fake_1=5)
    merged = merge([first, second], workers=1)
    assert by_name(merged.samples) == {
        "a/fake/1.jpg": "1",
        "a/real/1.jpg": "1",
        "b/fake/9.jpg": "1",
        "b/real/9.jpg": "1",
        "b/fake/1.jpg": "b:1",
    }
    assert (merged.renamed, merged.joined) == (1, 1)


def test_names_that_mean_the_same_everywhere_stay_one_group(tmp_path: Path) -> None:
    sources = [
        table(tmp_path / f"{name}.csv", ["path", "label", "group"], [f"{name}.jpg", "real", group])
        for name, group in (("a", DFDC), ("b", DFDC), ("c", "ff++/000"), ("d", "ff++/000"))
    ]
    merged = merge(sources, workers=1)
    assert [sample.group for sample in merged.samples] == [DFDC, DFDC, "ff++/000", "ff++/000"]
    assert (merged.renamed, merged.unreadable) == (0, 4)


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    sources = [folder(tmp_path / "a", real_1=1, fake_1=2), folder(tmp_path / "b", real_1=3, real_2=1, fake_1=4)]
    merged = merge(sources, workers=1)
    manifest = write(tmp_path / "manifest.csv", merged.samples)
    assert merge([manifest], workers=1).samples == merged.samples
    assert merge([manifest, *sources], workers=1).samples == merged.samples


def test_an_image_listed_twice_ties_both_its_groups(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg", "y.jpg", "z.jpg", data=b"")
    for name in "xyz":
        touch(tmp_path, f"{name}.jpg", data=jpeg(photo(ord(name), 32)))
    columns = ["path", "label", "group"]
    first = table(tmp_path / "1.csv", columns, ["x.jpg", "real", "g"], ["y.jpg", "fake", "g"])
    second = table(tmp_path / "2.csv", columns, ["x.jpg", "real", "h"], ["z.jpg", "fake", "h"])
    merged = merge([first, second], workers=1)
    assert [sample.group for sample in merged.samples] == ["g", "g", "g"]


def test_contradicting_labels_are_refused(tmp_path: Path) -> None:
    tables = [table(tmp_path / f"{label}.csv", ["path", "label"], ["x.jpg", label]) for label in ("real", "fake")]
    with pytest.raises(DatasetError, match=r"x\.jpg is listed as real and as fake"):
        merge(tables, workers=1)


def test_counts_of_a_split() -> None:
    samples = [Sample(f"{i}.jpg", i % 2, f"g{i // 2}", "", "", "test" if i < 4 else "train") for i in range(10)]
    assert list(count_splits(samples)) == [
        "train: 3 real, 3 fake, 3 groups",
        "validation: 0 real, 0 fake, 0 groups",
        "calibration: 0 real, 0 fake, 0 groups",
        "test: 2 real, 2 fake, 2 groups",
    ]


def test_a_new_group_brings_its_split() -> None:
    sample = Sample("a.jpg", 0, "225", "", "", "train")
    assert regroup(sample, "225") is sample
    assert (regroup(sample, "71").group, regroup(sample, "71").split) == ("71", "test")


def test_a_digest_is_a_sha256() -> None:
    assert digest(b"").startswith("e3b0c442")


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)


@given(TEXT, TEXT)
def test_any_group_and_kind_survive(group: str, kind: str) -> None:
    sample = Sample("/x/a.jpg", 1, group, kind, "s", split_of(group))
    stream = io.StringIO()
    rows = list(manifest_rows([sample]))
    writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    (read,) = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (read["group"], read["kind"], read["label"]) == (group, kind, "fake")
