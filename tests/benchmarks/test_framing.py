"""The scripts about faces and framing: what they set into what, and that the names of their figures fit."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import faces, framing, framing_curve
from features.frame import WORKING_SIZE
from tests.images import photo, png


def test_a_face_is_set_in_with_soft_edges_and_nothing_else_changes() -> None:
    ground, face = np.full((100, 120, 3), 50, np.uint8), np.full((40, 40, 3), 200, np.uint8)
    made = faces.set_into(ground, face, 30, 20)
    assert (ground == 50).all()
    assert (made[20:60, 30:70][10:-10, 10:-10] == 200).all()
    assert (made[30:50, 31] > 50).all()
    assert (made[30:50, 31] < 125).all()
    made[20:60, 30:70] = 50
    assert (made == 50).all()


def test_the_photographs_are_colour_and_of_the_size_asked_for() -> None:
    for photograph in faces.photographs(300).values():
        assert photograph.dtype == np.uint8
        assert photograph.shape[2] == 3
        assert min(photograph.shape[:2]) == 300


def test_every_presentation_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "crop.png"
    path.write_bytes(png(photo(1)))
    shown = dict(framing._presented(str(path)))
    assert list(shown) == framing._names()
    assert not shown["auto"]  # a texture has no face
    assert all(view.bgr.shape == (WORKING_SIZE, WORKING_SIZE, 3) for views in shown.values() for view in views)
    again = dict(framing._presented(str(path)))
    assert all(np.array_equal(again[name][0].bgr, views[0].bgr) for name, views in shown.items() if views)


def test_what_has_no_face_counts_as_undecided() -> None:
    labels = np.array([0, 1, 1])
    assert framing._auc(labels, np.array([0.2, np.nan, 0.9])) == 1.0
    assert framing._auc(labels, np.array([0.6, np.nan, 0.9])) == 0.5


@pytest.mark.parametrize(("count", "shape"), [(1, (20, 60, 3)), (3, (20, 60, 3)), (4, (40, 60, 3))])
def test_a_sheet_has_whole_rows(count: int, shape: tuple[int, ...]) -> None:
    assert framing.sheet([photo(1, 50)] * count, side=20, columns=3).shape == shape


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    found = {
        "name": "fast",
        "out_of_focus": {"auc": 0.8},
        "scale": {"0.7": 0.6, "1.0": 0.8},
        "shift": {"0": 0.8, "0.1": 0.7},
    }
    (tmp_path / "framing.json").write_text(json.dumps({"figures": {"models": [found, {**found, "name": "before"}]}}))
    picture = tmp_path / "docs" / "framing.png"
    framing_curve.main(["--result", str(tmp_path / "framing.json"), "-o", str(picture)])
    pixels = cv2.imread(str(picture))
    assert pixels is not None
    assert (pixels < 128).any()
