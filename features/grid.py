"""Where on the face: maps of local energy in square cells, and contrasts between regions of the face.

A swap changes the inside of the face and leaves its surroundings, so the difference between regions says more
than the whole. Each map is the natural logarithm of a mean square in a cell, relative to the map's own mean;
the mean itself is a value too.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

import cv2
import numpy as np

from features.frame import Frame
from features.planes import Float
from features.spec import Params, Values, block

__all__ = ["cell_means", "cell_names", "grid_chroma_noise", "grid_color", "grid_dct"]

_FLOOR = np.float32(0.01)  # added to a mean square, in squared grey levels, before its logarithm
_SIDE = 8
_MAPS = ("y", "cr", "cb")
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
    """Average a plane, or each of several, in a grid of cells.

    Parameters
    ----------
    plane : (..., H, W) float32 array
        Any unit.
    side : int
        Cells a side.

    Returns
    -------
    (..., side, side) float32
    """
    rows, columns = (_weights(size, side) for size in plane.shape[-2:])
    return np.asarray(rows @ plane @ columns.T, dtype=np.float32)


@cache
def _regions(side: int) -> Float:
    """Contrasts of a map as columns of a matrix (side^2, 5): each is the mean of a region minus that of another."""
    row, column = (np.mgrid[0:side, 0:side] - (side - 1) / 2) / (side / 2)  # -1 to 1
    inner = (row / 0.8) ** 2 + (column / 0.65) ** 2 <= 1
    core = (row / 0.5) ** 2 + (column / 0.4) ** 2 <= 1
    eyes, mouth = (inner & (sign * row >= 0.25) & (sign * row <= 0.5) for sign in (-1.0, 1.0))
    pairs = ((inner, ~inner), (core, inner & ~core), (column < 0, column > 0), (eyes, mouth), (row < -0.5, row > 0.5))
    return np.array([(a / a.sum() - b / b.sum()).ravel() for a, b in pairs], np.float32).T


def _map_names(maps: Iterable[str], side: int) -> list[str]:
    return [f"{name}.{value}" for name in maps for value in (*cell_names(side), *_CONTRASTS, "mean", "std")]


def _relative(energy: Float, side: int) -> Values:
    """Turn maps of mean squares (K, side^2) into values, each map's cells minus its mean, contrasts, mean and std."""
    logs = np.log(energy + _FLOOR)
    mean = logs.mean(axis=1, keepdims=True)
    relative = logs - mean
    values = [relative, relative @ _regions(side), mean, relative.std(axis=1, keepdims=True)]
    return np.concatenate(values, axis=1, dtype=np.float32).ravel()


@block("grid.chroma_noise", version=1, names=lambda params: _map_names(_MAPS[1:], _SIDE))
def grid_chroma_noise(frame: Frame, params: Params) -> Values:
    """Log energy of the Laplacian of Cr and Cb at 112 px in 8x8 cells, with contrasts between regions of the face.

    Returns
    -------
    (2 * 71,) float32, map by map: 64 cells minus the map's mean, five contrasts, mean and standard deviation
    """
    squares = np.stack([cv2.multiply(plane, plane, dtype=cv2.CV_32F) for plane in frame.laplacians], dtype=np.float32)
    return _relative(cell_means(squares, _SIDE).reshape(len(squares), -1), _SIDE)


@block("grid.dct", version=1, names=lambda params: _map_names(_BANDS, _DCT_SIDE))
def grid_dct(frame: Frame, params: Params) -> Values:
    """Log energy of six bands of the block DCT in 7x7 cells of 4x4 blocks, with contrasts between regions of the face.

    Returns
    -------
    (6 * 56,) float32, band by band: 49 cells minus the band's mean, five contrasts, mean and standard deviation
    """
    rows = _weights(_BLOCKS, _DCT_SIDE) @ frame.dct_square.reshape(_BLOCKS, -1)
    cells = rows.reshape(-1, 8 * _BLOCKS // _DCT_SIDE) @ _across_blocks()
    by_coefficient = cells.reshape(_DCT_SIDE, 8, _DCT_SIDE, 8).transpose(1, 3, 0, 2).reshape(64, -1)
    return _relative(np.asarray(_band_matrix() @ by_coefficient, dtype=np.float32), _DCT_SIDE)


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


@block("grid.color", version=1, names=lambda params: [f"{name}.{cell}" for name in _MAPS for cell in cell_names(_SIDE)])
def grid_color(frame: Frame, params: Params) -> Values:
    """Mean luma, Cr and Cb in 8x8 cells minus the mean of the plane, in grey levels, (192,) float32."""
    planes = np.stack((frame.pyramid[1], *frame.chroma)).astype(np.float32)
    means = cell_means(planes, _SIDE).reshape(len(planes), -1)
    return np.asarray(means - means.mean(axis=1, keepdims=True), dtype=np.float32).ravel()
