"""The one square: where it lies, when a picture is one already, and what is said of faces that fit it badly."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import framing
from features.decode import Pixels
from features.faces import Face
from features.frame import WORKING_SIZE, Frame, load_pixels
from features.framing import FRAMING, MIN_FACE, Framed, Square, cut, frame_faces, square_of
from tests.conftest import SampleFaces
from tests.faces import CENTER, astronaut, bgr_of, set_into, turned
from tests.images import photo
from tests.portraits import FACE

RESAMPLED = "turning it upright resampled it"


def face_at(x: float, y: float, size: float, *, roll: float = 0.0, nose: tuple[float, float] = (0, 0)) -> Face:
    """Make a face whose nose lies `nose` from its centre."""
    across = size / 4 * np.array([math.cos(math.radians(roll)), math.sin(math.radians(roll))])
    center = np.array([x, y])
    keypoints = [center - across, center + across, center + nose, center, center - 2 * across, center + 2 * across]
    return Face(center.astype(np.float32), size, np.array(keypoints, np.float32), 0.9)


def crop_face(side: float, share: float = 1.0, x: float = 0.5, y: float = 0.5, roll: float = 0.0) -> Face:
    """Make a face whose square takes a share of a picture, its centre at a share of each side."""
    size = share * side / 1.08
    return face_at(x * side, y * side + 0.037 * size, size, roll=roll)


def square(x: float, y: float, side: float, roll: float = 0.0) -> Square:
    return Square(np.array([x, y], np.float32), side, roll)


def found(monkeypatch: pytest.MonkeyPatch, *faces: Face) -> None:
    """Let these faces be found in whatever picture comes."""
    monkeypatch.setattr(framing, "find_faces", lambda bgr: list(faces))


# The square of a face


@pytest.mark.parametrize(
    ("roll", "nose", "center"),
    [
        (0, (0, 10), (100, 101.65)),  # 0.35 * 10 down, 0.037 * 50 up
        (0, (20, 0), (107, 98.15)),
        (20, (0, 10), (100, 101.65)),  # a slight tilt is left as it is
        (90, (-10, 0), (98.35, 100)),  # lying on its left ear: up is to the right
        (180, (0, -10), (100, 98.35)),
        (-90, (10, 0), (101.65, 100)),
        (45, (0, 0), (100 + 1.85 * math.sqrt(0.5), 100 - 1.85 * math.sqrt(0.5))),
    ],
)
def test_a_square_lies_where_the_definition_says(
    roll: float, nose: tuple[float, float], center: tuple[float, float]
) -> None:
    made = square_of(face_at(100, 100, 50, roll=roll, nose=nose))
    np.testing.assert_allclose(made.center, center, atol=1e-3)
    assert made.center.dtype == np.float32
    assert made.side == pytest.approx(54)
    assert made.roll == pytest.approx(0 if roll == 20 else roll, abs=1e-3)


# Cutting


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    size=st.tuples(st.integers(40, 500), st.integers(40, 500)),
    x=st.floats(-200, 700),
    y=st.floats(-200, 700),
    side=st.floats(20, 600),
    quarters=st.integers(-1, 2),
)
def test_a_cut_stays_inside_and_is_a_slice(
    size: tuple[int, int], x: float, y: float, side: float, quarters: int
) -> None:
    picture = photo(1, 500)[: size[0], : size[1]]
    pixels, (left, top, width, height) = cut(picture, square(x, y, side, 90.0 * quarters))
    assert width == height <= min(size)
    assert 0 <= left <= size[1] - width
    assert 0 <= top <= size[0] - height
    np.testing.assert_array_equal(pixels, np.rot90(picture[top : top + height, left : left + width], quarters))
    if 0.92 < side / WORKING_SIZE < 1.08:
        assert width == min(WORKING_SIZE, *size)
    if side / 2 <= x <= size[1] - side / 2 and side / 2 <= y <= size[0] - side / 2:  # it fits
        assert abs(width - side) <= 0.08 * WORKING_SIZE + 0.5
        assert abs(left + width / 2 - x) <= max(1, abs(width - side))
        assert abs(top + height / 2 - y) <= max(1, abs(width - side))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_resamples_nothing(quarters: int) -> None:
    picture = photo(2, (300, 400))
    upright, place = cut(picture, square(160, 120, 100))
    assert place == (110, 70, 100, 100)
    x, y = {1: (120, 400 - 160), 2: (400 - 160, 300 - 120), 3: (300 - 120, 160)}[quarters]
    turned_picture = np.ascontiguousarray(np.rot90(picture, quarters))  # counter-clockwise
    pixels, _ = cut(turned_picture, square(x, y, 100, -90.0 * quarters))
    np.testing.assert_array_equal(pixels, upright)


@pytest.mark.parametrize(("side", "expected"), [(206, 206), (207, 224), (224, 224), (241, 224), (243, 243), (90.4, 90)])
def test_a_side_near_the_working_size_becomes_it(side: float, expected: int) -> None:
    picture = photo(3, 600)
    pixels, place = cut(picture, square(300, 200, side))
    assert pixels.shape == (expected, expected, 3)
    assert place[2:] == (expected, expected)
    if expected == WORKING_SIZE:
        np.testing.assert_array_equal(Frame.of(pixels).bgr, picture[88:312, 188:412])


def test_a_cut_at_the_border_moves_in() -> None:
    picture = photo(4, (200, 300))
    _, place = cut(picture, square(10, 190, 100))
    assert place == (0, 100, 100, 100)
    _, place = cut(picture, square(150, 100, 500))
    assert place == (50, 0, 200, 200)


def test_a_tilted_cut_is_upright() -> None:
    for degrees in (30, 45, -60, 135):
        picture, center = turned(degrees)
        pixels, place = cut(picture, square(float(center[0]), float(center[1]), 120, degrees))
        upright, _ = cut(astronaut(), square(float(CENTER[0]), float(CENTER[1]), 120))
        assert place[2:] == (120, 120)
        apart = np.abs(pixels.astype(float) - upright)
        assert apart[20:100, 20:100].mean() < 6
        assert np.corrcoef(pixels.ravel(), upright.ravel())[0, 1] > 0.98


def test_beyond_the_border_a_tilted_cut_is_mirrored() -> None:
    picture = np.full((200, 200, 3), 90, np.uint8)
    pixels, _ = cut(picture, square(5, 5, 150, 40.0))
    assert (pixels == 90).all()


# Which pictures are crops already


@pytest.mark.parametrize(
    ("face", "whole"),
    [
        (crop_face(300), True),
        (crop_face(300, 0.81), True),
        (crop_face(300, 0.79), False),  # looser
        (crop_face(300, 1.24), True),
        (crop_face(300, 1.6), True),  # tighter
        (crop_face(300, 1.6, x=0.2), True),
        (crop_face(300, x=0.61), True),
        (crop_face(300, x=0.63), False),
        (crop_face(300, y=0.37), False),
        (crop_face(300, roll=20), True),
        (crop_face(300, roll=40), False),
        (crop_face(300, roll=90), False),
    ],
)
def test_a_crop_goes_through_whole(monkeypatch: pytest.MonkeyPatch, face: Face, whole: bool) -> None:
    picture = photo(5, 300)
    found(monkeypatch, face)
    (framed,) = frame_faces(picture)
    assert (framed.square is None) == whole
    if whole:
        np.testing.assert_array_equal(framed.pixels, picture)
        np.testing.assert_array_equal(framed.frame.bgr, Frame.of(picture).bgr)
        assert framed.frame.size == (300, 300)
    else:
        expected, place = cut(picture, square_of(face))
        np.testing.assert_array_equal(framed.pixels, expected)
        assert framed.square == place


@pytest.mark.parametrize(("size", "whole"), [((300, 320), True), ((320, 300), True), ((300, 340), False)])
def test_an_oblong_picture_is_no_crop(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], whole: bool) -> None:
    face = crop_face(300)
    found(monkeypatch, Face(np.array(size[::-1], np.float32) / np.float32(2), face.size, face.keypoints, 0.9))
    (framed,) = frame_faces(photo(6, size))
    assert (framed.square is None) == whole


def test_the_largest_face_decides_and_alone_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = crop_face(300), face_at(40, 40, 45)
    found(monkeypatch, large, small)
    (framed,) = frame_faces(photo(7, 300))
    assert framed.face is large


def test_faces_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [face_at(100 * number, 150, 90 - 10 * number) for number in (1, 2, 3)]
    found(monkeypatch, *faces)
    framed = frame_faces(photo(8, (300, 600)))
    assert [each.face for each in framed] == faces
    assert all(each.square and each.square[0] < x < each.square[0] + each.square[2] for each, x in zip(
        framed, (100, 200, 300), strict=True))  # fmt: skip


# What is said


@pytest.mark.parametrize(
    ("face", "doubt"),
    [
        (face_at(300, 200, MIN_FACE), None),
        (face_at(300, 200, 39.4), "a face of 39 pixels; a verdict needs 40"),
        (face_at(0, 200, 90), "the border of the picture cuts off 50% of the face"),
        (face_at(0, 0, 90), "the border of the picture cuts off 75% of the face"),
        (face_at(600, 400, 90), "the border of the picture cuts off 75% of the face"),
        (face_at(16, 200, 90), None),  # 29 of 90
        (face_at(14, 200, 90), "the border of the picture cuts off 34% of the face"),
    ],
)
def test_a_small_or_cut_face_is_doubtful(monkeypatch: pytest.MonkeyPatch, face: Face, doubt: str | None) -> None:
    found(monkeypatch, face)
    (framed,) = frame_faces(photo(9, (400, 600)))
    assert framed.doubt == doubt
    assert framed.note is None


@pytest.mark.parametrize(
    ("face", "size", "note"),
    [
        (crop_face(300, 1.3), (300, 300), "the face fills more than the picture, 1.30 times what it should"),
        (crop_face(300, 1.2), (300, 300), None),
        (face_at(300, 200, 390), (310, 600), "the face fills more than the picture, 1.36 times what it should"),
        (face_at(300, 150, 80, roll=-31), (400, 600), f"the face is tilted by -31 degrees; {RESAMPLED}"),
        (face_at(300, 150, 80, roll=90), (400, 600), None),
    ],
)
def test_a_note_says_what_limits_a_verdict(
    monkeypatch: pytest.MonkeyPatch, face: Face, size: tuple[int, int], note: str | None
) -> None:
    found(monkeypatch, face)
    (framed,) = frame_faces(photo(10, size))
    assert framed.note == note


# With eyes open


def test_a_face_is_cropped_out_of_a_photograph() -> None:
    (framed,) = frame_faces(astronaut())
    assert framed.square
    left, top, width, height = framed.square
    np.testing.assert_array_equal(framed.pixels, astronaut()[top : top + height, left : left + width])
    np.testing.assert_allclose((left + width / 2, top + height / 2), CENTER, atol=0.1 * FACE)
    assert width == pytest.approx(1.08 * FACE, rel=0.05)
    assert framed.frame.bgr.shape == (WORKING_SIZE, WORKING_SIZE, 3)
    assert framed.frame.size == (height, width)
    assert framed.frame is framed.frame
    assert (framed.doubt, framed.note) == (None, None)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_its_crop_is_a_crop_already(scale: float) -> None:
    (framed,) = frame_faces(astronaut(scale))
    pixels = np.ascontiguousarray(framed.pixels)
    (again,) = frame_faces(pixels)
    assert again.square is None
    np.testing.assert_array_equal(again.frame.bgr, framed.frame.bgr)


def test_a_photograph_on_its_side_gives_an_upright_crop() -> None:
    (upright,) = frame_faces(astronaut())
    for quarters in (1, 2, 3):
        (framed,) = frame_faces(np.ascontiguousarray(np.rot90(astronaut(), quarters)))
        assert framed.note is None
        assert np.corrcoef(framed.frame.bgr.ravel(), upright.frame.bgr.ravel())[0, 1] > 0.75


def test_two_people_are_two_crops() -> None:
    picture = set_into(set_into(bgr_of("brick"), 120, 130, 150), 70, 380, 350)
    framed = frame_faces(picture)
    assert [round(each.face.size, -1) for each in framed] == [120, 70]


def test_nobody_gives_nothing() -> None:
    assert frame_faces(bgr_of("brick")) == []


def test_the_framing_has_a_version() -> None:
    assert FRAMING == "framing/1"


@pytest.mark.realdata
def test_training_crops_go_through_whole(sample_faces: SampleFaces) -> None:
    framed = [frame_faces(bgr_from(path)) for path in sorted(sample_faces(100).rglob("*.jpg"))]
    known = [each for each in framed if each]
    assert len(known) >= 195
    assert sum(len(each) == 1 and each[0].square is None for each in known) >= 0.96 * len(known)
    assert sum(each[0].doubt is not None for each in known) <= 2


def bgr_from(path: Path) -> Pixels:
    return load_pixels(path)


def test_a_crop_is_seen_twice_and_a_whole_picture_once() -> None:
    framed = frame_faces(astronaut())[0]
    crop, mirrored = framed.views
    np.testing.assert_array_equal(crop.bgr[:, ::-1], mirrored.bgr)
    (alone,) = Framed(framed.pixels, framed.face, None, None, None).views
    np.testing.assert_array_equal(alone.bgr, crop.bgr)
