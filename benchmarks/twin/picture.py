"""What the twins start from: planes, pyramid, spectra, block DCT, residuals and patterns, each computed once."""

from collections.abc import Callable
from functools import cached_property
from itertools import product
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.feature import local_binary_pattern
from skimage.transform import downscale_local_mean
from skimage.util import view_as_blocks

__all__ = ["FLOOR", "PLANES", "Bytes", "Floats", "Ints", "Picture", "Twin", "named"]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FLOOR: Final = 0.01
"""What is added before a logarithm."""

PLANES: Final = ("y", "cr", "cb")
"""Luma, Cr and Cb, as the features call them."""


class Picture:
    """Decoded pixels, (224, 224, 3) uint8 RGB, and what several twins start from, each computed once."""

    def __init__(self, rgb: Bytes) -> None:
        self.rgb = rgb

    @cached_property
    def planes(self) -> tuple[Bytes, Bytes, Bytes]:
        """Luma, Cr and Cb at 224 px: BT.601 weights in units of 2^-14, rounded half up."""
        red, green, blue = np.moveaxis(self.rgb.astype(np.int64), -1, 0)
        half = 1 << 13
        luma = (4899 * red + 9617 * green + 1868 * blue + half) >> 14
        cr = (((red - luma) * 11682 + half) >> 14) + 128
        cb = (((blue - luma) * 9241 + half) >> 14) + 128
        first, second, third = (np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, cr, cb))
        return first, second, third

    @cached_property
    def pyramid(self) -> tuple[Bytes, Bytes, Bytes]:
        """Luma at 224, 112 and 56 px."""
        half = _halve(self.planes[0])
        return self.planes[0], half, _halve(half)

    @cached_property
    def chroma(self) -> tuple[Bytes, Bytes]:
        """Cr and Cb at 112 px."""
        return _halve(self.planes[1]), _halve(self.planes[2])

    @cached_property
    def spectra(self) -> tuple[Floats, Floats, Floats]:
        """The whole of ln(|F| + 1) of windowed luma at 224 px, Cr and Cb at 112 px."""
        return _log_spectrum(self.planes[0]), _log_spectrum(self.chroma[0]), _log_spectrum(self.chroma[1])

    @cached_property
    def dct(self) -> Floats:
        """Orthonormal DCT-II of the 8x8 blocks, (28, 28, 8, 8) as [y, x, v, u]."""
        blocks = view_as_blocks(self.planes[0].astype(np.float64), (8, 8))
        return np.asarray(fft.dctn(blocks, axes=(2, 3), norm="ortho"))

    @cached_property
    def laplacians(self) -> tuple[Ints, Ints, Ints]:
        """Luma, Cr and Cb at 112 px, filtered by the 3x3 Laplacian."""
        return _laplacian(self.pyramid[1]), _laplacian(self.chroma[0]), _laplacian(self.chroma[1])

    @cached_property
    def square3(self) -> Ints:
        """Luma filtered by SQUARE3x3, without its divisor."""
        kernel = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
        return np.asarray(ndimage.convolve(self.planes[0].astype(np.int64), kernel, mode="mirror"))

    @cached_property
    def minus_median(self) -> Ints:
        """Luma minus its 3x3 median; the median repeats the border."""
        luma = self.planes[0].astype(np.int64)
        return np.asarray(luma - ndimage.median_filter(luma, size=3, mode="nearest"))

    @cached_property
    def patterns(self) -> tuple[Ints, ...]:
        """Local binary patterns of the inner pixels of luma at 224, 112 and 56 px, Cr and Cb at 112 px."""
        return tuple(_patterns(plane) for plane in (*self.pyramid, *self.chroma))


def _halve(plane: Bytes) -> Bytes:
    return np.asarray(np.floor(downscale_local_mean(plane, (2, 2)) + 0.5), np.uint8)


def _laplacian(plane: Bytes) -> Ints:
    return np.asarray(ndimage.laplace(plane.astype(np.int64), mode="mirror"))


def _log_spectrum(plane: Bytes) -> Floats:
    window = np.hanning(len(plane))
    return np.asarray(np.log(np.abs(fft.fft2(plane * window[:, None] * window)) + 1))


def _patterns(plane: Bytes) -> Ints:
    """Codes of the 3x3 square: scikit-image counts anticlockwise from the right, so its bits are put into our order."""
    sides = local_binary_pattern(plane, 4, 1).astype(np.int64)  # right, up, left, down
    corners = local_binary_pattern(plane, 8, np.sqrt(2)).astype(np.int64)  # odd bits: up right, up left, ...
    ring = [corners >> 3, sides >> 1, corners >> 1, sides, corners >> 7, sides >> 3, corners >> 5, sides >> 2]
    return np.asarray(sum((bits & 1) << place for place, bits in enumerate(ring))[1:-1, 1:-1])


class Twin(NamedTuple):
    """One block's second computation: what it calls its values, and how it gets them."""

    names: list[str]
    compute: Callable[[Picture], Floats]


def named(*levels: list[str] | tuple[str, ...]) -> list[str]:
    """Join every choice of one part a level by dots, the last level fastest."""
    return [".".join(parts) for parts in product(*levels)]
