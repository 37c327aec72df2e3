"""Noise residuals: what is left once an image's content is filtered away, and how neighbours depend on each other."""

import math
from functools import cache
from itertools import product
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.frame import Frame
from features.planes import SQUARE3_DIVISOR, Float, Signed, laplacian
from features.spec import Params, Values, block

__all__ = ["residual_channels", "residual_cooccurrence", "residual_moments", "residual_npr"]

_FLOOR = 0.01  # added to a mean square, in squared grey levels, before a logarithm or a quotient
_LAGS = (1, 2, 8)  # 8 is the JPEG grid
_LEVELS = 5  # residuals are truncated to -2..2
_LOWEST: Final = np.array([126.0])  # -2 on the scale where 128 stands for 0
_MOMENTS = ("log_mean", "log_variance", "log_kurtosis", "zeros")
_NPR_PLANES = ("p01", "p10", "p11", "haar_hh")
_STRIDE = 5  # not a divisor of 8
_RESIDUALS = ("square3", "median")
_CHANNEL_PAIRS: Final = {"y_cr": (0, 1), "y_cb": (0, 2), "cr_cb": (1, 2)}


class _Symmetry(NamedTuple):
    """The 169 classes of four neighbours under sign and direction: their names, and the class of each of 625 tuples."""

    names: tuple[str, ...]
    of_tuple: npt.NDArray[np.intp]


@cache
def _symmetry() -> _Symmetry:
    tuples = list(product(range(_LEVELS), repeat=4))
    flipped = [tuple(_LEVELS - 1 - x for x in t) for t in tuples]
    canonical = [min(t, t[::-1], f, f[::-1]) for t, f in zip(tuples, flipped, strict=True)]
    number = {c: i for i, c in enumerate(sorted(set(canonical)))}
    return _Symmetry(tuple("".join(map(str, c)) for c in number), np.array([number[c] for c in canonical], np.intp))


@block("residual.cooccurrence", version=1, names=lambda params: [f"square3.{name}" for name in _symmetry().names])
def residual_cooccurrence(frame: Frame, params: Params) -> Values:
    """Joint histogram of four neighbouring SQUARE3x3 residuals, divided by 4, rounded and truncated to -2..2.

    Across and down together, of every fifth row or column, which sees all phases of the JPEG grid; symmetrised under
    sign and direction.

    Returns
    -------
    (169,) float32, summing to 1; a name such as `0124` spells the four levels, 2 being zero

    References
    ----------
    Fridrich and Kodovsky 2012, "Rich Models for Steganalysis of Digital Images", DOI 10.1109/TIFS.2012.2190402
    """
    residual = frame.residuals["square3"]
    lines = np.concatenate([residual[::_STRIDE], residual[:, ::_STRIDE].T])
    counts = _joint(_truncate(lines, SQUARE3_DIVISOR)).ravel()
    classes = np.bincount(_symmetry().of_tuple, counts, len(_symmetry().names))
    return np.asarray(classes / classes.sum(), dtype=np.float32)


def _truncate(residual: Signed, divisor: int) -> Pixels:
    """Divide, round (half to even) and truncate to -2..2, in that order; the result is raised by 2 to lie in 0..4."""
    floored = cv2.max(residual, np.array([-_LEVELS * divisor], np.float64))  # the next line folds what is below -128
    shifted = cv2.convertScaleAbs(floored, alpha=1 / divisor, beta=128)
    raised = cv2.subtract(shifted, _LOWEST)  # saturates at 0
    return np.asarray(cv2.threshold(raised, _LEVELS - 1, _LEVELS - 1, cv2.THRESH_TRUNC)[1], dtype=np.uint8)


def _joint(level: Pixels) -> Float:
    """Count four neighbours along each row, (25, 25) float32: the code of the first two by that of the last two."""
    codes = _LEVELS * _LEVELS
    pair = level[:, :-1] * np.uint8(_LEVELS) + level[:, 1:]
    counts = cv2.calcHist([pair[:, :-2], pair[:, 2:]], [0, 1], None, [codes, codes], [0, codes, 0, codes])
    return np.asarray(counts, dtype=np.float32)


def _moment_names(params: Params) -> list[str]:
    moments = [f"{plane}.{moment}" for plane in _RESIDUALS for moment in _MOMENTS]
    return moments + [f"median.lag{lag}{d}" for lag in _LAGS for d in ("h", "v")]


@block("residual.moments", version=1, names=_moment_names)
def residual_moments(frame: Frame, params: Params) -> Values:
    """Moments of the SQUARE3x3 residual and of luma minus its 3x3 median, and the autocorrelation of the latter.

    Returns
    -------
    (14,) float32: ln mean |r|, ln mean r^2, ln kurtosis about zero and the share of zeros of each; then the
    autocorrelation of the latter's middle half at lags 1, 2 and 8, across and down
    """
    moments = [value for name in _RESIDUALS for value in _moments(frame.residuals[name])]
    return np.array(moments + _autocorrelation(frame.residuals["median"]), np.float32)


def _moments(plane: Signed) -> list[float]:
    flat = plane.ravel().astype(np.float32)
    square = flat * flat
    first = cv2.norm(plane, cv2.NORM_L1) / plane.size
    second = cv2.norm(plane, cv2.NORM_L2SQR) / plane.size
    fourth = float(square @ square) / plane.size
    zeros = 1 - cv2.countNonZero(plane) / plane.size
    kurtosis = (fourth + _FLOOR) / (second + _FLOOR) ** 2
    return [math.log(first + _FLOOR), math.log(second + _FLOOR), math.log(kurtosis), zeros]


def _autocorrelation(plane: Signed) -> list[float]:
    """Correlate the middle half of the rows with itself at each lag, across and down; a row runs on into the next."""
    quarter = len(plane) // 4
    flat = plane[quarter:-quarter].ravel().astype(np.float32)
    power = float(flat @ flat) + _FLOOR
    return [float(flat[:-shift] @ flat[shift:]) / power for lag in _LAGS for shift in (lag, lag * plane.shape[1])]


@block("residual.channels", version=1, names=lambda params: list(_CHANNEL_PAIRS))
def residual_channels(frame: Frame, params: Params) -> Values:
    """Correlation about zero between the Laplacian residuals of Y, Cr and Cb at 112 px, (3,) float32."""
    planes = [plane.ravel().astype(np.float32) for plane in (laplacian(frame.pyramid[1]), *frame.laplacians)]
    power = [float(plane @ plane) + _FLOOR for plane in planes]
    pairs = _CHANNEL_PAIRS.values()
    return np.array([float(planes[i] @ planes[j]) / (power[i] * power[j]) ** 0.5 for i, j in pairs], np.float32)


@block("residual.npr", version=1, names=lambda params: [f"{p}.{m}" for p in _NPR_PLANES for m in _MOMENTS])
def residual_npr(frame: Frame, params: Params) -> Values:
    """Neighbouring-pixel relations: moments of each phase of 2x2 cells minus the first, and of the cell's Haar HH.

    Returns
    -------
    (16,) float32: ln mean |r|, ln mean r^2, ln kurtosis about zero and the share of zeros of each plane

    References
    ----------
    Tan et al. 2024, "Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable Deepfake
    Detection", DOI 10.1109/CVPR52733.2024.02657
    """
    first, p01, p10, p11 = (frame.luma[y::2, x::2].astype(np.int16) for y in (0, 1) for x in (0, 1))
    for phase in (p01, p10, p11):
        phase -= first
    return np.array([m for plane in (p01, p10, p11, p11 - p01 - p10) for m in _moments(plane)], np.float32)
