"""Frames are taken evenly, by their own times, up to where a clip ends; what was left out is said."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from features.decode import Pixels
from features.errors import VideoError
from pipelines import video_frames as module
from pipelines.video_frames import Clip, colors, is_cut
from pipelines.video_jobs import Sampling
from tests.clips import CODECS, FPS, clip


def numbered(count: int, side: int = 64) -> Iterator[Pixels]:
    """Make frames that are as bright as their number tells: 5 steps apart."""
    return (np.full((side, side, 3), 5 * at, np.uint8) for at in range(count))


def taken(path: Path, every: float = 0.2, most: int = 300) -> tuple[list[float], list[int], Clip]:
    with Clip(str(path), Sampling(every, most)) as opened:
        found = [(time, round(float(bgr.mean()) / 5)) for time, bgr in opened.frames()]
    return [round(time, 3) for time, _ in found], [number for _, number in found], opened


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_are_taken_at_their_times_from_every_kind_of_file(suffix: str, tmp_path: Path) -> None:
    times, numbers, opened = taken(clip(tmp_path / f"a{suffix}", numbered(21)))
    assert numbers == pytest.approx(list(range(0, 21, 2)), abs=1)  # codecs are inexact
    assert times == pytest.approx([number / FPS for number in range(0, 21, 2)], abs=0.002)
    assert opened.fps == pytest.approx(FPS)
    assert opened.duration == pytest.approx(2.1)
    assert (opened.taken, opened.limit) == (11, None)


@pytest.mark.parametrize(
    ("every", "numbers"),
    [(0.01, list(range(12))), (0.1, list(range(12))), (0.25, [0, 2, 5, 7, 10]), (0.5, [0, 5, 10]), (9.0, [0])],
)
def test_as_often_as_asked_and_not_more_often_than_there_are_frames(
    every: float, numbers: list[int], tmp_path: Path
) -> None:
    times, found, _ = taken(clip(tmp_path / "a.avi", numbered(12)), every)
    assert found == pytest.approx(numbers, abs=1)
    assert times == sorted(set(times))


def test_too_many_frames_are_spread_over_the_clip_and_it_is_said(tmp_path: Path) -> None:
    _, numbers, opened = taken(clip(tmp_path / "a.mp4", numbered(40)), most=4)
    assert numbers == pytest.approx([0, 10, 20, 30], abs=1)
    assert opened.limit == "looked at every 1.00 s, not every 0.2 s: no more than 4 frames"


def test_long_steps_are_wound_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = clip(tmp_path / "a.mp4", numbered(50))
    decoded = taken(made, 1.0)
    monkeypatch.setattr(module, "_FAR", 0.5)
    assert taken(made, 1.0)[:2] == decoded[:2]


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".webm"])
@pytest.mark.parametrize("far", [10.0, 0.5])
def test_a_truncated_clip_is_read_as_far_as_it_goes_and_says_so(
    suffix: str, far: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FAR", far)
    rng = np.random.default_rng(1)
    made = clip(tmp_path / f"a{suffix}", rng.integers(0, 256, (40, 64, 64, 3), np.uint8))
    data = made.read_bytes()
    made.write_bytes(data[: len(data) // 2])
    times, _, opened = taken(made, 0.6)
    assert times[0] == 0.0
    assert 0.6 <= times[-1] <= 2.4
    assert opened.limit is not None
    assert "of the 4.0 s announced: truncated or damaged, judged as far as it decodes" in opened.limit


def test_a_single_frame_is_a_clip(tmp_path: Path) -> None:
    times, numbers, opened = taken(clip(tmp_path / "a.avi", numbered(1)))
    assert (times, numbers, opened.limit) == ([0.0], [0], None)


def test_a_clip_without_a_length_is_looked_at_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST", 1.0)
    _, numbers, opened = taken(clip(tmp_path / "a.mp4", numbered(40)), most=5)
    assert opened.duration is None
    assert numbers == pytest.approx([0, 2, 4, 6, 8], abs=1)
    assert opened.limit == "looked at up to 0.8 s only: no more than 5 frames"


def test_absurd_sizes_are_refused_before_a_frame_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = clip(tmp_path / "a.avi", numbered(2))
    monkeypatch.setattr(module, "MAX_FRAME", 64 * 64 - 1)
    with pytest.raises(VideoError, match="frames of 64x64 pixels; at most"):
        taken(made)
    monkeypatch.setattr(module, "MAX_FRAME", 64 * 64)
    monkeypatch.setattr(module, "MIN_SIDE", 65)
    with pytest.raises(VideoError, match="a side has at least 65"):
        taken(made)


def test_what_does_not_open_or_decode_names_the_cause(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = clip(tmp_path / "a.mp4", numbered(20)).read_bytes()
    capfd.readouterr()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match="moov"):
        taken(tmp_path / "cut.mp4")
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    (tmp_path / "noise.mp4").write_bytes(data[:start] + b"\xff" * (end - start) + data[end:])
    with pytest.raises(VideoError, match="no frame of this MP4 file decodes"):
        taken(tmp_path / "noise.mp4")


def test_the_log_of_opencv_is_as_before(tmp_path: Path) -> None:
    before = cv2.utils.logging.getLogLevel()
    taken(clip(tmp_path / "a.avi", numbered(2)))
    assert cv2.utils.logging.getLogLevel() == before


def test_a_cut_is_a_change_of_most_colours() -> None:
    black, grey = (colors(np.full((90, 120, 3), value, np.uint8)) for value in (0, 128))
    assert black.shape == (512,)
    assert black.sum() == pytest.approx(1)
    assert is_cut(black, grey)
    assert not is_cut(black, black)
    assert not is_cut(black, np.float32(0.6) * black + np.float32(0.4) * grey)
    assert is_cut(black, np.float32(0.4) * black + np.float32(0.6) * grey)
