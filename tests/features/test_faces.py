"""Faces are found where they are, at every size and turn, once, and nowhere else, by the networks expected."""

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from features import faces
from features.decode import Pixels
from features.errors import BundleError
from features.faces import KEYPOINTS, PRESENCE, WEIGHTS, Face, find_faces, landmarks
from features.geometry import Points
from tests.conftest import SampleFaces
from tests.faces import CENTER, ROLL, astronaut, bgr_of, set_into, turned
from tests.images import photo
from tests.portraits import FACE

WEIGHTS_FOLDER = Path(faces.__file__).parent / "weights"
ORIGINAL = WEIGHTS_FOLDER / "face_detection_short_range.tflite"
NOSE, CHIN, FOREHEAD, RIGHT_EYE, LEFT_EYE = 1, 152, 10, 33, 263  # points of the mesh


def one(bgr: Pixels) -> Face:
    (face,) = find_faces(bgr)
    return face


def assert_at(face: Face, center: npt.ArrayLike, size: float, off: float = 0.25) -> None:
    """Check that a face lies within a share of its size of where it should, and is about as large."""
    assert np.abs(face.center - np.asarray(center)).max() <= off * size
    assert 0.75 <= face.size / size <= 1.33
    assert PRESENCE <= face.presence <= 1


def between(degrees: float) -> float:
    """Bring an angle to -180 to 180."""
    return (degrees + 180) % 360 - 180


def ground(height: int, width: int | None = None) -> Pixels:
    """Make a picture of soft clouds without a face."""
    noise = np.random.default_rng(5).integers(70, 190, (24, 24, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (width or height, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


# Where


@pytest.mark.parametrize("scale", [0.35, 0.4, 0.5, 0.75, 1, 1.5, 2, 3])
def test_a_face_is_found_at_every_size(scale: float) -> None:
    face = one(astronaut(scale))
    assert_at(face, CENTER * scale, FACE * scale, off=0.05)
    assert between(face.roll - ROLL) == pytest.approx(0, abs=6)


def test_a_speck_is_no_face() -> None:
    assert find_faces(astronaut(0.25)) == []


@pytest.mark.parametrize("degrees", [*range(0, 360, 90), 30, 45, 60, 135])
def test_a_face_is_found_at_every_turn(degrees: float) -> None:
    picture, center = turned(degrees)
    face = one(picture)
    assert_at(face, center, FACE)
    assert between(face.roll - ROLL - degrees) == pytest.approx(0, abs=10)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_a_picture_on_its_side_or_head_has_the_same_face(quarters: int, scale: float) -> None:
    picture = np.ascontiguousarray(np.rot90(astronaut(scale), quarters))
    x, y = CENTER * scale
    side = 512 * scale
    face = one(picture)
    assert_at(face, {1: (y, side - x), 2: (side - x, side - y), 3: (side - y, x)}[quarters], FACE * scale, off=0.1)
    assert between(face.roll - ROLL + 90 * quarters) == pytest.approx(0, abs=6)
    assert between(face.tilt + 90 * quarters) == 0


def test_the_keypoints_are_those_of_the_photograph() -> None:
    face = one(astronaut())
    assert face.keypoints.shape == (6, 2)
    assert face.keypoints.dtype == np.float32
    right_eye, left_eye, nose, mouth, right_ear, left_ear = face.keypoints
    assert len(KEYPOINTS) == 6
    for found, place in ((right_eye, (206, 103)), (left_eye, (248, 105)), (nose, (229, 127)), (mouth, (226, 149))):
        np.testing.assert_allclose(found, place, atol=8)
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]


def test_a_mirrored_picture_has_the_mirrored_face() -> None:
    face, mirrored = one(astronaut()), one(np.ascontiguousarray(astronaut()[:, ::-1]))
    assert_at(mirrored, (512 - face.center[0], face.center[1]), face.size, off=0.05)
    swapped = mirrored.keypoints[[1, 0, 2, 3, 5, 4]]
    assert np.abs(swapped - np.column_stack([512 - face.keypoints[:, 0], face.keypoints[:, 1]])).max() <= 0.1 * FACE
    assert mirrored.roll == pytest.approx(-face.roll, abs=5)


def test_the_surroundings_do_not_move_the_box() -> None:
    face = one(astronaut())
    for left, top, ground_side in ((200, 300, 1000), (16, 8, 640)):
        picture = ground(ground_side)
        picture[top : top + 300, left : left + 400] = astronaut()[:300, :400]
        other = one(picture)
        np.testing.assert_allclose(other.center - (left, top), face.center, atol=0.02 * FACE)
        assert other.size == pytest.approx(face.size, rel=0.02)


# How many


@pytest.mark.parametrize("name", ["brick", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "page", "text"])
def test_no_face_is_found_where_there_is_none(name: str) -> None:
    assert find_faces(bgr_of(name)) == []


@pytest.mark.parametrize("size", [(32, 32), (33, 700), (700, 33), (224, 224), (1100, 600)])
def test_no_face_is_found_in_clouds_of_any_shape(size: tuple[int, int]) -> None:
    assert find_faces(ground(*size)) == []
    assert find_faces(photo(1, size)) == []
    assert find_faces(np.zeros((*size, 3), np.uint8)) == []


def test_several_faces_come_by_size() -> None:
    picture = ground(700, 1200)
    places = {240: (950, 350), 130: (300, 200), 50: (500, 600), 90: (120, 520)}
    for size, (x, y) in places.items():
        picture = set_into(picture, size, x, y)
    found = find_faces(picture)
    assert len(found) == 4
    for face, size in zip(found, sorted(places, reverse=True), strict=True):
        assert_at(face, places[size], size)


def test_a_small_face_is_found_in_a_large_picture() -> None:
    face = one(set_into(ground(3000, 4000), 60, 3111, 1777))
    assert_at(face, (3111, 1777), 60)


@pytest.mark.parametrize("size", [45, 80, 150])
def test_a_face_is_found_once_wherever_tiles_meet(size: float) -> None:
    seam = round((faces._TILE - faces._SEAM / 2) / faces._FINEST)  # the middle of the first overlap at the finest level
    picture = ground(1200)
    for shift in range(-100, 101, 20):
        for x, y in ((seam + shift, 300), (400, seam + shift), (seam + shift, seam - shift)):
            assert_at(one(set_into(picture, size, x, y)), (x, y), size)


def test_the_same_face_beside_itself_is_two() -> None:
    picture = set_into(set_into(ground(400, 600), 100, 200, 200), 100, 330, 200)
    assert sorted(round(float(face.center[0]), -1) for face in find_faces(picture)) == [200, 330]


def test_the_picture_is_left_alone_and_the_answer_repeats() -> None:
    picture = astronaut(0.5)
    before = picture.copy()
    first, second = one(picture), one(picture)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert (first.size, first.presence) == (second.size, second.presence)


@pytest.mark.realdata
def test_real_crops_have_one_face_each(sample_faces: SampleFaces) -> None:
    paths = sorted(sample_faces(100).rglob("*.jpg"))
    found = [find_faces(bgr_from(path)) for path in paths]
    assert len(paths) == 200
    assert sum(bool(each) for each in found) >= 195
    assert sum(len(each) > 1 for each in found) <= 4


def bgr_from(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path)), dtype=np.uint8)


