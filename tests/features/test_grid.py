"""Cells, maps and contrasts between regions, where each value's place is known."""

from math import log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decode import Pixels
from features.grid import cell_means, cell_names
from tests.features.pictures import POSITION, frame_with, grey, measure
from tests.images import photo

Place = tuple[slice, slice]


def red_noise(*places: Place) -> Pixels:
    """Grey of 128 whose red is noisy in some rectangles."""
    rgb = np.full((224, 224, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(68, 188, (224, 224))
    for place in places:
        rgb[..., 0][place] = noise[place]
    return rgb


def cells_of(values: dict[str, float], name: str, side: int) -> npt.NDArray[np.float64]:
    return np.array([values[f"{name}.{cell}"] for cell in cell_names(side)]).reshape(side, side)


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


# Chroma noise


def test_a_flat_image_has_no_noise_and_no_contrast() -> None:
    values = measure("grid.chroma_noise", np.full((224, 224, 3), (200, 100, 50), np.uint8))
    assert len(values) == 2 * 71
    for name, value in values.items():
        assert value == pytest.approx(log(0.01) if name.endswith("mean") else 0, abs=1e-6)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 3)])
def test_noise_raises_its_own_cell(row: int, column: int) -> None:
    values = measure("grid.chroma_noise", red_noise(np.s_[28 * row : 28 * (row + 1), 28 * column : 28 * (column + 1)]))
    for name in ("cr", "cb"):
        assert cells_of(values, name, 8).argmax() == 8 * row + column


def test_noise_is_the_mean_square_of_the_laplacian() -> None:
    cr = np.full((112, 112), 100, np.uint8)
    cr[20, 30] = 110  # cell r1c2: 20 * 100 over 14 * 14 samples
    values = measure("grid.chroma_noise", frame_with(chroma=(cr, cr)))
    logs = np.full((8, 8), log(0.01))
    logs[1, 2] = log(2000 / 196 + 0.01)
    for name in ("cr", "cb"):
        assert values[f"{name}.mean"] == pytest.approx(logs.mean(), rel=1e-5)
        assert values[f"{name}.std"] == pytest.approx(logs.std(), rel=1e-5)
        np.testing.assert_allclose(cells_of(values, name, 8), logs - logs.mean(), rtol=1e-5)


LEFT, TOP = np.s_[:, :108], np.s_[:52, :]  # clear of the next cells, where a filter's reach would show
EYES, MOUTH = np.s_[60:80, 28:196], np.s_[144:164, 28:196]
CORE = np.s_[88:136, 88:136]


@pytest.mark.parametrize(
    ("place", "raised"),
    [
        (LEFT, {"left_right"}),
        (TOP, {"top_bottom"}),
        (EYES, {"eyes_mouth"}),
        (CORE, {"core_rim", "inner_outer"}),
    ],
)
def test_contrasts_compare_the_regions_of_their_names(place: Place, raised: set[str]) -> None:
    values = measure("grid.chroma_noise", red_noise(place))
    for contrast in ("left_right", "eyes_mouth", "top_bottom"):
        assert values[f"cr.{contrast}"] == pytest.approx(0, abs=1) or contrast in raised
    for contrast in raised:
        assert values[f"cr.{contrast}"] > 1


def test_the_mouth_counts_against_the_eyes() -> None:
    assert measure("grid.chroma_noise", red_noise(MOUTH))["cr.eyes_mouth"] < -1


INNER = {  # the cells of the inner face, o those of its core
    8: ("        ", "  ####  ", "  #oo#  ", " #oooo# ", " #oooo# ", "  #oo#  ", "  ####  ", "        "),
    7: ("       ", "  ###  ", " #ooo# ", " #ooo# ", " #ooo# ", "  ###  ", "       "),
}


