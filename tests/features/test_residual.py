"""Co-occurrence, moments, correlations and neighbouring-pixel relations of residuals computed by hand."""

from math import log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frame import Frame
from tests.features.pictures import BLOCKS, POSITION, frame_with, grey, measure
from tests.images import photo

STRIDE = 5  # every fifth row and column is counted
WINDOWS = 2 * len(range(0, 224, STRIDE)) * 221  # of four neighbours
MIDDLE = 112 * 224  # samples of the middle half


def with_residual(plane: npt.ArrayLike) -> Frame:
    """A frame both of whose residual planes are the given one, (224, 224)."""
    whole = np.ascontiguousarray(np.broadcast_to(plane, (224, 224)), np.int16)
    return frame_with(residuals={"square3": whole, "median": whole})


def cooccurrence(plane: npt.ArrayLike) -> dict[str, float]:
    """The values of co-occurrence that are not zero."""
    values = measure("residual.cooccurrence", with_residual(plane))
    return {name.removeprefix("square3."): value for name, value in values.items() if value}


def spot(value: int, *place: int) -> npt.NDArray[np.int16]:
    plane = np.zeros((224, 224), np.int16)
    plane[place] = value
    return plane


# Co-occurrence


def test_the_classes_are_those_of_sign_and_direction() -> None:
    names = [name.removeprefix("square3.") for name in measure("residual.cooccurrence", frame_with())]
    assert len(names) == len(set(names)) == 169
    flip = str.maketrans("01234", "43210")
    for name in names:
        assert name == min(name, name[::-1], name.translate(flip), name[::-1].translate(flip))


def test_nothing_but_zeros_is_one_class() -> None:
    assert cooccurrence(0) == {"2222": 1}


@pytest.mark.parametrize(
    ("residual", "level"),
    [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 1),
        (6, 2),
        (7, 2),
        (11, 2),
        (500, 2),
        (1016, 2),
        (1020, 2),
        (1024, 2),
        (2040, 2),
    ],
)
def test_residuals_are_divided_rounded_half_to_even_then_truncated(residual: int, level: int) -> None:
    name = str(2 - level) * 4  # a sign and its opposite are one class
    assert cooccurrence(residual) == {name: 1}
    assert cooccurrence(-residual) == {name: 1}


def test_opposite_extremes_are_not_the_same_level() -> None:
    rows = np.where(POSITION[0] % 4 < 2, 2040, -2040)  # down: 2 2 -2 -2; across: constant
    found = cooccurrence(rows)
    assert found["0000"] == pytest.approx(0.5)
    assert set(found) == {"0000", "0044", "0440"}


def test_one_pixel_is_counted_in_every_window_that_holds_it() -> None:
    found = cooccurrence(spot(8, 0, 120))  # four windows across, one down
    assert found["0222"] == pytest.approx(3 / WINDOWS)
    assert found["2022"] == pytest.approx(2 / WINDOWS)
    assert found["2222"] == pytest.approx(1 - 5 / WINDOWS)
    assert len(found) == 3


def test_the_rows_and_columns_between_are_left_out() -> None:
    assert cooccurrence(spot(8, 61, 61)) == {"2222": 1}
    assert cooccurrence(spot(8, 60, 61))["0222"] == pytest.approx(2 / WINDOWS)
    assert cooccurrence(spot(8, 61, 60))["0222"] == pytest.approx(2 / WINDOWS)


def test_four_neighbours_keep_their_order() -> None:
    plane = spot(8, 60, 60)
    plane[59, 60], plane[61, 60] = 4, -4  # down column 60: 0 0 0 1 2 -1 0 0 0; across row 60: 0 0 0 2 0 0 0
    windows = {"2222", "2223", "2234", "2341", "3412", "4122", "1222"} | {"2224", "2242", "2422", "4222"}
    flip = str.maketrans("01234", "43210")
    assert set(cooccurrence(plane)) == {
        min(window, window[::-1], window.translate(flip), window[::-1].translate(flip)) for window in windows
    }


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1, 4, 30, 800]))
def test_co_occurrence_sums_to_one_and_ignores_sign_and_direction(seed: int, scale: int) -> None:
    plane = np.rint(np.random.default_rng(seed).normal(0, scale, (224, 224))).clip(-2040, 2040).astype(np.int16)
    found = cooccurrence(plane)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert cooccurrence(-plane) == found
    assert cooccurrence(plane.T) == found


