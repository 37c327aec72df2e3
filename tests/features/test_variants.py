"""Variants: perturbed copies that training may see."""

import cv2
import numpy as np
import pytest

from features.decode import Pixels
from features.errors import UnknownNameError
from features.frame import WORKING_SIZE, Frame
from features.profiles import feature_set
from features.variants import VARIANTS, check_variant, vary
from tests.images import photo

SHA256 = "0" * 63 + "1"
OTHERS = [f"{number:064x}" for number in range(2, 42)]
RANDOM = sorted(set(VARIANTS) - {"mirror"})


def likeness(one: Pixels, other: Pixels) -> float:
    """The better correlation of an image's middle with another's and with that of its mirror image."""
    middle = slice(40, -40), slice(40, -40)
    return max(float(np.corrcoef(one[middle].ravel(), seen[middle].ravel())[0, 1]) for seen in (other, other[:, ::-1]))


def test_mirror_remembers_the_size_of_its_image() -> None:
    frame = Frame.load(photo(1, 300)[:250])
    assert frame.size == (250, 300)
    assert vary(frame, "mirror", SHA256).size == (250, 300)


def test_no_variant_is_the_frame_itself() -> None:
    frame = Frame.load(photo(1))
    assert vary(frame, "", SHA256) is frame


def test_mirror_swaps_left_and_right_whatever_the_image() -> None:
    frame = Frame.load(photo(1))
    mirrored = vary(frame, "mirror", SHA256)
    assert np.array_equal(mirrored.bgr[:, 0], frame.bgr[:, -1])
    assert np.array_equal(vary(mirrored, "mirror", OTHERS[0]).bgr, frame.bgr)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_frame_and_leaves_its_own_alone(name: str) -> None:
    frame = Frame.load(photo(2))
    before = frame.bgr.copy()
    for sha256 in (SHA256, *OTHERS):
        bgr = vary(frame, name, sha256).bgr
        assert bgr.shape == (WORKING_SIZE, WORKING_SIZE, 3)
        assert bgr.dtype == np.uint8
        assert bgr.flags.c_contiguous
        assert not np.shares_memory(bgr, frame.bgr)
    assert np.array_equal(frame.bgr, before)
    assert np.isfinite(feature_set("fast").compute(vary(frame, name, SHA256))).all()


@pytest.mark.parametrize("name", RANDOM)
def test_what_is_random_follows_from_the_image_alone(name: str) -> None:
    frame = Frame.load(photo(3))
    first = vary(frame, name, SHA256)
    vary(frame, name, OTHERS[0])
    assert np.array_equal(vary(frame, name, SHA256).bgr, first.bgr)
    made = {vary(frame, name, sha256).bgr.tobytes() for sha256 in OTHERS}
    assert len(made) == len(OTHERS)


@pytest.mark.parametrize("name", RANDOM)
def test_a_number_draws_anew(name: str) -> None:
    frame = Frame.load(photo(3))
    drawn = [vary(frame, variant, SHA256).bgr for variant in (name, f"{name}-2", f"{name}-9")]
    assert len({bgr.tobytes() for bgr in drawn}) == 3
    assert check_variant(f"{name}-2") == check_variant(name) == name


def test_no_two_variants_draw_alike() -> None:
    frame = Frame.load(photo(4))
    assert len({vary(frame, name, SHA256).bgr.tobytes() for name in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize("name", RANDOM)
def test_a_variant_still_shows_the_image(name: str) -> None:
    frame = Frame.load(np.asarray(cv2.GaussianBlur(photo(5), (0, 0), 8), dtype=np.uint8))
    alike = [likeness(vary(frame, name, sha256).bgr, frame.bgr) for sha256 in OTHERS]
    assert np.median(alike) > 0.8
    assert min(alike) > 0.3  # the largest shifts


@pytest.mark.parametrize("name", RANDOM)
def test_half_of_them_are_mirrored(name: str) -> None:
    ramp = np.tile(np.linspace(40, 210, WORKING_SIZE).astype(np.uint8), (WORKING_SIZE, 1))
    frame = Frame.load(ramp)
    mirrored = [int(bgr[100, 20, 0]) > int(bgr[100, -20, 0]) for bgr in (vary(frame, name, s).bgr for s in OTHERS)]
    assert 0.25 < np.mean(mirrored) < 0.75


def test_the_size_is_that_of_what_was_framed() -> None:
    frame = Frame.load(photo(6))
    shared = np.array([vary(frame, "shared", sha256).size for sha256 in OTHERS])
    resized = np.array([vary(frame, "resized", sha256).size for sha256 in OTHERS])
    assert (shared[:, 0] == shared[:, 1]).all()
    assert 150 < shared.min() <= WORKING_SIZE <= shared.max() < 320
    assert (shared == WORKING_SIZE).all(axis=1).mean() > 0.3  # near enough to be taken at the working size
    assert 70 < resized.min() < 150
    assert 330 < resized.max() < 600


@pytest.mark.parametrize("name", ["mirrored", "mirror-1", "mirror-22", "mirror2", "-2"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no variant '{name}'; .*mirror"):
        vary(Frame.load(photo(3)), name, SHA256)
