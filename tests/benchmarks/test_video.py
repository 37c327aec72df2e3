"""The benchmark of clips at a small scale: a second of it is scored, and its face is followed."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks import video
from tests.benchmarks.conftest import Run


def test_video(run: Run) -> None:
    figures = run(video.main, "--seconds", 1, "--rounds", 2)["figures"]
    assert figures["model"] == "fast"
    assert (figures["pixels"], figures["every"]) == ([1920, 1080], 0.2)
    assert (figures["clip"]["frames"], figures["clip"]["duration"]) == (5, 1)
    assert figures["faces_seen"] == [5]
    assert figures["bytes"] > 100_000
    share, seconds = figures["seconds_per_second"], figures["seconds"]
    assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
    assert share["median"] == pytest.approx(seconds["median"], rel=1e-3)
    assert share["holds"] == (share["median"] <= video.SHARE)


def test_the_share_is_of_the_seconds_that_the_clip_plays(monkeypatch: pytest.MonkeyPatch, small_detector: Path) -> None:
    rows = [{"model": {"name": "toy"}, "clip": {}}, {"track": {"frames": 7}}]
    monkeypatch.setattr(video, "_score", lambda *_: (0.5, rows))
    monkeypatch.setattr(video, "_write", lambda path, _: path.write_bytes(b"x"))
    found = video.measure(str(small_detector), 2, 3)
    assert found["seconds_per_second"] == {"median": 0.25, "min": 0.25, "max": 0.25, "at_most": 1.0, "holds": True}


def test_frames_differ_in_grain_and_the_head_moves() -> None:
    first, second = islice(video.frames(2), 2)
    assert first.shape == (1080, 1920, 3)
    ground = np.abs(first[:, :100].astype(int) - second[:, :100])
    assert 1 < ground.mean() < 5
    assert np.abs(first.astype(int) - second).max() > 100
