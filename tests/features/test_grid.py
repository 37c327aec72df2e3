"""Cells, maps and contrasts between regions, where each value's place is known."""

from math import log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.grid import cell_means, cell_names
from tests.features.pictures import POSITION, frame_with, grey, measure
from tests.images import photo

MAPS = ("y2", "y4", "y8", "cr", "cb")


def noise_in(*places: tuple[slice, slice]) -> npt.NDArray[np.int64]:
    """Luma of 128 with noise in some rectangles."""
    plane = np.full((224, 224), 128)
    noise = np.random.default_rng(0).integers(-60, 60, (224, 224))
    for place in places:
        plane[place] += noise[place]
    return plane


# Cells


def test_cells_are_named_row_by_row() -> None:
    assert cell_names(2) == ["r0c0", "r0c1", "r1c0", "r1c1"]


def test_a_sample_on_an_edge_is_shared() -> None:
    plane = np.array([[1, 2, 3]] * 3, np.float32)
    np.testing.assert_allclose(cell_means(plane, 2), [[4 / 3, 8 / 3]] * 2, rtol=1e-6)
    np.testing.assert_allclose(cell_means(plane.T, 2), np.transpose([[4 / 3, 8 / 3]] * 2), rtol=1e-6)


def test_one_cell_a_sample_and_one_cell_for_all() -> None:
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(cell_means(plane[:, :3], 3), plane[:, :3])
    np.testing.assert_allclose(cell_means(plane, 1), [[5.5]])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(size=st.integers(1, 40), side=st.integers(1, 12), seed=st.integers(0, 1000))
def test_cells_are_averages_of_finer_samples(size: int, side: int, seed: int) -> None:
    plane = np.random.default_rng(seed).uniform(0, 255, (size, size)).astype(np.float32)
    fine = plane.astype(float).repeat(side, axis=0).repeat(side, axis=1)
    expected = fine.reshape(side, size, side, size).mean(axis=(1, 3))
    if side <= size:  # cells at least a sample wide
        np.testing.assert_allclose(cell_means(plane, side), expected, rtol=1e-4, atol=1e-3)
    assert cell_means(np.ones_like(plane), size).max() == pytest.approx(1)


# Energy


def test_a_flat_image_has_no_energy_and_no_contrast() -> None:
    values = measure("grid.energy", grey(np.full((224, 224), 77)))
    assert len(values) == 5 * 71
    for name, value in values.items():
        assert value == pytest.approx(log(0.01) if name.endswith("mean") else 0, abs=1e-6)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 3)])
def test_noise_raises_its_own_cell(row: int, column: int) -> None:
    values = measure("grid.energy", grey(noise_in(np.s_[28 * row : 28 * (row + 1), 28 * column : 28 * (column + 1)])))
    for name in ("y2", "y4", "y8"):
        cells = {cell: values[f"{name}.{cell}"] for cell in cell_names(8)}
        assert max(cells, key=lambda cell: cells[cell]) == f"r{row}c{column}"
    assert [values[f"cr.{cell}"] for cell in cell_names(8)] == pytest.approx([0] * 64, abs=1e-6)


def test_energy_is_the_mean_square_of_the_laplacian() -> None:
    half = np.full((112, 112), 100)
    half[20, 30] = 110  # r1c2: 20 * 100 over 14 * 14 samples
    values = measure("grid.energy", grey(half.repeat(2, axis=0).repeat(2, axis=1)))
    logs = np.full(64, log(0.01))
    logs[8 + 2] = log(2000 / 196 + 0.01)
    assert values["y2.mean"] == pytest.approx(logs.mean(), rel=1e-5)
    assert values["y2.std"] == pytest.approx(logs.std(), rel=1e-5)
    assert values["y2.r1c2"] == pytest.approx(logs[10] - logs.mean(), rel=1e-5)
    assert values["y2.r0c0"] == pytest.approx(logs[0] - logs.mean(), rel=1e-5)


def test_chroma_has_maps_of_its_own() -> None:
    rgb = np.full((224, 224, 3), 128, np.uint8)
    rgb[56:84, 140:168, 0] = noise_in(np.s_[56:84, 140:168])[56:84, 140:168]
    values = measure("grid.energy", rgb)
    for name in ("cr", "cb"):
        cells = {cell: values[f"{name}.{cell}"] for cell in cell_names(8)}
        assert max(cells, key=lambda cell: cells[cell]) == "r2c5"


LEFT, TOP = np.s_[:, :108], np.s_[:52, :]  # clear of the next cells, where a filter's reach would show
EYES, MOUTH = np.s_[60:80, 28:196], np.s_[144:164, 28:196]
CORE = np.s_[88:136, 88:136]


@pytest.mark.parametrize(
    ("place", "contrast", "others"),
    [
        (LEFT, "left_right", ("eyes_mouth", "top_bottom")),
        (TOP, "top_bottom", ("left_right", "eyes_mouth")),
        (EYES, "eyes_mouth", ("left_right", "top_bottom")),
        (CORE, "core_rim", ("left_right", "eyes_mouth", "top_bottom")),
        (CORE, "inner_outer", ("left_right", "eyes_mouth", "top_bottom")),
    ],
)
def test_contrasts_compare_the_regions_of_their_names(
    place: tuple[slice, slice], contrast: str, others: tuple[str, ...]
) -> None:
    values = measure("grid.energy", grey(noise_in(place)))
    assert values[f"y2.{contrast}"] > 1
    for other in others:
        assert abs(values[f"y2.{other}"]) < 1


