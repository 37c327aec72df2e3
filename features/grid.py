"""Where on the face: maps of local energy in square cells, and contrasts between regions of the face.

A swap changes the inside of the face and leaves its surroundings, so the difference between regions says more
than the whole. Each map is the natural logarithm of a mean square in a cell, relative to the map's own mean;
the mean itself is a value too.
"""

from functools import cache
from typing import Final

import cv2
import numpy as np

from features.frame import Frame
from features.planes import Float, Signed, laplacian
from features.spec import Params, Values, block

__all__ = ["cell_means", "cell_names", "grid_color", "grid_dct", "grid_energy"]

_FLOOR = np.float32(0.01)  # added to a mean square, in squared grey levels, before its logarithm
_SIDE = 8
_ENERGY_MAPS = ("y2", "y4", "y8", "cr", "cb")
_COLOR_MAPS = ("y", "cr", "cb")
_BANDS: Final = {
    "h1": (0, 1, 1, 3),
    "v1": (1, 3, 0, 1),
    "d1": (1, 3, 1, 3),
    "h2": (0, 3, 3, 8),
    "v2": (3, 8, 0, 3),
    "d2": (3, 8, 3, 8),
}
"""Bands of DCT coefficients: frequencies v from, to, u from, to, the ends excluded."""

_DCT_SIDE = 7
_BLOCKS = 28
_CONTRASTS = ("inner_outer", "core_rim", "left_right", "eyes_mouth", "top_bottom")


def cell_names(side: int) -> list[str]:
    """Name the cells of a `side` by `side` grid row by row: `r0c0`, `r0c1`, ..."""
    return [f"r{row}c{column}" for row in range(side) for column in range(side)]


@cache
def _weights(size: int, side: int) -> Float:
    """Averages of `size` samples in `side` equal cells as a matrix (side, size); a sample on an edge is shared."""
    edges = np.linspace(0, size, side + 1)
    start = np.arange(size)
    overlap = np.minimum(edges[1:, None], start + 1) - np.maximum(edges[:-1, None], start)
    return np.asarray(np.clip(overlap, 0, 1) * side / size, dtype=np.float32)


def cell_means(plane: Float, side: int) -> Float:
    """Average a plane in a grid of cells.

    Parameters
    ----------
    plane : (H, W) float32 array
        Any unit.
    side : int
        Cells a side.

    Returns
    -------
    (side, side) float32
    """
    rows, columns = (_weights(size, side) for size in plane.shape)
    return np.asarray(rows @ plane @ columns.T, dtype=np.float32)


@cache
def _regions() -> Float:
    """Contrasts of an 8x8 map as columns of a matrix (64, 5): each is the mean of a region minus that of another."""
    row, column = np.mgrid[0:_SIDE, 0:_SIDE] - (_SIDE - 1) / 2
    inner = (row / 3.2) ** 2 + (column / 2.6) ** 2 <= 1
    core = (row / 2.0) ** 2 + (column / 1.6) ** 2 <= 1
    upper, lower = (inner & (sign * row >= 1) & (sign * row <= 2) for sign in (-1.0, 1.0))
    pairs = ((inner, ~inner), (core, inner & ~core), (column < 0, column > 0), (upper, lower), (row < -2, row > 2))
    return np.array([(a / a.sum() - b / b.sum()).ravel() for a, b in pairs], np.float32).T


def _energy_names(params: Params) -> list[str]:
    values = (*cell_names(_SIDE), *_CONTRASTS, "mean", "std")
    return [f"{name}.{value}" for name in _ENERGY_MAPS for value in values]


@block("grid.energy", version=1, names=_energy_names)
def grid_energy(frame: Frame, params: Params) -> Values:
    """Local energy of the Laplacian of luma at 112, 56 and 28 px and of chroma at 112 px, in 8x8 cells.

    Returns
    -------
    (5 * 71,) float32, map by map: 64 cells minus the map's mean, five contrasts between regions, mean and deviation
    """
    planes = (*frame.pyramid[1:], *frame.chroma)
    energy = np.stack([cell_means(_square(laplacian(plane)), _SIDE).ravel() for plane in planes])
    logs = np.log(energy + _FLOOR)
    mean = logs.mean(axis=1, keepdims=True)
    relative = logs - mean
    values = [relative, relative @ _regions(), mean, relative.std(axis=1, keepdims=True)]
    return np.concatenate(values, axis=1, dtype=np.float32).ravel()


def _square(plane: Signed) -> Float:
    return np.asarray(cv2.multiply(plane, plane, dtype=cv2.CV_32F), dtype=np.float32)


@block(
    "grid.dct", version=1, names=lambda params: [f"{band}.{cell}" for band in _BANDS for cell in cell_names(_DCT_SIDE)]
)
def grid_dct(frame: Frame, params: Params) -> Values:
    """Log energy of six bands of the block DCT in 7x7 cells of 4x4 blocks, minus the band's mean, (294,) float32."""
    rows = _weights(_BLOCKS, _DCT_SIDE) @ frame.dct_square.reshape(_BLOCKS, -1)
    cells = rows.reshape(-1, 8 * _BLOCKS // _DCT_SIDE) @ _across_blocks()
    by_coefficient = cells.reshape(_DCT_SIDE, 8, _DCT_SIDE, 8).transpose(1, 3, 0, 2).reshape(64, -1)
    logs = np.log(_band_matrix() @ by_coefficient + _FLOOR)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), dtype=np.float32).ravel()


@cache
def _across_blocks() -> Float:
    """Averages of each of 8 coefficients over 4 blocks side by side, as a matrix (32, 8)."""
    blocks = _BLOCKS // _DCT_SIDE
    return np.tile(np.eye(8, dtype=np.float32), (blocks, 1)) / np.float32(blocks)


@cache
def _band_matrix() -> Float:
    """Averages over the coefficients of each band, (6, 64)."""
    matrix = np.zeros((len(_BANDS), 8, 8), np.float32)
    for row, (v0, v1, u0, u1) in zip(matrix, _BANDS.values(), strict=True):
        row[v0:v1, u0:u1] = 1 / ((v1 - v0) * (u1 - u0))
    return matrix.reshape(len(_BANDS), 64)


@block(
    "grid.color",
    version=1,
    names=lambda params: [f"{name}.{cell}" for name in _COLOR_MAPS for cell in cell_names(_SIDE)],
)
def grid_color(frame: Frame, params: Params) -> Values:
    """Mean luma, Cr and Cb in 8x8 cells minus the mean of the plane, in grey levels, (192,) float32."""
    planes = (frame.pyramid[1], *frame.chroma)
    means = np.stack([cell_means(plane.astype(np.float32), _SIDE).ravel() for plane in planes])
    return np.asarray(means - means.mean(axis=1, keepdims=True), dtype=np.float32).ravel()
