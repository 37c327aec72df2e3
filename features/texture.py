"""Texture: local binary patterns at several scales and on chroma, and grey-level co-occurrence."""

from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.frame import LBP_CELLS, Frame
from features.grid import cell_names
from features.planes import Float
from features.spec import Params, Values, block

__all__ = ["texture_glcm", "texture_lbp", "texture_lbp_grid"]

_GREYS = 16
_OFFSETS: Final = {"h1": (0, 1), "v1": (1, 0), "h2": (0, 2), "v2": (2, 0)}
_HARALICK = ("contrast", "correlation", "energy", "homogeneity")
_LBP_PLANES = ("y1", "y2", "y4", "cr", "cb")
_GRID_PLANES = _LBP_PLANES[:2]


@cache
def _uniform() -> tuple[Float, Float]:
    """Matrices (256, 59) and (256, 10) that sum codes into uniform and rotation-invariant uniform patterns."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    u2 = np.full(256, 58)
    u2[uniform] = np.arange(58)
    riu2 = np.where(uniform, bits.sum(axis=1), 9)
    return np.eye(59, dtype=np.float32)[u2], np.eye(10, dtype=np.float32)[riu2]


@block("texture.lbp", version=1, names=lambda params: [f"{p}.u{code:02d}" for p in _LBP_PLANES for code in range(59)])
def texture_lbp(frame: Frame, params: Params) -> Values:
    """Uniform local binary patterns of luma at 224, 112 and 56 px and of both chroma planes at 112 px.

    Returns
    -------
    (5 * 59,) float32; each plane sums to 1, its last bin holds all patterns that are not uniform

    References
    ----------
    Ojala, Pietikainen and Maenpaa 2002, DOI 10.1109/TPAMI.2002.1017623
    """
    counts = np.stack(frame.lbp).sum(axis=1) @ _uniform()[0]
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float32).ravel()


def _grid_names(params: Params) -> list[str]:
    return [
        f"{plane}.ri{code}.{cell}" for plane in _GRID_PLANES for cell in cell_names(LBP_CELLS) for code in range(10)
    ]


@block("texture.lbp_grid", version=1, names=_grid_names)
def texture_lbp_grid(frame: Frame, params: Params) -> Values:
    """Rotation-invariant uniform patterns in each of 4x4 cells, luma at 224 and 112 px.

    Returns
    -------
    (2 * 16 * 10,) float32; each cell sums to 1, its last bin holds all patterns that are not uniform

    References
    ----------
    Ojala, Pietikainen and Maenpaa 2002, DOI 10.1109/TPAMI.2002.1017623
    """
    counts = np.stack(frame.lbp[: len(_GRID_PLANES)]) @ _uniform()[1]
    return np.asarray(counts / counts.sum(axis=2, keepdims=True), dtype=np.float32).ravel()


@block("texture.glcm", version=1, names=lambda params: [f"{offset}.{s}" for offset in _OFFSETS for s in _HARALICK])
def texture_glcm(frame: Frame, params: Params) -> Values:
    """Contrast, correlation, energy and homogeneity of co-occurring grey levels at distances 1 and 2, luma at 56 px.

    16 grey levels, across and down; each matrix is symmetric and sums to 1. A flat image has correlation 1.

    References
    ----------
    Haralick, Shanmugam and Dinstein 1973, DOI 10.1109/TSMC.1973.4309314
    """
    counts = _pairs(np.right_shift(frame.pyramid[2], 4))
    counts += counts.transpose(0, 2, 1)
    joint = counts.reshape(len(counts), -1) / counts.sum(axis=(1, 2))[:, None]
    return np.ascontiguousarray(_haralick(joint), dtype=np.float32).ravel()


def _pairs(levels: Pixels) -> npt.NDArray[np.float64]:
    """Count the pairs of grey levels at each offset, (4, 16, 16): first level by second."""
    side, first = len(levels), levels * np.uint8(_GREYS)
    codes = [(first[: side - y, : side - x] | levels[y:, x:]).ravel() for y, x in _OFFSETS.values()]
    numbers = _offset_numbers(tuple(map(len, codes)))
    bins = [len(codes), _GREYS * _GREYS]
    counts = cv2.calcHist([numbers, np.concatenate(codes)], [0, 1], None, bins, [0, bins[0], 0, bins[1]])
    return np.asarray(counts, dtype=np.float64).reshape(-1, _GREYS, _GREYS)


@cache
def _offset_numbers(sizes: tuple[int, ...]) -> Pixels:
    return np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)


def _haralick(joint: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Statistics of symmetric joint distributions (K, 256): contrast, correlation, energy, homogeneity as (K, 4)."""
    contrast, homogeneity, mean, square, product = (joint @ _haralick_weights()).T
    variance = square - mean * mean
    flat = variance <= 0
    correlation = np.where(flat, 1.0, (product - mean * mean) / np.where(flat, 1.0, variance))
    return np.stack([contrast, correlation, np.sqrt((joint * joint).sum(axis=1)), homogeneity], axis=1)


@cache
def _haralick_weights() -> npt.NDArray[np.float64]:
    first, second = np.divmod(np.arange(_GREYS * _GREYS, dtype=np.float64), _GREYS)
    apart = (first - second) ** 2
    return np.stack([apart, 1 / (1 + apart), first, first * first, first * second], axis=1)
