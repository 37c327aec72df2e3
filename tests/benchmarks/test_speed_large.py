"""The cost of large images at a small scale: what is made, and that the figures hang together."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import speed_large
from tests.benchmarks.conftest import Run
from tests.images import photo


def test_speed_large(run: Run, images: Path, small_detector: Path) -> None:
    record = run(speed_large.main, "--data", images, "--model", small_detector, "--images", 6)
    assert record["command"].startswith("python -m benchmarks.speed_large --data")
    figures = record["figures"]
    assert list(figures["sets"]) == ["enlarged", "in_photographs"]
    for name, made in figures["sets"].items():
        judged = figures["ratios"][f"path_to_imread_{name}"]
        times = {step: spread["median"] for step, spread in made["microseconds"].items()}
        assert judged["at_most"] == 8
        assert judged["holds"] == (judged["median"] <= 8)
        assert judged["median"] == pytest.approx(times["path"] / times["imread"], rel=1e-2)
        assert times["imread"] < times["path"]
        assert made["images"] == 6
        assert made["stages"]["decode"] > 0
    sets = figures["sets"]
    assert sets["in_photographs"]["bytes_an_image"] > sets["enlarged"]["bytes_an_image"] > 10_000


def test_crops_are_enlarged_and_set_into_photographs_at_their_own_size() -> None:
    crop = photo(1)
    (large,) = speed_large.enlarged([crop])
    pictures = list(speed_large.in_photographs([crop, crop]))
    assert {image.shape for image in (large, *pictures)} == {(1024, 1024, 3)}
    assert np.abs(cv2.resize(large, (224, 224), interpolation=cv2.INTER_AREA).astype(int) - crop).mean() < 4
    middle = crop[80:140, 80:140]
    assert all(cv2.matchTemplate(one, middle, cv2.TM_SQDIFF).min() < 60**2 * 3 for one in pictures)
    assert not np.array_equal(pictures[0], pictures[1])
