"""The twins of texture, of the maps of cells and of colour."""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from skimage.feature import graycomatrix, graycoprops
from skimage.util import view_as_blocks

from benchmarks.twin.picture import FLOOR, PLANES, Bytes, Floats, Ints, Picture, Twin, named

__all__ = ["TWINS"]


def _cells(count: int) -> list[str]:
    return [f"r{row}c{column}" for row, column in product(range(count), range(count))]


# Texture

_HARALICK: Final = ("contrast", "correlation", "energy", "homogeneity")


def _transitions(code: int) -> int:
    """How often neighbouring bits of an 8-bit ring differ."""
    ring = f"{code:08b}"
    return sum(one != other for one, other in zip(ring, ring[1:] + ring[0], strict=True))


_UNIFORM: Final = [code for code in range(256) if _transitions(code) <= 2]
_U2: Final = np.array([_UNIFORM.index(code) if code in _UNIFORM else 58 for code in range(256)])
_RIU2: Final = np.array([code.bit_count() if code in _UNIFORM else 9 for code in range(256)])


def _shares(labels: Ints, bins: int) -> Floats:
    return np.bincount(labels.ravel(), minlength=bins) / labels.size


def _lbp(picture: Picture) -> Floats:
    full, *smaller = picture.patterns
    return np.concatenate([_shares(_U2[codes], 59) for codes in (full[::2], *smaller)])


def _lbp_grid(picture: Picture) -> Floats:
    full, half = (np.pad(_RIU2[codes], 1, constant_values=-1) for codes in picture.patterns[:2])
    full[2::2] = -1  # every other row counts
    return np.concatenate([_shares(cell[cell >= 0], 10) for labels in (full, half) for cell in _sixteen(labels)])


def _sixteen(plane: Ints) -> Ints:
    """Cut a plane into 4x4 cells, row by row: (16, samples)."""
    quarter = len(plane) // 4
    return np.asarray(view_as_blocks(plane, (quarter, quarter)).reshape(16, -1))


def _glcm(picture: Picture) -> Floats:
    matrices = graycomatrix(picture.pyramid[2] // 16, [1, 2], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    statistics = [graycoprops(matrices, name) for name in _HARALICK]
    return np.asarray(np.stack(statistics, axis=-1).ravel())


# Where on the face

_BANDS: Final = {
    "h1": np.s_[0:1, 1:3],
    "v1": np.s_[1:3, 0:1],
    "d1": np.s_[1:3, 1:3],
    "h2": np.s_[0:3, 3:8],
    "v2": np.s_[3:8, 0:3],
    "d2": np.s_[3:8, 3:8],
}
_Region = Callable[[float, float], bool]
_CONTRASTS: Final[dict[str, tuple[_Region, _Region]]] = {
    "inner_outer": (lambda y, x: _inner(y, x), lambda y, x: not _inner(y, x)),
    "core_rim": (lambda y, x: _core(y, x), lambda y, x: _inner(y, x) and not _core(y, x)),
    "left_right": (lambda y, x: x < 0, lambda y, x: x > 0),
    "eyes_mouth": (lambda y, x: _inner(y, x) and -0.5 <= y <= -0.25, lambda y, x: _inner(y, x) and 0.25 <= y <= 0.5),
    "top_bottom": (lambda y, x: y < -0.5, lambda y, x: y > 0.5),
}
"""Pairs of regions by the centres of their cells, from -1 (top, left) to 1 (bottom, right)."""


def _inner(y: float, x: float) -> bool:
    return (y / 0.8) ** 2 + (x / 0.65) ** 2 <= 1


def _core(y: float, x: float) -> bool:
    return (y / 0.5) ** 2 + (x / 0.4) ** 2 <= 1


@cache
def _masks(side: int) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    centres = [(2 * cell + 1) / side - 1 for cell in range(side)]
    regions = [[[region(y, x) for x in centres] for y in centres] for pair in _CONTRASTS.values() for region in pair]
    return [(np.array(one), np.array(other)) for one, other in zip(regions[::2], regions[1::2], strict=True)]


def _map_names(maps: Iterable[str], side: int) -> list[str]:
    return [f"{name}.{value}" for name in maps for value in (*_cells(side), *_CONTRASTS, "mean", "std")]


def _map(energy: Floats) -> Floats:
    """Values of a square map of mean squares: cells, contrasts, mean and deviation of its logarithm."""
    logs = np.log(energy + FLOOR)
    contrasts = [logs[one].mean() - logs[other].mean() for one, other in _masks(len(logs))]
    return np.array([*(logs - logs.mean()).ravel(), *contrasts, logs.mean(), logs.std()])


def _mean_in_cells(plane: Bytes | Ints) -> Floats:
    """Averages in 8x8 cells."""
    side = len(plane) // 8
    return np.asarray(view_as_blocks(plane, (side, side)).mean(axis=(2, 3)))


def _chroma_noise(picture: Picture) -> Floats:
    return np.concatenate([_map(_mean_in_cells(residual**2)) for residual in picture.laplacians[1:]])


def _grid_dct(picture: Picture) -> Floats:
    energy = (picture.dct**2).reshape(7, 4, 7, 4, 8, 8).mean(axis=(1, 3))
    return np.concatenate([_map(energy[:, :, rows, columns].mean(axis=(2, 3))) for rows, columns in _BANDS.values()])


def _grid_color(picture: Picture) -> Floats:
    cells = [_mean_in_cells(plane) for plane in (picture.pyramid[1], *picture.chroma)]
    return np.concatenate([(cell - cell.mean()).ravel() for cell in cells])


def _color_global(picture: Picture) -> Floats:
    return np.array([plane.mean() for plane in picture.planes] + [plane.std() for plane in picture.planes])


TWINS: Final = {
    "texture.lbp": Twin(named(["y1", "y2", "y4", "cr", "cb"], [f"u{bin_:02d}" for bin_ in range(59)]), _lbp),
    "texture.lbp_grid": Twin(
        [f"{plane}.ri{bin_}.{cell}" for plane in ("y1", "y2") for cell in _cells(4) for bin_ in range(10)], _lbp_grid
    ),
    "texture.glcm": Twin(named(["h1", "v1", "h2", "v2"], _HARALICK), _glcm),
    "grid.chroma_noise": Twin(_map_names(["cr", "cb"], 8), _chroma_noise),
    "grid.dct": Twin(_map_names(_BANDS, 7), _grid_dct),
    "grid.color": Twin(named(PLANES, _cells(8)), _grid_color),
    "color.global": Twin(named(["mean", "std"], PLANES), _color_global),
}
"""The second computation of each block, by the block's name."""