# The face itself


def face_at(roll: float) -> Face:
    """A face whose eyes are 10 pixels apart."""
    angle = math.radians(roll)
    eyes = [(50.0, 50.0), (50 + 10 * math.cos(angle), 50 + 10 * math.sin(angle))]
    return Face(np.array([55, 60], np.float32), 30.0, np.array([*eyes, *[(55, 60)] * 4], np.float32), 0.9)


@pytest.mark.parametrize(
    ("roll", "tilt"),
    [
        (0, 0), (24, 0), (-24, 0), (26, 26), (-40, -40), (64, 64), (66, 90), (114, 90), (-89, -90), (-120, -120),
        (154, 154), (156, 180), (-156, -180), (180, 180),
    ],
)  # fmt: skip
def test_a_tilt_near_a_quarter_turn_is_one(roll: float, tilt: float) -> None:
    face = face_at(roll)
    assert face.roll == pytest.approx(roll, abs=1e-3)
    assert face.tilt == pytest.approx(tilt, abs=1e-3)


def test_a_box_is_square_around_its_centre() -> None:
    assert face_at(0).box == (40.0, 45.0, 30.0, 30.0)


# Landmarks


@pytest.mark.parametrize("degrees", [0, 20, 90, 180])
def test_landmarks_lie_on_the_face(degrees: float) -> None:
    picture, center = turned(degrees)
    angle = math.radians(degrees)
    keypoints = one(astronaut()).keypoints - CENTER
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], np.float32)
    placed = np.asarray(keypoints @ turn.T + center, dtype=np.float32)
    points, presence = landmarks(picture, Face(center, FACE, placed, 0.9))
    assert points.shape == (468, 2)
    assert points.dtype == np.float32
    assert presence > 3
    assert np.abs(points[NOSE] - placed[2]).max() <= 0.1 * FACE
    for eye, keypoint in ((RIGHT_EYE, 0), (LEFT_EYE, 1)):
        assert np.abs(points[eye] - placed[keypoint]).max() <= 0.25 * FACE
    down = turn @ np.array([0, 1], np.float32)
    assert (points[CHIN] - points[FOREHEAD]) @ down > FACE