@pytest.mark.parametrize(("block", "name", "side"), [("grid.chroma_noise", "cb", 8), ("grid.dct", "h2", 7)])
def test_contrasts_are_differences_of_means_over_cells(block: str, name: str, side: int) -> None:
    values = measure(block, photo(0))
    cells = cells_of(values, name, side)
    signs = np.array([list(line) for line in INNER[side]])
    inner, core = signs != " ", signs == "o"
    eyes, mouth = (inner & (np.arange(side)[:, None] == row) for row in (2, side - 3))
    half = side // 2
    expected = {
        "inner_outer": cells[inner].mean() - cells[~inner].mean(),
        "core_rim": cells[core].mean() - cells[inner & ~core].mean(),
        "left_right": cells[:, :half].mean() - cells[:, -half:].mean(),
        "eyes_mouth": cells[eyes].mean() - cells[mouth].mean(),
        "top_bottom": cells[:2].mean() - cells[-2:].mean(),
        "std": cells.std(),
    }
    assert cells.mean() == pytest.approx(0, abs=1e-5)
    for contrast, value in expected.items():
        assert values[f"{name}.{contrast}"] == pytest.approx(value, abs=1e-5), contrast


# Bands of the block DCT


def test_a_band_is_averaged_over_its_coefficients_and_blocks() -> None:
    square = np.zeros((28, 8, 28, 8), np.float32)
    square[4:8, 0, 8:12, 1] = 100  # u = 1, one of the two of band h1, in all blocks of cell r1c2
    square[0, 7, 0, 2] = 1500  # one of the fifteen of band v2, in one of the sixteen blocks of cell r0c0
    values = measure("grid.dct", frame_with(dct_square=square))
    assert len(values) == 6 * 56
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
    assert {name for name, value in values.items() if name[-4:] in cell_names(7) and value > 1} == {f"{band}.r0c0"}


def test_a_constant_is_in_no_band() -> None:
    square = np.zeros((28, 8, 28, 8), np.float32)
    square[:4, 0, :4, 0] = 1e6
    values = measure("grid.dct", frame_with(dct_square=square))
    for band in ("h1", "v1", "d1", "h2", "v2", "d2"):
        np.testing.assert_allclose(cells_of(values, band, 7), 0, atol=1e-6)
        assert values[f"{band}.mean"] == pytest.approx(log(0.01))


# Colour


def test_cells_of_colour_are_relative_to_the_mean() -> None:
    values = measure("grid.color", grey(np.where(POSITION[1] < 112, 140, 100)))
    for row in range(8):
        found = [values[f"y.r{row}c{column}"] for column in (0, 3, 4, 7)]
        assert found == pytest.approx([20, 20, -20, -20], abs=1e-4)
    chroma = [value for name, value in values.items() if not name.startswith("y.")]
    assert chroma == pytest.approx([0] * 128, abs=1e-4)


def test_a_red_corner_is_high_in_cr_and_low_in_cb() -> None:
    rgb = np.full((224, 224, 3), 100, np.uint8)
    rgb[196:, 196:, 0] = 200  # luma 130, Cr 128 + 0.713 * 70, Cb 128 - 0.564 * 30
    values = measure("grid.color", rgb)
    assert values["y.r7c7"] == pytest.approx(30 * 63 / 64, abs=1e-4)
    assert values["cr.r7c7"] == pytest.approx(50 * 63 / 64, abs=1e-4)
    assert values["cb.r7c7"] == pytest.approx(-17 * 63 / 64, abs=1e-4)


# Symmetry


@pytest.mark.parametrize(("name", "side"), [("grid.chroma_noise", 8), ("grid.dct", 7), ("grid.color", 8)])
def test_a_mirror_image_has_mirrored_maps(name: str, side: int) -> None:
    one, other = (measure(name, rgb) for rgb in (photo(1), photo(1)[:, ::-1]))
    for key, value in one.items():
        start, _, last = key.rpartition(".")
        if last in cell_names(side):
            key = f"{start}.{last[:3]}{side - 1 - int(last[3])}"
        sign = -1 if last == "left_right" else 1
        assert other[key] == pytest.approx(sign * value, abs=1e-4), key
