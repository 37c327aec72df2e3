"""Coefficient statistics, first digits and grid phase, on blocks made to measure."""

from math import log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frame import Frame
from tests.features.pictures import POSITION, frame_with, grey, measure

ROW = np.array([1, -1, -1, 1, 1, -1, -1, 1])  # the wave of u = 4: a coefficient of 8 where it is 1 high
ZIGZAG = ["v0u1", "v1u0", "v2u0", "v1u1", "v0u2", "v0u3", "v1u2", "v2u1", "v3u0"]


def blocks_of(square: npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.tile(square, (28, 28))


def with_coefficients(coefficients: npt.ArrayLike) -> Frame:
    """A frame in each of whose blocks all 64 coefficients are equal; the blocks run through the given ones."""
    values = np.resize(np.asarray(coefficients, np.float32), (28, 28))
    return frame_with(dct=np.ascontiguousarray(np.broadcast_to(values[:, None, :, None], (28, 8, 28, 8))))


# Moments


def test_moments_of_one_coefficient() -> None:
    values = measure("dct.moments", grey(100 + blocks_of(ROW * np.ones((8, 1)))))
    assert values["log_mean.v0u4"] == pytest.approx(log(8.01), abs=1e-5)
    assert values["log_square.v0u4"] == pytest.approx(log(64.01), abs=1e-5)
    assert values["zeros.v0u4"] == 0
    assert values["log_mean.v4u0"] == pytest.approx(log(0.01), abs=1e-2)
    assert values["zeros.v4u0"] == 1


def test_moments_average_over_blocks() -> None:
    values = measure("dct.moments", with_coefficients([0, -2, 0, 4]))
    assert len(values) == 189
    for name in ("v0u1", "v7u7", "v3u2"):
        assert values[f"log_mean.{name}"] == pytest.approx(log(1.51), rel=1e-5)
        assert values[f"log_square.{name}"] == pytest.approx(log(5.01), rel=1e-5)
        assert values[f"zeros.{name}"] == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_a_coefficient_of_one_half_is_a_zero_on_any_machine(seed: int) -> None:
    """Coefficients of 4 by 0, 0 by 4 and 4 by 4 are eighths of integers: float32 must not decide about 4 eighths."""
    plane = 100 + 30 * seed + np.random.default_rng(seed).integers(-1, 2, (224, 224))
    values = measure("dct.moments", grey(plane))
    cells = plane.reshape(28, 8, 28, 8)
    for name, down, across in (("v0u4", ROW**2, ROW), ("v4u0", ROW, ROW**2), ("v4u4", ROW, ROW)):
        eighths = np.abs(np.einsum("yaxb,a,b", cells, down, across))
        assert (eighths == 4).sum() > 10
        assert values[f"zeros.{name}"] == pytest.approx((eighths <= 4).mean())


# First digits


def benford(coefficients: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = measure("dct.benford", with_coefficients(coefficients))
    assert list(values) == [f"{kind}.{place}" for kind in ("kl", "renyi", "tsallis") for place in ZIGZAG]
    table = np.reshape(list(values.values()), (3, 9))
    assert (np.ptp(table, axis=1) < 1e-6).all()  # all coefficients are equal here
    return table[:, 0]


def test_digits_that_follow_the_law_lie_close_to_it() -> None:
    counts = np.rint(784 * np.log10(1 + 1 / np.arange(1, 10))).astype(int)
    lawful = benford(np.repeat(np.arange(1, 10), counts)[:784])
    lawless = benford(np.repeat([5, 9], 392))
    assert (lawful >= 0).all()
    assert (lawful < 0.005).all()
    assert (lawless > 50 * lawful).all()


@pytest.mark.parametrize("ones", [784, 80])
def test_divergences_of_one_digit_are_computed_directly(ones: int) -> None:
    p = np.array([ones + 0.5, *[0.5] * 8]) / (ones + 4.5)
    laws = [[log(1 + 1 / (a + m**b)) for m in range(1, 10)] for b in np.linspace(0.4, 2.4, 11) for a in (-0.5, 0, 0.5)]
    q = min((np.array(law) / sum(law) for law in laws), key=lambda law: float(((law - p) ** 2).sum()))
    there, back = sum(p**0.3 * q**0.7), sum(q**0.3 * p**0.7)
    kl = sum(p * np.log(p / q)) + sum(q * np.log(q / p))
    expected = [kl, -log(there * back) / 0.7, (2 - there - back) / 0.7]
    zeros = [0.4] * (784 - ones)  # a zero has no digit
    np.testing.assert_allclose(benford([*zeros, *[1] * ones]), expected, rtol=1e-5)


@pytest.mark.parametrize("same", [[30, 70], [-3, -7], [31, 79], [3.4, 6.6], [3, 7, 3, 7]])
def test_only_first_digits_of_rounded_magnitudes_matter(same: list[float]) -> None:
    np.testing.assert_array_equal(benford(same), benford([3, 7]))


@pytest.mark.parametrize(("value", "digit"), [(0.6, 1), (1.5, 2), (2.5, 2), (9.6, 1), (99.6, 1), (254.4, 2)])
def test_magnitudes_round_half_to_even(value: float, digit: int) -> None:
    np.testing.assert_array_equal(benford([value]), benford([digit]))


@pytest.mark.parametrize("large", [254.6, 255, -300, 2040])
def test_magnitudes_of_255_and_more_do_not_count(large: float) -> None:
    np.testing.assert_array_equal(benford([3, 7, large]), benford([3, 7, 0]))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(coefficients=st.lists(st.integers(-2040, 2040), min_size=1, max_size=200))
def test_divergences_are_never_negative(coefficients: list[int]) -> None:
    assert (benford(coefficients) >= 0).all()


# Grid phase


@pytest.mark.parametrize("shift", range(8))
def test_steps_on_the_grid_show_at_their_phase(shift: int) -> None:
    stripes = 100 + 10 * (((POSITION[1] - shift) // 8) % 2)
    values = measure("dct.grid_phase", grey(stripes))
    edges = 28 if shift else 27 + 1  # on the grid itself the last edge stands for the missing one
    logs = np.full(8, log(0.01))
    logs[(shift - 1) % 8] = log(10 * edges / 28 + 0.01)
    np.testing.assert_allclose([values[f"h.p{phase}"] for phase in range(8)], logs - logs.mean(), atol=1e-5)
    assert {values[f"v.p{phase}"] for phase in range(8)} == {0}


def test_across_and_down_change_places() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (224, 224))
    one, other = measure("dct.grid_phase", grey(plane)), measure("dct.grid_phase", grey(plane.T))
    for phase in range(8):
        assert one[f"h.p{phase}"] == pytest.approx(other[f"v.p{phase}"], abs=1e-6)
