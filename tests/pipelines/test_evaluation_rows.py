"""Rows of an evaluation: one for each image and level, kept through kills, never measured twice."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from features.frame import load_pixels
from pipelines import evaluation_rows
from pipelines.engine_choice import Local
from pipelines.evaluation_rows import AS_IT_IS, COLUMNS, Wanted, judge
from pipelines.robustness import perturb
from pipelines.score import load_detector
from tests.images import jpeg, photo

if TYPE_CHECKING:
    import pandas

KEYS = (AS_IT_IS, "jpeg-50", "noise-8", "crop-0.7")

Judge = Callable[..., "pandas.DataFrame"]


@pytest.fixture
def images(tmp_path: Path) -> list[Wanted]:
    """Five images of several sizes, the levels of each."""
    wanted = []
    for index, size in enumerate([(120, 120), (130, 150), (224, 224), (100, 180), (300, 260)]):
        path, data = tmp_path / f"{index}.jpg", jpeg(photo(index, size))
        path.write_bytes(data)
        wanted.append(Wanted(str(path), hashlib.sha256(data).hexdigest(), KEYS))
    return wanted


@pytest.fixture
def run(small_detector: Path, tmp_path: Path) -> Judge:
    """Judge with the small detector, images whole unless told."""

    def judged(wanted: list[Wanted], workers: int = 1, faces: str = "off") -> "pandas.DataFrame":
        return judge(wanted, tmp_path / "out", model=str(small_detector), faces=faces, engine=Local(workers))

    return judged


def shards(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "out" / "rows").rglob("*.parquet"))


def forbid(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every picture that is perturbed or decoded from here on."""
    seen: list[str] = []

    def load(path: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        seen.append(path)
        return load_pixels(path)

    monkeypatch.setattr(evaluation_rows, "load_pixels", load)
    return seen


def test_a_row_is_what_the_detector_says_of_the_perturbed_pixels(
    images: list[Wanted], run: Judge, small_detector: Path
) -> None:
    rows = run(images)
    assert list(rows.columns) == list(COLUMNS)
    assert list(zip(rows["sha256"], rows["key"], strict=True)) == [(i.sha256, key) for i in images for key in KEYS]
    detector = load_detector(str(small_detector), "off")
    for row, (image, key) in zip(rows.itertuples(), ((i, key) for i in images for key in KEYS), strict=True):
        pixels = load_pixels(image.path)
        verdict = detector.score((perturb(pixels, key, image.sha256) if key else pixels)[..., ::-1])
        assert (row.probability, row.verdict) == (verdict.probability, verdict.verdict)
    assert (rows["error"] == "").all()


def test_facts_are_those_of_the_image_as_it_is(images: list[Wanted], run: Judge) -> None:
    rows = run(images).set_index(["sha256", "key"])
    assert [rows.loc[(i.sha256, AS_IT_IS), "size"] for i in images] == [120, 130, 224, 100, 260]
    assert rows.loc[(images[2].sha256, AS_IT_IS), "brightness"] == pytest.approx(
        load_pixels(images[2].path).mean(), abs=10
    )
    assert rows.loc[(images[0].sha256, "jpeg-50"), ["size", "brightness", "sharpness"]].isna().all()
    assert rows["face_size"].isna().all()


def test_a_second_run_measures_nothing(
    images: list[Wanted], run: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = run(images), [path.read_bytes() for path in shards(tmp_path)]
    seen = forbid(monkeypatch)
    assert run(images).equals(first)
    assert seen == []
    assert [path.read_bytes() for path in shards(tmp_path)] == before


def test_what_is_added_is_all_that_is_measured(
    images: list[Wanted], run: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    run([image._replace(keys=(AS_IT_IS, "jpeg-50")) for image in images[:3]])
    seen = forbid(monkeypatch)
    rows = run([*(image._replace(keys=KEYS[:2]) for image in images[:2]), *images[2:]])
    assert seen == [image.path for image in images[2:]]
    assert len(rows) == 2 * 2 + 3 * 4


@pytest.mark.parametrize("damage", ["removed", "truncated", "emptied", "rubbish"])
def test_a_kill_loses_no_more_than_its_shard(
    damage: str, images: list[Wanted], run: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_rows, "_ROWS_A_JOB", 1)
    first = run(images)
    hit, *whole = shards(tmp_path)
    assert len(whole) == 4
    data = hit.read_bytes()
    lost = {"truncated": data[: len(data) // 2], "emptied": b"", "rubbish": b"x" * len(data)}
    hit.unlink() if damage == "removed" else hit.write_bytes(lost[damage])
    seen = forbid(monkeypatch)
    assert run(images).equals(first)
    assert len(seen) == 1
    assert len(shards(tmp_path)) == 5


def test_temporary_files_of_a_killed_run_are_not_rows(images: list[Wanted], run: Judge, tmp_path: Path) -> None:
    first = run(images)
    (shard,) = shards(tmp_path)
    shard.with_name(f".{shard.name}.123").write_bytes(b"half a shard")
    assert run(images).equals(first)


def test_an_image_that_fails_has_rows_and_is_tried_again(images: list[Wanted], run: Judge) -> None:
    good = Path(images[1].path).read_bytes()
    Path(images[1].path).write_bytes(b"no image")
    rows = run(images)
    failed = rows[rows["sha256"] == images[1].sha256]
    assert len(rows) == 20
    assert failed["error"].str.startswith("not_an_image: ").all()
    assert failed["probability"].isna().all()
    assert (rows["error"] == "").sum() == 16
    Path(images[1].path).write_bytes(good)
    assert (run(images)["error"] == "").all()


def test_rows_do_not_depend_on_processes(
    images: list[Wanted], run: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(images)
    for path in shards(tmp_path):
        path.unlink()
    monkeypatch.setattr(evaluation_rows, "_ROWS_A_JOB", 1)
    assert run(images, workers=2).equals(alone)


def test_ways_to_find_faces_do_not_share_rows(images: list[Wanted], run: Judge, tmp_path: Path) -> None:
    run(images)
    rows = run(images, faces="auto")
    assert set(rows["verdict"]) == {"no_face"}
    assert rows["probability"].isna().all()
    assert len({path.parent for path in shards(tmp_path)}) == 2


def test_large_pictures_are_judged_a_few_at_a_time(
    images: list[Wanted], run: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(images)
    for path in shards(tmp_path):
        path.unlink()
    monkeypatch.setattr(evaluation_rows, "_BYTES_AT_ONCE", 100_000)
    assert run(images).equals(whole)
