"""An image at the working size, with the planes that several blocks share.

A frame is decoded once and brought to 224x224 pixels once; its planes are computed when first asked for and kept,
so that ten blocks share one decode, one transform and one residual.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels, check_size, decode, on_white
from features.errors import UnsupportedImageError
from features.source import read_bytes

__all__ = ["FRAME_POLICY", "WORKING_SIZE", "Frame"]

WORKING_SIZE: Final = 224
"""Side of the square that every block measures, in pixels."""

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
    """

    bgr: Pixels

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes | Pixels) -> "Frame":
        """Make a frame of a path, of encoded bytes or of decoded pixels.

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
            return cls(_to_working_size(_from_array(source)))
        data = source if isinstance(source, bytes) else read_bytes(os.fspath(source))
        return cls(_to_working_size(decode(data)))

    @cached_property
    def planes(self) -> tuple[Pixels, Pixels, Pixels]:
        """Luma, Cr and Cb (ITU-R BT.601, full range), each (224, 224) uint8."""
        luma, cr, cb = cv2.split(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2YCrCb))
        return luma, cr, cb  # type: ignore[return-value]

    @property
    def luma(self) -> Pixels:
        """The luma plane, (224, 224) uint8."""
        return self.planes[0]

    @cached_property
    def luma_float(self) -> npt.NDArray[np.float32]:
        """The luma plane, (224, 224) float32 in 0 to 255."""
        return self.luma.astype(np.float32)


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


def _to_working_size(bgr: Pixels) -> Pixels:
    """Stretch the whole image to the working size: area averages where it shrinks, cubic where it grows."""
    height, width = bgr.shape[:2]
    if height == width == WORKING_SIZE:
        return np.ascontiguousarray(bgr)
    method = cv2.INTER_AREA if min(height, width) >= WORKING_SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(bgr, (WORKING_SIZE, WORKING_SIZE), interpolation=method), dtype=np.uint8)