def test_the_mouth_counts_against_the_eyes() -> None:
    assert measure("grid.energy", grey(noise_in(MOUTH)))["y2.eyes_mouth"] < -1


def test_contrasts_are_differences_of_means_over_cells() -> None:
    values = measure("grid.energy", photo(0))
    cells = np.array([values[f"y4.{cell}"] for cell in cell_names(8)]).reshape(8, 8)
    assert values["y4.left_right"] == pytest.approx(cells[:, :4].mean() - cells[:, 4:].mean(), abs=1e-5)
    assert values["y4.top_bottom"] == pytest.approx(cells[:2].mean() - cells[6:].mean(), abs=1e-5)
    assert values["y4.eyes_mouth"] == pytest.approx(cells[2, 2:6].mean() - cells[5, 2:6].mean(), abs=1e-5)
    assert cells.mean() == pytest.approx(0, abs=1e-5)
    assert cells.std() == pytest.approx(values["y4.std"], abs=1e-5)


def test_the_inner_face_is_an_upright_ellipse() -> None:
    picture = ("        ", "  ####  ", "  ####  ", " ###### ", " ###### ", "  ####  ", "  ####  ", "        ")
    inside = np.array([[sign == "#" for sign in line] for line in picture])
    values = measure("grid.energy", photo(2))
    cells = np.array([values[f"cb.{cell}"] for cell in cell_names(8)]).reshape(8, 8)
    assert values["cb.inner_outer"] == pytest.approx(cells[inside].mean() - cells[~inside].mean(), abs=1e-5)


# Bands of the block DCT


def test_a_band_is_averaged_over_its_coefficients_and_blocks() -> None:
    square = np.zeros((28, 8, 28, 8), np.float32)
    square[4:8, 0, 8:12, 1] = 100  # u = 1, one of the two of band h1, in all blocks of cell r1c2
    square[0, 7, 0, 2] = 1500  # one of the fifteen of band v2, in one of the sixteen blocks of cell r0c0
    values = measure("grid.dct", frame_with(dct_square=square))
    assert len(values) == 6 * 49
    for band, cell, energy in (("h1", "r1c2", 50), ("v2", "r0c0", 1500 / 15 / 16)):
        height = log(energy + 0.01) - log(0.01)
        assert values[f"{band}.{cell}"] == pytest.approx(height * 48 / 49, rel=1e-4)
        assert values[f"{band}.r6c6"] == pytest.approx(-height / 49, rel=1e-4)
    assert values["v1.r1c2"] == 0


@pytest.mark.parametrize(
    ("v", "u", "band"), [(0, 2, "h1"), (2, 0, "v1"), (1, 1, "d1"), (2, 3, "h2"), (3, 2, "v2"), (7, 7, "d2")]
)
def test_bands_hold_their_frequencies(v: int, u: int, band: str) -> None:
    square = np.zeros((28, 8, 28, 8), np.float32)
    square[:4, v, :4, u] = 1000
    values = measure("grid.dct", frame_with(dct_square=square))
    assert {name for name, value in values.items() if value > 1} == {f"{band}.r0c0"}


def test_a_constant_is_in_no_band() -> None:
    square = np.zeros((28, 8, 28, 8), np.float32)
    square[:4, 0, :4, 0] = 1e6
    assert set(measure("grid.dct", frame_with(dct_square=square)).values()) == {0}


# Colour


def test_cells_of_colour_are_relative_to_the_mean() -> None:
    values = measure("grid.color", grey(np.where(POSITION[1] < 112, 140, 100)))
    for row in range(8):
        assert [values[f"y.r{row}c{column}"] for column in (0, 3, 4, 7)] == [20, 20, -20, -20]
    assert {value for name, value in values.items() if not name.startswith("y.")} == {0}


def test_a_red_corner_is_high_in_cr_and_low_in_cb() -> None:
    rgb = np.full((224, 224, 3), 100, np.uint8)
    rgb[196:, 196:, 0] = 200  # luma 130, Cr 128 + 0.713 * 70, Cb 128 - 0.564 * 30
    values = measure("grid.color", rgb)
    assert values["y.r7c7"] == pytest.approx(30 * 63 / 64, abs=1e-4)
    assert values["cr.r7c7"] == pytest.approx(50 * 63 / 64, abs=1e-4)
    assert values["cb.r7c7"] == pytest.approx(-17 * 63 / 64, abs=1e-4)


# Symmetry


@pytest.mark.parametrize(("name", "side"), [("grid.energy", 8), ("grid.dct", 7), ("grid.color", 8)])
def test_a_mirror_image_has_mirrored_maps(name: str, side: int) -> None:
    one, other = (measure(name, rgb) for rgb in (photo(1), photo(1)[:, ::-1]))
    for key, value in one.items():
        start, _, last = key.rpartition(".")
        if last in cell_names(side):
            key = f"{start}.{last[:3]}{side - 1 - int(last[3])}"
        sign = -1 if last == "left_right" else 1
        assert other[key] == pytest.approx(sign * value, abs=1e-4), key