def test_landmarks_say_where_there_is_no_face() -> None:
    for name in ("brick", "grass", "page"):
        assert landmarks(bgr_of(name)[:191, :191], face_at(0))[1] < 3


# The networks


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_damaged_network_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray((WEIGHTS_FOLDER / name).read_bytes())
    assert faces._weights(name) == bytes(data)
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(faces, "_FOLDER", tmp_path)
    with pytest.raises(BundleError, match=f"{name}: damaged"):
        faces._weights(name)


def original(bgr: Pixels) -> tuple[Points, Points]:
    """Run the network as published on 128 x 128 pixels: logits (896,) and points (896, 8, 2) relative to anchors."""
    network = cv2.dnn.readNetFromTFLite(np.frombuffer(ORIGINAL.read_bytes(), np.uint8))
    network.setInput(cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True))
    logits, points = network.forward(["classificators", "regressors"])
    return np.asarray(logits.ravel(), np.float32), np.asarray(points.reshape(896, 8, 2), np.float32)


def anchors() -> Points:
    """The centres of MediaPipe's 896 anchors in pixels: two at each of 16 x 16 places, six at each of 8 x 8."""
    maps = []
    for cells, count in ((16, 2), (8, 6)):
        y, x = (np.mgrid[0:cells, 0:cells] + 0.5) * (128 / cells)
        maps.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(maps).astype(np.float32)


def close_up() -> Pixels:
    """The astronaut's face in 128 x 128 pixels."""
    return np.asarray(cv2.resize(astronaut()[20:240, 110:330], (128, 128)), dtype=np.uint8)


INPUTS = {
    "a face": close_up(),
    "bricks": np.ascontiguousarray(bgr_of("brick")[:128, :128]),
    "noise": np.random.default_rng(7).integers(0, 256, (128, 128, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", INPUTS)
def test_the_converted_network_gives_what_the_original_gives(name: str) -> None:
    bgr = INPUTS[name]
    logits, points = original(bgr)
    image = cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)
    maps = [found[0].transpose(1, 2, 0) for found in faces._face_network().run(None, {"image": image})]
    fine, fine_points, coarse, coarse_points = maps
    assert np.abs(np.concatenate([fine.ravel(), coarse.ravel()]) - logits).max() <= 1e-4 * max(1, np.abs(logits).max())
    converted = np.concatenate([fine_points.reshape(-1, 8, 2), coarse_points.reshape(-1, 8, 2)])
    assert np.abs(converted - points).max() <= 1e-4 * np.abs(points).max()


def test_anchors_are_read_as_published() -> None:
    logits, points = original(close_up())
    points = points.copy()
    places = anchors() - (faces._LEAN, 0)
    points[:, 0] += places
    points[:, 2:] += places[:, None]
    presence, found = faces._detect(close_up())
    expected = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    seen = np.flatnonzero(expected > faces._PROPOSED)
    assert len(seen) == len(presence) >= 5
    by_place = np.lexsort(np.round(points[seen, 0], 1).T), np.lexsort(np.round(found[:, 0], 1).T)
    np.testing.assert_allclose(found[by_place[1]], points[seen][by_place[0]], atol=0.01)
    np.testing.assert_allclose(presence[by_place[1]], expected[seen][by_place[0]], atol=1e-4)


def test_any_size_is_taken_and_seen_alike() -> None:
    small = close_up()
    wide = np.full((144, 250, 3), 127, np.uint8)
    wide[:128, 32:160] = small
    presence, points = faces._detect(small)
    others, elsewhere = faces._detect(wide)
    best, other = points[presence.argmax()], elsewhere[others.argmax()]
    np.testing.assert_allclose(other[0] - (32, 0), best[0], atol=4)
    np.testing.assert_allclose(other[1], best[1], rtol=0.1)