# Moments and autocorrelation


def test_moments_of_a_constant_residual() -> None:
    values = measure("residual.moments", with_residual(-3))
    for plane in ("square3", "median"):
        assert values[f"{plane}.log_mean"] == pytest.approx(log(3.01))
        assert values[f"{plane}.log_variance"] == pytest.approx(log(9.01))
        assert values[f"{plane}.log_kurtosis"] == pytest.approx(log(81.01 / 9.01**2), rel=1e-4)
        assert values[f"{plane}.zeros"] == 0


def test_moments_of_a_sparse_residual() -> None:
    values = measure("residual.moments", with_residual(np.where(POSITION[1] % 4 == 0, 8, 0)))
    assert values["median.log_mean"] == pytest.approx(log(2.01))
    assert values["median.log_variance"] == pytest.approx(log(16.01))
    assert values["median.log_kurtosis"] == pytest.approx(log(1024.01 / 16.01**2))
    assert values["median.zeros"] == pytest.approx(0.75)


def test_an_alternating_residual_is_correlated_with_itself_at_even_lags() -> None:
    values = measure("residual.moments", with_residual(1 - 2 * (POSITION[1] % 2)))
    for lag in (1, 2, 8):
        sign = -1 if lag % 2 else 1
        assert values[f"median.lag{lag}h"] == pytest.approx(sign * (MIDDLE - lag) / MIDDLE, abs=1e-6)
        assert values[f"median.lag{lag}v"] == pytest.approx((MIDDLE - 224 * lag) / MIDDLE, abs=1e-6)


def test_autocorrelation_sees_the_middle_half_alone() -> None:
    stripes = np.where(POSITION[0] % 2, 9, -9)
    outside = (POSITION[0] < 56) | (POSITION[0] >= 168)
    one, other = (measure("residual.moments", with_residual(np.where(outside, x, stripes))) for x in (0, 5))
    for lag in (1, 2, 8):
        for way in "hv":
            assert one[f"median.lag{lag}{way}"] == other[f"median.lag{lag}{way}"] != 0
    assert one["median.log_mean"] != other["median.log_mean"]


def test_the_strongest_residuals_of_an_image() -> None:
    values = measure("residual.moments", grey(255 * (POSITION.sum(axis=0) % 2)))
    assert values["square3.log_mean"] == pytest.approx(log(2040.01), abs=1e-5)
    assert values["square3.zeros"] == 0


# Correlation of channels


def test_channels_that_move_together_and_apart() -> None:
    half = np.random.default_rng(0).integers(0, 256, (112, 112)).astype(np.uint8)
    values = measure("residual.channels", frame_with(pyramid=(half, half, half), chroma=(half, 255 - half)))
    assert list(values) == ["y_cr", "y_cb", "cr_cb"]
    np.testing.assert_allclose(list(values.values()), [1, -1, -1], atol=1e-5)


def test_a_grey_image_has_no_chroma_to_correlate() -> None:
    assert set(measure("residual.channels", grey(photo(0)[..., 0])).values()) == {0}


# Neighbouring-pixel relations


def test_relations_of_a_cell() -> None:
    values = measure("residual.npr", grey(np.tile([[10, 13], [14, 19]], (112, 112))))
    for plane, residual in (("p01", 3), ("p10", 4), ("p11", 9), ("haar_hh", 2)):
        assert values[f"{plane}.log_mean"] == pytest.approx(log(residual + 0.01))
        assert values[f"{plane}.log_variance"] == pytest.approx(log(residual**2 + 0.01))
        assert values[f"{plane}.zeros"] == 0


def test_an_image_enlarged_by_repetition_has_no_relations() -> None:
    small = np.random.default_rng(0).integers(0, 256, (112, 112))
    values = measure("residual.npr", grey(small.repeat(2, axis=0).repeat(2, axis=1)))
    assert {value for name, value in values.items() if name.endswith("zeros")} == {1}


# Brightness


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), more=st.integers(1, 100))
@pytest.mark.parametrize("name", [name for name in BLOCKS if name.startswith("residual.")])
def test_residuals_do_not_see_brightness(name: str, seed: int, more: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 156, (224, 224, 3)).astype(np.uint8)
    assert measure(name, rgb) == measure(name, rgb + np.uint8(more))
