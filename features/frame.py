"""An image at the working size, with the planes that several blocks share.

A frame is decoded once and brought to 224x224 pixels once; its planes are computed when first asked for and kept,
so that ten blocks share one decode, one transform and one residual.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, cast

import cv2
import numpy as np

from features.decode import Pixels, check_size, decode, on_white
from features.errors import UnsupportedImageError
from features.planes import RESIDUALS, Float, Signed, area, block_dct, laplacian, lbp_codes, log_spectrum, resize
from features.source import read_bytes

__all__ = ["FRAME_POLICY", "LBP_CELLS", "WORKING_SIZE", "Frame", "load_pixels"]

WORKING_SIZE: Final = 224
"""Side of the square that every block measures, in pixels."""

LBP_CELLS: Final = 4
"""Cells a side in which local binary patterns are counted."""

FRAME_POLICY: Final = "strict decode, upright, on white, high byte; 224x224 whole, area down, cubic up; frame/1"
"""What happens to an image before it is measured; part of every digest."""

cv2.setNumThreads(1)  # at 224 px threads cost more than they give; processes scale


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded image at the working size.

    Attributes
    ----------
    bgr : (224, 224, 3) uint8 array
        Contiguous; do not write to it.
    size : (int, int)
        Height and width of the image as it came, in pixels: no feature, but it limits what a verdict is worth.
    """

    bgr: Pixels
    size: tuple[int, int] = (WORKING_SIZE, WORKING_SIZE)

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes | Pixels) -> "Frame":
        """Make a frame of a whole image; takes and raises what `load_pixels` does."""
        return cls.of(load_pixels(source))

    @classmethod
    def of(cls, bgr: Pixels) -> "Frame":
        """Make a frame of all of (H, W, 3) uint8 pixels in BGR order."""
        return cls(np.ascontiguousarray(resize(bgr, WORKING_SIZE, WORKING_SIZE)), (bgr.shape[0], bgr.shape[1]))

    def mirrored(self) -> "Frame":
        """Give the frame with left and right swapped; its JPEG grid stays in place."""
        return Frame(np.ascontiguousarray(self.bgr[:, ::-1]), self.size)

    @cached_property
    def planes(self) -> tuple[Pixels, Pixels, Pixels]:
        """Luma, Cr and Cb (ITU-R BT.601, full range), each (224, 224) uint8."""
        return cast("tuple[Pixels, Pixels, Pixels]", cv2.split(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2YCrCb)))

    @property
    def luma(self) -> Pixels:
        """The luma plane, (224, 224) uint8."""
        return self.planes[0]

    @cached_property
    def luma_float(self) -> Float:
        """The luma plane, (224, 224) float32 in 0 to 255."""
        return self.luma.astype(np.float32)

    @cached_property
    def pyramid(self) -> tuple[Pixels, Pixels, Pixels]:
        """Luma at 224, 112 and 56 px, each level the area average of the one before, uint8."""
        half = area(self.luma, 112)
        return self.luma, half, area(half, 56)

    @cached_property
    def chroma(self) -> tuple[Pixels, Pixels]:
        """Cr and Cb at 112 px, the resolution that 4:2:0 sampling leaves, uint8."""
        return area(self.planes[1], 112), area(self.planes[2], 112)

    @cached_property
    def laplacians(self) -> tuple[Signed, Signed]:
        """The 3x3 Laplacian of Cr and Cb at 112 px, int16."""
        return laplacian(self.chroma[0]), laplacian(self.chroma[1])

    @cached_property
    def residuals(self) -> dict[str, Signed]:
        """Residual planes of luma by name, int16: high-pass filters by their SRM names, `median` minus 3x3 median."""
        return {name: make(self.luma) for name, make in RESIDUALS.items()}

    @cached_property
    def log_spectra(self) -> tuple[Float, Float, Float]:
        """Logarithm ln(|F| + 1) of the windowed luma (224, 111) and of Cr and Cb at 112 px (112, 55), float32."""
        return log_spectrum(self.luma), log_spectrum(self.chroma[0]), log_spectrum(self.chroma[1])

    @cached_property
    def dct(self) -> Float:
        """Orthonormal 8x8 DCT-II of all blocks on the JPEG grid, (28, 8, 28, 8) float32 as [y, v, x, u]."""
        return block_dct(self.luma_float)

    @cached_property
    def dct_square(self) -> Float:
        """The squares of `dct`."""
        return self.dct * self.dct

    @cached_property
    def lbp(self) -> tuple[Float, ...]:
        """Counts of local binary patterns in 4x4 cells, (16, 256): luma at 224, 112 and 56 px, Cr and Cb at 112.

        At 224 px every other row of centres is counted.
        """
        luma, half, quarter = self.pyramid
        (y1,), (y2, cr, cb, y4) = _lbp_counts(luma, step=2), _lbp_counts(half, *self.chroma, quarter)
        return y1, y2, y4, cr, cb


@cache
def _lbp_cells(sides: tuple[int, ...], step: int) -> Pixels:
    """Map the centres inside square planes stacked on each other to the numbers of their cells, 255 where none is."""
    stacked = np.full((sum(sides), max(sides)), 255, np.uint8)
    for plane, side in enumerate(sides):
        band, top = np.arange(1, side - 1) * LBP_CELLS // side, sum(sides[:plane])
        cell = (LBP_CELLS * plane + band[:, None]) * LBP_CELLS + band
        stacked[top + 1 : top + side - 1, 1 : side - 1] = cell
    return np.ascontiguousarray(stacked[1:-1:step, 1:-1])


def _lbp_counts(*planes: Pixels, step: int = 1) -> Float:
    """Count the patterns in each cell of square planes, (planes, 16, 256): stacked, they share each comparison."""
    cells = LBP_CELLS**2 * len(planes)
    found = [_lbp_cells(tuple(map(len, planes)), step), lbp_codes(_stack(planes), step)]
    counts = cv2.calcHist(found, [0, 1], None, [cells, 256], [0, cells, 0, 256])
    return np.asarray(counts, dtype=np.float32).reshape(len(planes), -1, 256)


def _stack(planes: Sequence[Pixels]) -> Pixels:
    """Put square planes below each other, the narrow ones to the left."""
    if len(planes) == 1:
        return planes[0]
    stacked, top = np.zeros((sum(map(len, planes)), max(map(len, planes))), np.uint8), 0
    for plane in planes:
        stacked[top : top + len(plane), : len(plane)] = plane
        top += len(plane)
    return stacked


def load_pixels(source: str | os.PathLike[str] | bytes | Pixels) -> Pixels:
    """Bring a path, encoded bytes or decoded pixels to (H, W, 3) uint8 pixels in BGR order, upright.

    Parameters
    ----------
    source : path, bytes or array
        A path may point into a zip (`set.zip!/faces/a.jpg`). An array is (H, W) grey, (H, W, 3) RGB
        or (H, W, 4) RGBA, uint8.

    Raises
    ------
    ImageError
        One of its kinds, where the source cannot be measured.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    return decode(source if isinstance(source, bytes) else read_bytes(os.fspath(source)))


def _from_array(array: Pixels) -> Pixels:
    """Check decoded pixels and bring them to (H, W, 3) uint8, BGR."""
    if array.dtype != np.uint8:
        raise UnsupportedImageError(f"an array of pixels must be uint8, not {array.dtype}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UnsupportedImageError(f"an array of pixels must be (H, W), (H, W, 3) or (H, W, 4), not {array.shape}")
    check_size(*array.shape[:2])
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2)
    return np.ascontiguousarray(array[..., ::-1]) if array.shape[2] == 3 else on_white(array)
