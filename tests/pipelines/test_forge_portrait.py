"""The face that a forgery changes."""

import numpy as np
import pytest

from features.errors import NoFaceError
from pipelines.forge_portrait import find_portrait
from tests.conftest import SampleFaces
from tests.faces import CENTER, astronaut, bgr_of, head
from tests.images import photo


def test_the_largest_face_of_a_photograph_is_cut_out() -> None:
    picture = astronaut()
    found = find_portrait(picture)
    assert found.place is not None
    x, y, width, height = found.place
    np.testing.assert_array_equal(found.bgr, picture[y : y + height, x : x + width])
    assert np.abs(np.array([x + width / 2, y + height / 2]) - CENTER).max() < 15
    assert found.points is not None
    assert found.points.shape == (468, 2)
    eyes, mouth, chin = (found.points[at, 1].mean() / height for at in ([33, 263], [13, 14], [152]))
    assert (eyes, mouth, chin) == pytest.approx((0.31, 0.72, 0.97), abs=0.06)


def test_a_crop_that_the_face_fills_is_taken_whole() -> None:
    x, y, width, height = find_portrait(astronaut()).place or (0, 0, 0, 0)
    crop = np.ascontiguousarray(astronaut()[y : y + height, x : x + width])
    found = find_portrait(crop)
    assert found.place is None
    assert found.points is not None
    np.testing.assert_array_equal(found.bgr, crop)


def test_a_square_without_a_face_has_no_landmarks_and_other_pictures_are_refused() -> None:
    wall = find_portrait(photo(0, 224))
    assert wall.points is None
    assert wall.place is None
    with pytest.raises(NoFaceError, match="no face"):
        find_portrait(bgr_of("brick")[:256])


def test_a_loose_head_is_cut_closer() -> None:
    assert find_portrait(head(120)).place is not None


@pytest.mark.realdata
def test_real_crops_have_landmarks(sample_faces: SampleFaces) -> None:
    from features.frame import load_pixels

    found = [find_portrait(load_pixels(path)) for path in sorted((sample_faces(20) / "real").iterdir())]
    assert sum(one.points is not None for one in found) >= 18
    assert sum(one.place is None for one in found) >= 18
