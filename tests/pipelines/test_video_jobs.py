"""Jobs with clips in them: what is judged as what, in which columns."""

from pathlib import Path

import pytest

from pipelines.score import COLUMNS, SHOWN, load_detector
from pipelines.score_jobs import chunks_of
from pipelines.video_jobs import columns_of, judge_inputs
from pipelines.video_verdict import VideoVerdict
from tests.clips import clip, moving
from tests.images import jpeg, photo


def test_a_clip_is_a_job_of_its_own() -> None:
    names = ["a.jpg", "b.jpg", "c.jpg", "d.mp4", "e.MOV", "f.jpg"]
    assert list(chunks_of(iter(names), 2)) == [["a.jpg", "b.jpg"], ["c.jpg"], ["d.mp4"], ["e.MOV"], ["f.jpg"]]


def test_inputs_come_before_the_next_is_asked_for() -> None:
    asked = iter(["a.jpg", "b.mp4", "c.jpg"])
    chunks = chunks_of(asked, 1)
    assert next(chunks) == ["a.jpg"]
    assert next(asked) == "b.mp4"


@pytest.mark.parametrize("named", [[], ["a.jpg"], [b"image"]])
def test_images_have_the_columns_of_images(named: list[str | bytes]) -> None:
    assert columns_of(named, COLUMNS, SHOWN) == (COLUMNS, SHOWN)


def test_clips_add_columns_where_they_are_known_before() -> None:
    columns, shown = columns_of(["a.jpg", "b.webm"], COLUMNS, SHOWN)
    assert columns[: len(COLUMNS)] == list(COLUMNS)
    assert columns[len(COLUMNS)] == "track.id"
    assert list(shown)[: len(SHOWN)] == list(SHOWN)
    assert columns_of(iter(["b.webm"]), COLUMNS, SHOWN) == (COLUMNS, SHOWN)


def test_bytes_paths_and_clips_come_back_in_order_under_the_names_given(tmp_path: Path) -> None:
    made = clip(tmp_path / "a.mkv", moving(4))
    image = jpeg(photo(1, 200))
    rows = judge_inputs(load_detector("fast"), [(image, "-"), (str(made), "shown.mkv"), (b"noise", "x")])
    assert [row[0].path for row in rows] == ["-", "shown.mkv", "x"]
    assert [isinstance(row[0], VideoVerdict) for row in rows] == [False, True, False]
    assert rows[2][0].error is not None
