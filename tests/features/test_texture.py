"""Local binary patterns and co-occurring grey levels of planes whose patterns are known."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.pictures import POSITION, frame_with, grey, measure
from tests.images import photo

PLANES = ("y1", "y2", "y4", "cr", "cb")
UNIFORM = sorted({(2**ones - 1) * (2**turn) % 255 for ones in range(1, 8) for turn in range(8)} | {0, 255})
"""Codes with at most two changes around the ring: runs of ones, turned; 58 of them."""


def present(values: Mapping[str, float], start: str) -> dict[str, float]:
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start) and value}


# Uniform patterns


def test_a_flat_image_is_one_pattern() -> None:
    values = measure("texture.lbp", grey(np.full((224, 224), 50)))
    assert len(values) == 5 * 59
    for plane in PLANES:
        assert present(values, plane) == {".u57": 1}
    assert set(present(measure("texture.lbp_grid", grey(np.full((224, 224), 50))), "y1.ri8.").values()) == {1}


@pytest.mark.parametrize(
    ("plane", "code"),
    [
        (POSITION[1], 0b00111110),
        (255 - POSITION[1], 0b11100011),
        (POSITION[0], 0b11111000),
        (255 - POSITION[0], 0b10001111),
    ],
)
def test_a_ramp_is_the_run_of_its_brighter_neighbours(plane: npt.NDArray[np.int64], code: int) -> None:
    assert len(UNIFORM) == 58
    for scale in ("y1", "y2", "y4"):
        found = present(measure("texture.lbp", grey(plane)), scale)
        assert found == {f".u{UNIFORM.index(code):02d}": 1}
    found = present(measure("texture.lbp_grid", grey(plane)), "y1.")
    assert found == {f"ri{code.bit_count()}.r{row}c{column}": 1 for row in range(4) for column in range(4)}


def test_patterns_that_are_not_uniform_share_the_last_bin() -> None:
    board = grey(100 + POSITION.sum(axis=0) % 2)  # a bright centre sees its corners only: 0b01010101
    found = present(measure("texture.lbp", board), "y1")
    assert found == {".u57": 0.5, ".u58": 0.5}
    shares = present(measure("texture.lbp_grid", board), "y1.ri9").values()
    assert list(shares) == pytest.approx([0.5] * 16, abs=0.01)  # cells of 27 or 28 by 55 or 56 centres


def test_chroma_has_patterns_of_its_own() -> None:
    rgb = np.full((224, 224, 3), 128, np.uint8)
    rgb[..., 0] = POSITION[1]
    values = measure("texture.lbp", rgb)
    ramp = UNIFORM.index(0b00111110)
    assert values[f"cr.u{ramp:02d}"] > 0.5 > values[f"cb.u{ramp:02d}"]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(levels=st.sets(st.integers(0, 255), min_size=64, max_size=64), seed=st.integers(0, 100))
def test_patterns_are_invariant_to_monotone_maps(levels: set[int], seed: int) -> None:
    plane = np.random.default_rng(seed).integers(0, 64, (224, 224))
    mapped = np.array(sorted(levels))[plane]
    for name in ("texture.lbp", "texture.lbp_grid"):
        one, other = measure(name, grey(plane)), measure(name, grey(mapped))
        assert present(one, "y1.") == present(other, "y1.")


# Cells


@pytest.mark.parametrize(("plane", "step"), [("y1", 1), ("y2", 2)])
def test_a_change_shows_in_its_cell_alone(plane: str, step: int) -> None:
    flat, marked = np.full((224, 224), 100), np.full((224, 224), 100)
    marked[60 + 10 * step : 60 + 12 * step, 120:140] = 200  # rows 56 to 112, columns 112 to 168: cell r1c2
    before, after = (measure("texture.lbp_grid", grey(pixels)) for pixels in (flat, marked))
    changed = {name for name in before if name.startswith(plane) and before[name] != after[name]}
    assert changed
    assert {name.split(".")[2] for name in changed} == {"r1c2"}


def test_cells_hold_the_inner_pixels_only() -> None:
    plane = np.full((224, 224), 100)
    plane[21, 30] = plane[80, 80] = (
        90  # lower than its neighbours: its own pattern stays, each of the eight loses a bit
    )
    values = measure("texture.lbp_grid", grey(plane))
    assert values["y1.ri7.r0c0"] == pytest.approx(2 / (28 * 55))  # rows 1, 3, ... 55; 21 holds two of the eight
    assert values["y1.ri7.r1c1"] == pytest.approx(6 / (28 * 56))  # rows 57, 59, ... 111; 79 and 81 hold three each


@pytest.mark.parametrize("name", ["texture.lbp", "texture.lbp_grid"])
def test_histograms_sum_to_one(name: str) -> None:
    values = measure(name, photo(0))
    bins = np.reshape(list(values.values()), (-1, 59 if name == "texture.lbp" else 10))
    np.testing.assert_allclose(bins.sum(axis=1), 1, atol=1e-6)
    assert (bins >= 0).all()


def test_a_mirror_image_has_mirrored_cells() -> None:
    one, other = (measure("texture.lbp_grid", rgb) for rgb in (photo(1), photo(1)[:, ::-1]))
    for name, value in one.items():
        cell = name[-4:]
        assert other[name.replace(cell, f"{cell[:3]}{3 - int(cell[3])}")] == value


# Grey-level co-occurrence


def glcm(quarter: npt.ArrayLike) -> dict[str, float]:
    plane = np.asarray(quarter, np.uint8)
    return measure("texture.glcm", frame_with(pyramid=(plane, plane, plane)))


def test_a_flat_image_is_fully_correlated() -> None:
    values = glcm(np.full((56, 56), 200))
    assert len(values) == 16
    for offset in ("h1", "v1", "h2", "v2"):
        assert [values[f"{offset}.{name}"] for name in ("contrast", "correlation", "energy", "homogeneity")] == [
            0,
            1,
            1,
            1,
        ]


def test_stripes_differ_at_one_and_agree_at_two() -> None:
    values = glcm(16 * 3 * (POSITION[1, :56, :56] % 2))  # levels 0 and 3
    assert values["h1.contrast"] == 9
    assert values["h1.correlation"] == pytest.approx(-1)
    assert values["h1.energy"] == pytest.approx(sqrt(0.5))
    assert values["h1.homogeneity"] == pytest.approx(0.1)
    for offset in ("v1", "h2", "v2"):
        assert values[f"{offset}.contrast"] == 0
        assert values[f"{offset}.correlation"] == pytest.approx(1)
        assert values[f"{offset}.energy"] == pytest.approx(sqrt(0.5))
        assert values[f"{offset}.homogeneity"] == 1


def test_sixteen_greys_are_told_apart() -> None:
    assert glcm(np.where(POSITION[1, :56, :56] % 2, 15, 0))["h1.contrast"] == 0
    assert glcm(np.where(POSITION[1, :56, :56] % 2, 16, 15))["h1.contrast"] == 1
    assert glcm(np.where(POSITION[0, :56, :56] % 2, 255, 0))["v1.contrast"] == 225


def test_levels_are_those_of_luma_at_a_quarter_of_the_size() -> None:
    values = measure("texture.glcm", grey(255 * (POSITION[1] // 4 % 2)))
    assert values["h1.contrast"] == 225
    assert values["h2.contrast"] == 0
