"""Moves that can be worked out by hand, and pixels that tell where they are."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decode import Pixels
from features.geometry import GREY, Points, apply, inverse, on_ground, scaled, to_patch, warp
from tests.images import photo

CENTER = np.array([10, 20], np.float32)

places = st.floats(60, 190)
sizes = st.floats(16, 110)
rolls = st.floats(-180, 180)
sides = st.integers(16, 128)


def ramp(side: int = 250) -> Pixels:
    """A picture whose samples tell where they are: column, row, and neither."""
    y, x = np.mgrid[0:side, 0:side]
    return np.dstack([x, y, np.zeros_like(x)]).astype(np.uint8)


def points(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, np.float32)


# Moves


@pytest.mark.parametrize(
    ("roll", "seen"),
    [
        (0, [(4, 4), (0, 0), (8, 4), (4, 8)]),
        (90, [(4, 4), (0, 8), (4, 0), (8, 4)]),  # what lay to the right lies above, what lay below to the right
        (180, [(4, 4), (8, 8), (0, 4), (4, 0)]),
        (-90, [(4, 4), (8, 0), (4, 8), (0, 4)]),
    ],
)
def test_a_patch_of_twice_the_size_and_its_quarter_turns(roll: float, seen: list[tuple[float, float]]) -> None:
    move = to_patch(CENTER, 4, roll, 8)
    assert move.shape == (2, 3)
    assert move.dtype == np.float32
    picture = points((10, 20), (8, 18), (12, 20), (10, 22))
    np.testing.assert_allclose(apply(move, picture), points(*seen), atol=1e-5)


def test_points_keep_their_shape() -> None:
    move = to_patch(CENTER, 3, 30, 7)
    many = np.random.default_rng(1).uniform(0, 50, (2, 5, 2)).astype(np.float32)
    moved = apply(move, many)
    assert moved.shape == (2, 5, 2)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(apply(move, many[1, 3]), moved[1, 3], rtol=1e-5)


@settings(deadline=None, derandomize=True)
@given(x=places, y=places, size=sizes, roll=rolls, side=sides)
def test_back_and_forth_is_where_it_was(x: float, y: float, size: float, roll: float, side: int) -> None:
    move = to_patch(np.array([x, y], np.float32), size, roll, side)
    corners = points((0, 0), (250, 0), (0, 250), (x, y))
    np.testing.assert_allclose(apply(inverse(move), apply(move, corners)), corners, atol=0.01)


@settings(deadline=None, derandomize=True)
@given(x=places, y=places, size=sizes, roll=rolls, side=sides)
def test_the_square_fills_the_patch(x: float, y: float, size: float, roll: float, side: int) -> None:
    to_picture = inverse(to_patch(np.array([x, y], np.float32), size, roll, side))
    corners = apply(to_picture, points((0, 0), (side, 0), (0, side), (side, side)))
    np.testing.assert_allclose(corners.mean(axis=0), (x, y), atol=0.01)
    across, down = corners[1] - corners[0], corners[2] - corners[0]
    np.testing.assert_allclose([np.hypot(*across), np.hypot(*down)], size, rtol=1e-3)
    assert across @ down == pytest.approx(0, abs=1e-2 * size)
    clockwise = np.degrees(np.arctan2(across[1], across[0]))  # y points down
    assert (clockwise - roll + 180) % 360 - 180 == pytest.approx(0, abs=0.1)


# Pixels


@pytest.mark.parametrize(("left", "top", "side"), [(0, 0, 16), (7, 30, 33), (200, 10, 50), (0, 0, 250)])
def test_a_patch_on_whole_pixels_is_a_slice(left: int, top: int, side: int) -> None:
    picture = photo(1, 250)
    move = to_patch(np.array([left + side / 2, top + side / 2], np.float32), side, 0, side)
    for smooth in (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC):
        patch = warp(picture, move, side, smooth=smooth)
        np.testing.assert_array_equal(patch, picture[top : top + side, left : left + side])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_is_numpy_s(quarters: int) -> None:
    picture = photo(2, 100)
    move = to_patch(np.array([40, 60], np.float32), 30, 90 * quarters, 30)
    np.testing.assert_array_equal(warp(picture, move, 30), np.rot90(picture[45:75, 25:55], quarters))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(x=places, y=places, size=sizes, roll=rolls, side=sides)
def test_every_pixel_of_a_patch_comes_from_its_place(x: float, y: float, size: float, roll: float, side: int) -> None:
    move = to_patch(np.array([x, y], np.float32), size, roll, side)
    row, column = np.mgrid[0:side, 0:side] + 0.5
    place = apply(inverse(move), np.stack([column, row], axis=-1).astype(np.float32)) - np.float32(0.5)
    inside = ((place >= 8) & (place <= 241)).all(axis=-1)
    patch = warp(ramp(), move, side)[..., :2]
    assert np.abs(patch - place)[inside].max(initial=0) <= 1.25  # rounded twice, and by 1/64 of a pixel that shrank


def test_shrinking_averages_areas() -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    patch = warp(picture, to_patch(np.array([128, 128], np.float32), 256, 0, 32), 32)
    assert 2 <= np.std(patch.astype(float)) <= 12  # of a mean of 64 samples: 74 / 8; a single sample has 74


def test_beyond_the_picture_lies_grey_or_what_is_asked_for() -> None:
    picture = photo(4, 40)
    move = to_patch(np.array([0, 20], np.float32), 20, 0, 20)
    patch = warp(picture, move, 20)
    assert (patch[:, :10] == GREY).all()
    np.testing.assert_array_equal(patch[:, 10:], picture[10:30, :10])
    mirrored = warp(picture, move, 20, border=cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(mirrored[:, :10], picture[10:30, 10:0:-1])


@pytest.mark.parametrize("center", [(-50, 20), (20, 400), (1000, -1000)])
def test_a_patch_off_the_picture_is_all_grey(center: tuple[float, float]) -> None:
    assert (warp(photo(5, 40), to_patch(points(center)[0], 20, 30, 20), 20) == GREY).all()


def test_the_picture_is_left_alone() -> None:
    picture = photo(6, 64)
    before = picture.copy()
    warp(picture, to_patch(np.array([30, 30], np.float32), 60, 45, 20), 20)
    scaled(picture, 0.3)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("scale", "shape"), [(0.5, (20, 50)), (0.25, (10, 25)), (1.5, (60, 150)), (0.001, (1, 1)), (1, (40, 100))]
)
def test_scaling_rounds_each_side(scale: float, shape: tuple[int, int]) -> None:
    assert scaled(photo(7, (40, 100)), scale).shape == (*shape, 3)


def test_scaling_by_a_quarter_averages_sixteen_pixels() -> None:
    picture = photo(8, 64)
    mean = picture.reshape(16, 4, 16, 4, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(scaled(picture, 0.25) - mean).max() <= 0.5


def test_a_ground_is_grey_around_the_pixels() -> None:
    pixels = photo(9, (10, 12))
    ground = on_ground(pixels, 3, 5, 20, 16)
    assert ground.shape == (16, 20, 3)
    np.testing.assert_array_equal(ground[5:15, 3:15], pixels)
    ground[5:15, 3:15] = GREY
    assert (ground == GREY).all()
