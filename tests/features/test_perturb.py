"""Perturbations, by pixels that can be worked out by hand."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from features.decode import Pixels
from features.perturb import blur, double_jpeg, jpeg, noise, reframe, rescale, screenshot, tone, webp
from tests.images import photo

PERTURBATIONS: dict[str, Callable[[Pixels], Pixels]] = {
    "jpeg": lambda bgr: jpeg(bgr, 60),
    "double_jpeg": lambda bgr: double_jpeg(bgr, 70, 60),
    "webp": lambda bgr: webp(bgr, 60),
    "screenshot": lambda bgr: screenshot(bgr, 0.7, 0.5, 80),
    "rescale": lambda bgr: rescale(bgr, 40),
    "blur": lambda bgr: blur(bgr, 1.5),
    "noise": lambda bgr: noise(bgr, 5.0, np.random.default_rng(1)),
    "tone": lambda bgr: tone(bgr, 10, 1.2, 0.8),
    "reframe": lambda bgr: reframe(bgr, 1.2, 0.1, -0.1),
}


def flat(*bgr: int, size: tuple[int, int] = (48, 64)) -> Pixels:
    return np.full((*size, 3), bgr, np.uint8)


def ramp() -> Pixels:
    """(48, 64, 3) whose samples tell where they are: column, row, and both."""
    y, x = np.mgrid[0:48, 0:64]
    return np.dstack([x, y, x + y]).astype(np.uint8)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_same_size_same_result_and_the_image_is_left_alone(name: str) -> None:
    image = photo(1, (90, 120))
    before = image.copy()
    first, second = PERTURBATIONS[name](image), PERTURBATIONS[name](image)
    assert np.array_equal(first, second)
    assert np.array_equal(image, before)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert not np.array_equal(first, image)


@pytest.mark.parametrize("name", sorted(set(PERTURBATIONS) - {"noise", "tone"}))
def test_a_flat_image_stays_flat(name: str) -> None:
    assert np.abs(PERTURBATIONS[name](flat(90, 120, 150)).astype(int) - (90, 120, 150)).max() <= 3


def test_jpeg_loses_more_at_lower_quality_and_keeps_the_channels_in_order() -> None:
    image = photo(2)
    errors = [np.abs(jpeg(image, quality).astype(int) - image).mean() for quality in (95, 75, 40, 10)]
    assert errors == sorted(errors)
    assert 0 < errors[0] < errors[-1]


def test_jpeg_samples_chroma_as_told() -> None:
    stripes = flat(200, 60, 60)
    stripes[:, ::2] = (60, 60, 200)  # nearly one luma, chroma alternates by pixel columns
    kept = np.ptp(jpeg(stripes, 95, chroma="444")[:, :, 0], axis=1).min()
    assert kept > 100
    assert np.ptp(jpeg(stripes, 95, chroma="422")[:, :, 0], axis=1).max() < kept / 2
    down = np.ascontiguousarray(stripes[:, :48].transpose(1, 0, 2))  # 4:2:2 halves columns only
    assert np.ptp(jpeg(down, 95, chroma="422")[:, :, 0], axis=0).min() > 100
    assert np.ptp(jpeg(down, 95)[:, :, 0], axis=0).max() < 50


def test_rescale_averages_what_it_shrinks() -> None:
    image = flat(0, 0, 0, size=(64, 64))
    image[:, 1::2] = 200
    assert np.array_equal(rescale(image, 32), flat(100, 100, 100, size=(64, 64)))


def test_rescale_counts_the_longer_side_and_keeps_the_shape() -> None:
    image = flat(0, 0, 0, size=(32, 64))
    image[::2] = 200
    assert np.array_equal(rescale(image, 32), flat(100, 100, 100, size=(32, 64)))
    assert rescale(image, 5).shape == (32, 64, 3)


def test_rescale_to_its_own_size_changes_nothing() -> None:
    image = photo(3, (90, 120))
    assert np.array_equal(rescale(image, 120), image)


def test_rescale_up_and_back_nearly_restores() -> None:
    image = photo(4, 64)
    assert np.abs(rescale(image, 128).astype(int) - image).mean() < 3


def test_blur_spreads_a_line_by_its_sigma() -> None:
    line = flat(0, 0, 0, size=(33, 65))
    line[:, 32] = 255
    weights = blur(line, 2.0)[16, :, 0].astype(float)
    spread = np.sqrt((weights * (np.arange(65) - 32) ** 2).sum() / weights.sum())
    assert spread == pytest.approx(2.0, abs=0.1)


def test_blur_of_nothing_is_the_image() -> None:
    image = photo(5, 64)
    assert np.array_equal(blur(image, 0), image)


def test_noise_has_the_deviation_asked_for_and_depends_on_its_generator() -> None:
    image = flat(128, 128, 128, size=(224, 224))
    grain = noise(image, 6.0, np.random.default_rng(7)).astype(float) - 128
    assert grain.std() == pytest.approx(6.0, rel=0.02)
    assert abs(grain.mean()) < 0.1
    assert abs(np.corrcoef(grain[..., 0].ravel(), grain[..., 1].ravel())[0, 1]) < 0.02
    assert not np.array_equal(noise(image, 6.0, np.random.default_rng(8)), noise(image, 6.0, np.random.default_rng(7)))


def test_noise_is_clipped_not_wrapped() -> None:
    white = noise(flat(255, 255, 255), 3.0, np.random.default_rng(0))
    assert white.min() > 200


@pytest.mark.parametrize(
    ("settings", "bgr"),
    [
        ({}, (100, 150, 200)),
        ({"brightness": 20}, (120, 170, 220)),
        ({"brightness": -120}, (0, 30, 80)),
        ({"contrast": 2.0}, (72, 172, 255)),  # 127.5 + 2 * (100 - 127.5) = 72.5, to even
        ({"saturation": 0.0}, (159, 159, 159)),  # 0.114 * 100 + 0.587 * 150 + 0.299 * 200 = 159.25
        ({"saturation": 1.4}, (76, 146, 216)),  # 159.25 + 1.4 * (100 - 159.25) = 76.3
        ({"brightness": 10, "contrast": 0.5, "saturation": 0.0}, (153, 153, 153)),
    ],
)
def test_tone_by_hand(settings: dict[str, float], bgr: tuple[int, int, int]) -> None:
    assert np.array_equal(tone(flat(100, 150, 200), **settings), flat(*bgr))


def test_reframe_by_nothing_changes_nothing() -> None:
    assert np.array_equal(reframe(ramp(), 1.0), ramp())


def test_reframe_shifts_by_shares_of_a_side_and_mirrors_what_is_outside() -> None:
    image = ramp()
    moved = reframe(image, 1.0, 0.125, -0.25)  # 8 columns to the right, 12 rows up
    assert np.array_equal(moved[12:, :56], image[:36, 8:])
    assert np.array_equal(moved[11, :56], image[1, 8:])
    assert np.array_equal(moved[12:, 56], image[:36, 62])


def test_reframe_to_half_shows_the_middle_enlarged() -> None:
    image = ramp()
    grown = cv2.resize(image[12:36, 16:48], (64, 48), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(reframe(image, 0.5), grown)


def test_reframe_to_twice_shows_the_image_reduced_within_its_mirror() -> None:
    image = ramp()
    wide = reframe(image, 2.0)
    assert np.array_equal(wide[12:36, 16:48], cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA))
    around = np.pad(image, ((24, 24), (32, 32), (0, 0)), mode="reflect")
    assert np.array_equal(wide, cv2.resize(around, (64, 48), interpolation=cv2.INTER_AREA))


def apart(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_the_second_jpeg_lies_on_another_grid() -> None:
    image = photo(2, 96)
    once = jpeg(image, 30)
    assert apart(jpeg(once, 30), once) < 0.5  # the same grid and table: hardly anything is left to lose
    assert apart(double_jpeg(image, 30, 30), once) > 1


def test_less_quality_loses_more() -> None:
    image = photo(3, 96)
    assert apart(webp(image, 95), image) < apart(webp(image, 40), image) < apart(webp(image, 5), image)


def test_a_screenshot_sharpens_and_loses_what_the_screen_cannot_show() -> None:
    edge = np.where(np.arange(64) < 32, 60, 190).astype(np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(edge[None, :, None], (64, 64, 3)))
    assert screenshot(image, 1.0, 0.8, 95).max() > 200  # beyond the edge: sharpening overshoots
    fine = photo(4, 96)
    assert apart(screenshot(fine, 0.4, 0.0, 95), fine) > apart(screenshot(fine, 0.8, 0.0, 95), fine)
