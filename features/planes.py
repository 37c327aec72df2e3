"""The transforms behind a frame's shared planes: pure functions of one plane of pixels."""

from collections.abc import Callable
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels

__all__ = [
    "DCT_BASIS",
    "RESIDUALS",
    "SQUARE3",
    "SQUARE3_DIVISOR",
    "Float",
    "Signed",
    "area",
    "block_dct",
    "laplacian",
    "lbp_codes",
    "log_spectrum",
    "resize",
]

Float = npt.NDArray[np.float32]
Signed = npt.NDArray[np.int16]

_LBP_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # clockwise: bit 0 to bit 7
_SIDE = 224
_EPSILON = 1.0  # well below the noise of 8-bit samples; what is smaller still differs between processors

SQUARE3_DIVISOR: Final = 4
"""What the SQUARE3x3 residual is divided by (Fridrich and Kodovsky 2012, DOI 10.1109/TIFS.2012.2190402)."""

SQUARE3: Final = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32)
"""The kernel of the SQUARE3x3 residual, from the same source."""

_SECOND: Final = np.array([1, -2, 1], np.float32)  # across and, negated, down: SQUARE3 in half the time


def _dct_basis() -> Float:
    sample, frequency = np.meshgrid(np.arange(8), np.arange(8))
    basis = 0.5 * np.cos((2 * sample + 1) * frequency * np.pi / 16)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


DCT_BASIS: Final = _dct_basis()
"""The orthonormal DCT-II of 8 samples, (8, 8) float32: one frequency a row."""


def area(plane: Pixels, side: int) -> Pixels:
    """Shrink a plane to `side` by `side` pixels by area averages, uint8."""
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Stretch an image to `width` by `height` pixels: area averages along what shrinks, cubic along what grows."""
    shrunk = (min(pixels.shape[1], width), min(pixels.shape[0], height))
    if shrunk != pixels.shape[1::-1]:
        pixels = np.asarray(cv2.resize(pixels, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if shrunk != (width, height):
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    return pixels


@cache
def _hann(side: int) -> Float:
    return np.outer(np.hanning(side), np.hanning(side)).astype(np.float32)


def log_spectrum(plane: Pixels | Float) -> Float:
    """Take ln(|F| + 1) of a Hann-windowed plane, without the columns kx = 0 and kx = n / 2.

    Parameters
    ----------
    plane : (n, n) uint8 or float32 array, n even
        Samples from 0 to 255.

    Returns
    -------
    (n, n / 2 - 1) float32, ky = 0..n-1 down, kx = 1..n/2-1 across
    """
    side = plane.shape[0]
    packed = cv2.dft(cv2.multiply(plane, _hann(side), dtype=cv2.CV_32F))  # CCS: re and im alternate from column 1
    magnitude = np.abs(packed[:, 1 : side - 1].view(np.complex64))
    return np.asarray(cv2.log(magnitude + np.float32(_EPSILON)), dtype=np.float32)


def block_dct(luma: Float) -> Float:
    """Transform every 8x8 block by the orthonormal DCT-II (Ahmed, Natarajan and Rao 1974, DOI 10.1109/T-C.1974.223784).

    Parameters
    ----------
    luma : (224, 224) float32 array
        Samples from 0 to 255.

    Returns
    -------
    (28, 8, 28, 8) float32: [y, v, x, u] is the coefficient of vertical frequency v, horizontal u, in block (y, x)
    """
    down = np.matmul(DCT_BASIS, luma.reshape(28, 8, _SIDE))
    return np.asarray(np.matmul(down.reshape(28, 8, 28, 8), DCT_BASIS.T), dtype=np.float32)


def laplacian(plane: Pixels) -> Signed:
    """Filter by the 3x3 Laplacian, centre -4, int16; borders are reflected without repeating the edge."""
    return np.asarray(cv2.Laplacian(plane, cv2.CV_16S), dtype=np.int16)


def lbp_codes(plane: Pixels, step: int = 1) -> Pixels:
    """Local binary patterns with P = 8 neighbours of the 3x3 square.

    Parameters
    ----------
    plane : (H, W) uint8 array
        At least 3 by 3.
    step : int
        1 for all rows of centres, 2 for every other.

    Returns
    -------
    (ceil((H - 2) / step), W - 2) uint8: bit k is set where neighbour k, clockwise from the upper left, is at least
    the centre

    References
    ----------
    Ojala, Pietikainen and Maenpaa 2002, DOI 10.1109/TPAMI.2002.1017623
    """
    height, width = plane.shape
    centre = plane[1:-1:step, 1:-1]
    codes, mask = np.zeros(centre.shape, np.uint8), np.empty(centre.shape, np.uint8)
    for bit, (dy, dx) in enumerate(_LBP_NEIGHBOURS):
        cv2.compare(plane[1 + dy : height - 1 + dy : step, 1 + dx : width - 1 + dx], centre, cv2.CMP_GE, mask)
        np.bitwise_and(mask, np.uint8(1 << bit), out=mask)
        np.bitwise_or(codes, mask, out=codes)
    return codes


def _square3(luma: Pixels) -> Signed:
    return np.asarray(cv2.sepFilter2D(luma, cv2.CV_16S, _SECOND, -_SECOND), dtype=np.int16)


def _minus_median(luma: Pixels) -> Signed:
    return np.subtract(luma, cv2.medianBlur(luma, 3), dtype=np.int16)


RESIDUALS: Final[dict[str, Callable[[Pixels], Signed]]] = {
    "square3": _square3,
    "median": _minus_median,
}
"""What the shared residual planes are, by name."""
