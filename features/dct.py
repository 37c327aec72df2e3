"""Block DCT on the JPEG grid: the distribution of each coefficient, and its first digits against Benford's law."""

from functools import cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from features.frame import Frame
from features.planes import Float
from features.spec import Params, Values, block

__all__ = ["dct_benford", "dct_grid_phase", "dct_moments"]

_FLOOR = np.float32(0.01)
_ZERO = np.float32(9 / 16)  # some coefficients are multiples of 1/8, many just 1/2: no threshold for float32
_AC: Final = tuple((v, u) for v in range(8) for u in range(8) if v + u)
_BLOCKS = 28  # a side
_DIVERGENCES = ("kl", "renyi", "tsallis")
_LARGEST = 254  # 255 also stands for all that is larger
_ORDER = 0.3  # of the Renyi and Tsallis divergences
_STATISTICS = ("log_mean", "log_square", "zeros")
_ZIGZAG: Final = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
_ROWS, _COLUMNS = np.transpose(_ZIGZAG)


@block("dct.moments", version=1, names=lambda params: [f"{s}.v{v}u{u}" for s in _STATISTICS for v, u in _AC])
def dct_moments(frame: Frame, params: Params) -> Values:
    """Of each AC coefficient over all blocks: ln mean |c|, ln mean c^2, share of |c| < 9/16.

    The mean of |c| is the maximum-likelihood scale of a Laplacian.

    Returns
    -------
    (189,) float32, statistic by statistic, coefficients row by row without DC
    """
    magnitude = np.abs(frame.dct)
    planes = (magnitude, frame.dct_square, (magnitude < _ZERO).view(np.uint8))
    first, second, zeros = (_over_blocks(plane) for plane in planes)
    return np.concatenate([*np.log([first + _FLOOR, second + _FLOOR]), zeros], dtype=np.float32)


def _over_blocks(plane: npt.NDArray[np.float32] | npt.NDArray[np.uint8]) -> Float:
    """Average a (28, 8, 28, 8) array over all blocks, without DC: (63,) float32."""
    rows = cv2.reduce(plane.reshape(_BLOCKS, -1), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    return np.asarray(rows.reshape(8, _BLOCKS, 8).sum(axis=1).ravel()[1:] / _BLOCKS**2, dtype=np.float32)


@block("dct.grid_phase", version=1, names=lambda params: [f"{d}.p{phase}" for d in ("h", "v") for phase in range(8)])
def dct_grid_phase(frame: Frame, params: Params) -> Values:
    """Ln mean absolute step between neighbours by its phase on the 8-pixel grid, minus the mean over phases.

    The step over a block's edge (phase 7) stands out after compression; a second maximum tells of an earlier grid.

    Returns
    -------
    (16,) float32: across, then down
    """
    luma = frame.luma
    across = cv2.reduce(cv2.absdiff(luma[:, 1:], luma[:, :-1]), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    down = cv2.reduce(cv2.absdiff(luma[1:], luma[:-1]), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    steps = np.stack([across, down]).astype(np.float32)
    steps = np.append(steps, steps[:, -8:-7], axis=1)  # after the last pixel there is no step: the one before stands in
    logs = np.log(steps.reshape(2, _BLOCKS, 8).mean(axis=1) / len(luma) + _FLOOR)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), dtype=np.float32).ravel()


class _Benford(NamedTuple):
    """What every image's first digits are compared by.

    Attributes
    ----------
    place, coefficient : (9, 784) intp, (9, 784) uint8
        Where the nine coefficients of each block stand in `Frame.dct`, flat, and their number.
    digit : (255, 9) float32
        Which magnitudes start with which decimal digit.
    laws, power : (K, 9) and (K,) float64
        Candidate laws, each summing to 1, and the sums of their squares.
    """

    place: npt.NDArray[np.intp]
    coefficient: npt.NDArray[np.uint8]
    digit: Float
    laws: npt.NDArray[np.float64]
    power: npt.NDArray[np.float64]


@cache
def _benford() -> _Benford:
    first = np.array([int(str(magnitude)[0]) for magnitude in range(_LARGEST + 1)])
    m = np.arange(1, 10)
    laws = [np.log1p(1 / (a + m**beta)) for beta in np.arange(0.4, 2.5, 0.2) for a in (-0.5, 0.0, 0.5, 1.0, 2.0, 4.0)]
    shares = np.stack(laws) / np.sum(laws, axis=1, keepdims=True)
    coefficient = np.repeat(np.arange(len(_ZIGZAG), dtype=np.uint8)[:, None], _BLOCKS**2, axis=1)
    places = np.arange(_BLOCKS**2 * 64).reshape(_BLOCKS, 8, _BLOCKS, 8)[:, _ROWS, :, _COLUMNS]
    place = np.ascontiguousarray(places.reshape(len(_ZIGZAG), -1))
    return _Benford(place, coefficient, (first[:, None] == m).astype(np.float32), shares, (shares**2).sum(axis=1))


@block("dct.benford", version=1, names=lambda params: [f"{d}.v{v}u{u}" for d in _DIVERGENCES for v, u in _ZIGZAG])
def dct_benford(frame: Frame, params: Params) -> Values:
    """Distance of the first digits of nine AC coefficients from the generalised Benford law that fits them best.

    Magnitudes are rounded to whole numbers; those of 1 to 254 count. The law is p(m) ~ ln(1 + 1 / (a + m^beta)), its
    pair (a, beta) the one of least squared distance on a grid.

    Returns
    -------
    (27,) float32: the symmetric Kullback-Leibler, Renyi and Tsallis (both of order 0.3) divergences, each of all nine

    References
    ----------
    Bonettini, Bestagini, Milani and Tubaro 2020, "On the use of Benford's law to detect GAN-generated images",
    arXiv:2004.07682
    """
    whole = cv2.convertScaleAbs(frame.dct.ravel().take(_benford().place))
    bins = [len(_ZIGZAG), _LARGEST + 1]
    counts = cv2.calcHist([_benford().coefficient, whole], [0, 1], None, bins, [0, bins[0], 0, bins[1]])
    digits = np.asarray(counts, dtype=np.float64) @ _benford().digit + 0.5  # so that none is impossible
    return _divergences(digits / digits.sum(axis=1, keepdims=True)).astype(np.float32)


def _divergences(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Divergences of each row of digit shares from its nearest law, (3 * rows,): all of one kind together."""
    benford = _benford()
    nearest = np.argmin(benford.power - 2 * p @ benford.laws.T, axis=1)
    q = benford.laws[nearest]
    kl = ((p - q) * np.log(p / q)).sum(axis=1)
    mixed = [(x**_ORDER * y ** (1 - _ORDER)).sum(axis=1) for x, y in ((p, q), (q, p))]
    renyi = np.log(mixed).sum(axis=0) / (_ORDER - 1)
    tsallis = (2 - mixed[0] - mixed[1]) / (1 - _ORDER)
    return np.concatenate([kl, renyi, tsallis])
