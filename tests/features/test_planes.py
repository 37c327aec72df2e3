"""The transforms behind the shared planes, on arrays small enough to compute by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from features.decode import Pixels
from features.planes import (
    DCT_BASIS,
    RESIDUALS,
    SQUARE3,
    SQUARE3_DIVISOR,
    area,
    block_dct,
    laplacian,
    lbp_codes,
    log_spectrum,
)
from tests.features.pictures import POSITION
from tests.images import photo


def spot(*places: tuple[int, int], value: int = 255, size: int = 224) -> Pixels:
    """A black plane with a few pixels of one value."""
    plane = np.zeros((size, size), np.uint8)
    for place in places:
        plane[place] = value
    return plane


# Spectrum


@pytest.mark.parametrize(("ky", "kx"), [(0, 30), (17, 30), (-17, 30), (111, 40), (5, 110)])
def test_a_cosine_is_a_peak_of_known_height(ky: int, kx: int) -> None:
    wave = np.cos(2 * np.pi * (ky * POSITION[0] + kx * POSITION[1]) / 224)
    spectrum = log_spectrum((128 + 100 * wave).astype(np.float32))
    assert spectrum.shape == (224, 111)
    assert spectrum.dtype == np.float32
    beside = spectrum[:, 9:]  # the mean's own peak lies in the first columns
    assert beside.argmax() == ky % 224 * 102 + kx - 10
    assert beside.max() == pytest.approx(np.log(100 / 2 * np.hanning(224).sum() ** 2), abs=1e-3)


def test_a_spectrum_is_the_logarithm_of_the_transform() -> None:
    plane = photo(0)[:112, :112, 0]
    full = np.fft.fft2(plane * np.outer(np.hanning(112), np.hanning(112)))
    found = np.exp(log_spectrum(plane).astype(float)) - 1
    np.testing.assert_allclose(found, np.abs(full[:, 1:56]), rtol=1e-5, atol=0.02)  # float32 sums of up to 4e5


def test_the_spectrum_of_nothing_is_zero() -> None:
    np.testing.assert_array_equal(log_spectrum(np.zeros((224, 224), np.uint8)), 0)


# Block DCT


def test_the_basis_is_orthonormal() -> None:
    np.testing.assert_allclose(DCT_BASIS @ DCT_BASIS.T, np.eye(8), atol=1e-6)


@pytest.mark.parametrize(("v", "u"), [(0, 0), (0, 1), (1, 0), (3, 5), (7, 7)])
def test_a_basis_block_is_one_coefficient(v: int, u: int) -> None:
    wave = np.outer(*(np.cos((2 * np.arange(8) + 1) * f * np.pi / 16) / (2 if f else 8**0.5) for f in (v, u)))
    luma = np.zeros((224, 224), np.float32)
    luma[24:32, 40:48] = 100 * wave  # block (3, 5)
    expected = np.zeros((28, 8, 28, 8))
    expected[3, v, 5, u] = 100
    np.testing.assert_allclose(block_dct(luma), expected, atol=1e-4)


def test_energy_is_kept() -> None:
    luma = photo(1)[..., 1].astype(np.float32)
    assert np.sum(block_dct(luma).astype(float) ** 2) == pytest.approx(np.sum(luma.astype(float) ** 2), rel=1e-6)


# Residuals


def test_residuals_of_one_pixel_are_their_kernels() -> None:
    plane = spot((100, 50), value=200)
    around = np.s_[99:102, 49:52]
    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    for residual, kernel in (
        (laplacian(plane), cross),
        (RESIDUALS["square3"](plane), SQUARE3),
        (RESIDUALS["median"](plane), cross == -4),
    ):
        assert residual.dtype == np.int16
        np.testing.assert_array_equal(residual[around], 200 * kernel)
        assert np.count_nonzero(residual) == np.count_nonzero(kernel)


def test_square3_is_the_published_kernel() -> None:
    kernel, divisor = SQUARE3, SQUARE3_DIVISOR
    assert kernel.tolist() == [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
    assert divisor == 4


def test_linear_filters_reflect_the_border_without_repeating_it() -> None:
    np.testing.assert_array_equal(laplacian(spot((0, 1)))[0, :3], np.array([2, -4, 1]) * 255)
    np.testing.assert_array_equal(RESIDUALS["square3"](spot((1, 1), value=1))[:2, :2], [[-4, 4], [4, -4]])


def test_the_median_repeats_the_border() -> None:
    row = spot((0, 4), (0, 5), (0, 6))
    assert RESIDUALS["median"](row)[0, 5] == 0  # six of nine are white; reflected, it would be three
    assert RESIDUALS["median"](row)[0, 4] == 255


def test_the_strongest_residuals_do_not_wrap() -> None:
    board = (255 * (POSITION.sum(axis=0) % 2)).astype(np.uint8)
    assert set(np.unique(laplacian(board))) == {-1020, 1020}
    assert set(np.unique(RESIDUALS["square3"](board))) == {-2040, 2040}
    assert RESIDUALS["median"](spot((5, 5))).max() == 255
    assert RESIDUALS["median"](255 - spot((5, 5))).min() == -255


# Local binary patterns

CLOCKWISE = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]


@pytest.mark.parametrize("bit", range(8))
def test_one_neighbour_is_one_bit(bit: int) -> None:
    square = np.full((3, 3), 4, np.uint8)
    square[1, 1] = 5
    square[CLOCKWISE[bit]] = 5
    np.testing.assert_array_equal(lbp_codes(square), [[1 << bit]])


def test_equal_neighbours_count() -> None:
    np.testing.assert_array_equal(lbp_codes(np.full((4, 6), 9, np.uint8)), np.full((2, 4), 255))


def test_codes_depend_on_order_only_and_have_no_border() -> None:
    plane = np.array([[10, 20, 30, 255], [40, 25, 25, 0], [0, 24, 26, 25]], np.uint8)
    np.testing.assert_array_equal(lbp_codes(plane), [[0b10011100, 0b10110110]])


# Area averages


@settings(max_examples=50, deadline=None, derandomize=True)
@given(plane=arrays.arrays(np.uint8, (32, 32), elements=st.integers(0, 255)))
def test_halving_averages_four_pixels_and_rounds_half_up(plane: Pixels) -> None:
    sums = plane.astype(int).reshape(16, 2, 16, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(area(plane, 16), (sums + 2) // 4)
