"""Duplicates that were planted are found, by their reason; what only resembles is kept; broken files are named."""

from pathlib import Path

import pytest

from features.errors import MissingExtraError
from pipelines import dedupe as task
from pipelines.dataset import Sample, read_dataset, split_of
from pipelines.dedupe import Deduplicated, Dropped, check, dedupe
from pipelines.duplicates import DISTANCE
from tests.images import jpeg, photo
from tests.pipelines.test_dataset import touch


def put(root: Path, name: str, seed: int, quality: int = 75) -> None:
    touch(root, name, data=jpeg(photo(seed, 96), quality))


def run(root: Path, distance: int = DISTANCE) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """Run on a folder: what is left, and what was dropped for what reason and which other image."""
    found = dedupe(read_dataset([str(root)]), distance=distance, workers=1)
    kept = {Path(sample.path).relative_to(root).as_posix() for sample in found.samples}
    dropped = {
        Path(row.path).relative_to(root).as_posix(): (row.reason, row.like.removeprefix(f"{root}/"))
        for row in found.dropped
    }
    return kept, dropped


def test_a_clean_set_is_left_as_it_is(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, f"{('real', 'fake')[number % 2]}/{number}.jpg", number)
    samples = read_dataset([str(tmp_path)])
    assert dedupe(samples, workers=1) == Deduplicated(samples)


def test_one_of_the_same_bytes_and_of_the_same_picture_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "real/2.jpg", 1)
    put(tmp_path, "real/3.jpg", 1, quality=60)
    put(tmp_path, "real/4.jpg", 4)
    kept, dropped = run(tmp_path)
    assert kept == {"real/1.jpg", "real/4.jpg"}
    assert dropped == {"real/2.jpg": ("exact", "real/1.jpg"), "real/3.jpg": ("near", "real/1.jpg")}


def test_a_distance_of_none_keeps_what_differs_at_all(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "real/2.jpg", 1, quality=5)
    assert run(tmp_path, 0)[1] == {}
    assert run(tmp_path, 64)[1] == {"real/2.jpg": ("near", "real/1.jpg")}


def test_what_has_both_labels_goes_whole(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "real/2.jpg", 1)
    put(tmp_path, "fake/3.jpg", 1)
    put(tmp_path, "fake/5.jpg", 5, quality=60)
    put(tmp_path, "real/6.jpg", 5)
    kept, dropped = run(tmp_path)
    assert kept == set()
    assert {name: reason for name, (reason, _) in dropped.items()} == dict.fromkeys(dropped, "conflict")
    assert dropped["fake/3.jpg"][1] in {"real/1.jpg", "real/2.jpg"}
    assert dropped["real/1.jpg"][1] == dropped["real/2.jpg"][1] == "fake/3.jpg"
    assert (dropped["fake/5.jpg"][1], dropped["real/6.jpg"][1]) == ("real/6.jpg", "fake/5.jpg")


def test_a_fake_that_looks_like_its_original_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "fake/1.jpg", 1, quality=60)
    assert run(tmp_path) == ({"real/1.jpg", "fake/1.jpg"}, {})


def test_a_copy_of_its_original_is_no_conflict_either(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "fake/1.jpg", 1, quality=60)
    put(tmp_path, "real/2.jpg", 1, quality=70)
    assert run(tmp_path) == ({"real/1.jpg", "fake/1.jpg"}, {"real/2.jpg": ("near", "real/1.jpg")})


def test_groups_that_held_one_picture_become_one(tmp_path: Path) -> None:
    for name, seed in (("real/225", 1), ("real/71", 1), ("fake/71", 9)):
        put(tmp_path, f"{name}.jpg", seed)
    samples = read_dataset([str(tmp_path)])
    assert {sample.split for sample in samples} == {"train", "test"}
    found = dedupe(samples, workers=1)
    assert {(sample.group, sample.split) for sample in found.samples} == {("71", split_of("71"))}
    assert found.joined == 1


def test_what_cannot_be_read_is_left_out_with_its_error(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    touch(tmp_path, "fake/2.jpg", data=b"text")
    found = dedupe(read_dataset([str(tmp_path)]), workers=1)
    (row,) = found.dropped
    assert (row.reason, row.like.partition(":")[0], row.distance) == ("unreadable", "not_an_image", None)
    assert found.count() == {"unreadable": 1}


def test_a_row_says_all_that_is_known(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "real/2.jpg", 1)
    (row,) = dedupe(read_dataset([str(tmp_path)]), workers=1).dropped
    folder = tmp_path / "real"
    assert row == Dropped(str(folder / "2.jpg"), "real", "2", tmp_path.name, "exact", str(folder / "1.jpg"), 0)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "DATA", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"pip install 'fauxface\[data\]'"):
        dedupe([])


def test_a_check_lists_what_does_not_decode(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", 1)
    put(tmp_path, "real/2.jpg", 2)
    whole = (tmp_path / "real/2.jpg").read_bytes()
    (tmp_path / "real/2.jpg").write_bytes(whole[: len(whole) // 2])
    samples = [*read_dataset([str(tmp_path)]), Sample("missing.jpg", 1, "g", "", "s", "train")]
    broken = check(samples, workers=1)
    assert [(Path(row.path).name, row.source, row.error.partition(":")[0]) for row in broken] == [
        ("2.jpg", tmp_path.name, "corrupt_image"),
        ("missing.jpg", "s", "unreadable_file"),
    ]
