"""Colour: chroma statistics of the planes."""

import cv2
import numpy as np

from features.frame import Frame
from features.spec import Params, Values, block

__all__ = ["color_global"]


@block("color.global", version=1, names=lambda params: [f"{s}.{p}" for s in ("mean", "std") for p in ("y", "cr", "cb")])
def color_global(frame: Frame, params: Params) -> Values:
    """Mean and standard deviation of luma, Cr and Cb, in grey levels."""
    moments = [cv2.meanStdDev(plane) for plane in frame.planes]
    return np.array([m[i].item() for i in (0, 1) for m in moments], np.float32)
