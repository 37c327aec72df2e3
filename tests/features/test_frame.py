"""The way in does not matter to one bit, and the working size is reached as the policy says."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decode import Pixels, decode
from features.errors import (
    ImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    UnreadableFileError,
    UnsupportedImageError,
)
from features.frame import WORKING_SIZE, Frame
from features.profiles import feature_set
from features.source import open_archive
from tests.features.samples import KINDS, sample
from tests.images import jpeg, photo, png

SIZES = [(224, 224), (96, 130), (500, 300), (100, 640), (32, 32)]


# Ways in


@pytest.mark.parametrize("size", SIZES)
def test_path_bytes_array_link_and_member_give_the_same_bits(tmp_path: Path, size: tuple[int, int]) -> None:
    data = jpeg(photo(1, size))
    file, link, archive = tmp_path / "a.jpg", tmp_path / "link", tmp_path / "set.zip"
    file.write_bytes(data)
    link.symlink_to(file)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("faces/a.jpg", data)
    ways: list[str | Path | Pixels] = [str(file), file, link, f"{archive}!/faces/a.jpg", decode(data)[..., ::-1]]
    expected = Frame.load(data)
    features = feature_set("fast")
    for way in ways:
        frame = Frame.load(way)
        np.testing.assert_array_equal(frame.bgr, expected.bgr)
        assert features.compute(frame).tobytes() == features.compute(expected).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_becomes_a_frame(kind: str) -> None:
    frame = Frame.load(sample(kind).data)
    assert frame.bgr.shape == (WORKING_SIZE, WORKING_SIZE, 3)
    assert frame.bgr.dtype == np.uint8
    assert frame.bgr.flags.c_contiguous


@pytest.mark.parametrize("size", SIZES)
def test_arrays_equal_files_of_the_same_pixels(size: tuple[int, int]) -> None:
    rgb = photo(2, size)
    rgba = np.dstack([rgb, photo(3, size)[..., 0]])
    for array in (rgb, rgba, rgb[..., 0]):
        np.testing.assert_array_equal(Frame.load(array).bgr, Frame.load(png(array)).bgr)


def test_the_layout_of_an_array_in_memory_does_not_matter() -> None:
    rgb = photo(4)
    wide = np.zeros((224, 448, 3), np.uint8)
    wide[:, ::2] = rgb
    fixed = rgb.copy()
    fixed.setflags(write=False)
    for same in (np.asfortranarray(rgb), wide[:, ::2], rgb[::-1][::-1], fixed):
        np.testing.assert_array_equal(Frame.load(same).bgr, Frame.load(rgb).bgr)


@pytest.mark.parametrize("size", [224, 300])
def test_a_frame_owns_its_pixels(size: int) -> None:
    for array in (photo(5, size), photo(5, size)[..., 0]):
        before = array.copy()
        frame = Frame.load(array)
        assert not np.shares_memory(frame.bgr, array)
        feature_set("fast").compute(frame)
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint16),
        np.zeros((64, 64), bool),
        np.zeros((64, 64, 1), np.uint8),
        np.zeros((64, 64, 2), np.uint8),
        np.zeros((3, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 3), np.uint8),
        np.zeros(64, np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_of_another_kind_are_refused(array: Pixels) -> None:
    with pytest.raises(UnsupportedImageError, match="an array of pixels must be"):
        Frame.load(array)


def test_the_limits_hold_for_arrays() -> None:
    with pytest.raises(ImageTooSmallError):
        Frame.load(np.zeros((31, 64, 3), np.uint8))
    with pytest.raises(ImageTooSmallError):
        Frame.load(np.zeros((0, 64, 3), np.uint8))
    with pytest.raises(ImageTooLargeError):
        Frame.load(np.broadcast_to(np.uint8(0), (10_001, 10_000, 3)))


def test_a_path_that_cannot_be_read_is_an_image_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.jpg"):
        with pytest.raises(UnreadableFileError):
            Frame.load(path)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match="empty"):
        Frame.load(tmp_path / "empty.jpg")


# The working size


def test_an_image_of_the_working_size_is_left_alone() -> None:
    data = jpeg(photo(6))
    np.testing.assert_array_equal(Frame.load(data).bgr, simplejpeg.decode_jpeg(data, colorspace="BGR"))


def test_shrinking_by_two_averages_four_pixels() -> None:
    rgb = photo(7, 448)
    mean = rgb.reshape(224, 2, 224, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(Frame.load(rgb).bgr[..., ::-1] - mean).max() <= 0.5


def test_a_long_image_shrinks_along_one_axis_and_grows_along_the_other() -> None:
    rgb = photo(8, (112, 896))
    means = rgb.reshape(112, 224, 4, 3).astype(float).mean(axis=2)
    grown = cv2.resize(np.rint(means).astype(np.uint8), (224, 224), interpolation=cv2.INTER_CUBIC)
    assert np.abs(Frame.load(rgb).bgr[..., ::-1].astype(int) - grown).max() <= 1
    np.testing.assert_array_equal(Frame.load(rgb.transpose(1, 0, 2)).bgr, Frame.load(rgb).bgr.transpose(1, 0, 2))


def test_growing_is_cubic() -> None:
    rgb = photo(9, 112)
    padded = np.pad(rgb.astype(float), ((2, 2), (2, 2), (0, 0)), mode="edge")
    near = np.array([-0.03515625, 0.26171875, 0.87890625, -0.10546875])  # Keys' kernel at a = -0.75, a quarter off
    rows = np.zeros((224, 116, 3))
    for phase, weights, first in ((0, near, 0), (1, near[::-1], 1)):
        rows[phase::2] = sum(weight * padded[first + tap : first + tap + 112] for tap, weight in enumerate(weights))
    both = np.zeros((224, 224, 3))
    for phase, weights, first in ((0, near, 0), (1, near[::-1], 1)):
        both[:, phase::2] = sum(weight * rows[:, first + tap : first + tap + 112] for tap, weight in enumerate(weights))
    assert np.abs(Frame.load(rgb).bgr[..., ::-1] - np.clip(both, 0, 255)).max() <= 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(height=st.integers(32, 700), width=st.integers(32, 700), value=st.integers(0, 255))
def test_a_flat_image_stays_flat_at_any_size(height: int, width: int, value: int) -> None:
    frame = Frame.load(np.full((height, width, 3), (value, 255 - value, 7), np.uint8))
    assert (frame.bgr == (7, 255 - value, value)).all()


# Planes


def test_planes_follow_bt601() -> None:
    frame = Frame.load(photo(10))
    blue, green, red = np.moveaxis(frame.bgr.astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cr, cb = (red - luma) * 0.713 + 128, (blue - luma) * 0.564 + 128
    for plane, expected in zip(frame.planes, (luma, cr, cb), strict=True):
        assert plane.dtype == np.uint8
        assert np.abs(plane - expected.clip(0, 255)).max() <= 1
    np.testing.assert_array_equal(frame.luma_float, frame.luma)
    assert frame.luma_float.dtype == np.float32


PLANES = [name for name in dir(Frame) if not name.startswith("_") and name not in ("load", "mirrored", "of")]


@pytest.mark.parametrize("name", PLANES)
def test_planes_are_computed_once_and_kept(name: str) -> None:
    frame = Frame.load(photo(11))
    assert getattr(frame, name) is getattr(frame, name)


def test_measuring_leaves_pixels_and_planes_as_they_are() -> None:
    frame, fresh = Frame.load(photo(12)), Frame.load(photo(12))
    feature_set("fast").compute(frame)
    np.testing.assert_array_equal(frame.bgr, fresh.bgr)
    for name in PLANES:
        _assert_same(getattr(frame, name), getattr(fresh, name))


def _assert_same(one: object, other: object) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    np.testing.assert_equal(one, other)


def test_one_thread_is_used() -> None:
    assert cv2.getNumThreads() == 1


@pytest.mark.realdata
def test_real_faces_are_read_as_they_are(deepfake_faces: Path) -> None:
    archive = open_archive(str(deepfake_faces))
    for name in [name for name in archive.namelist() if name.endswith(".jpg")][:50]:
        frame = Frame.load(f"{deepfake_faces}!/{name}")
        expected = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
        assert expected is not None
        assert np.abs(frame.bgr.astype(int) - expected).max() <= 2
