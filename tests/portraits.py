"""A photograph of one face for tests, the astronaut that comes with scikit-image, at any size and in company."""

import cv2
import numpy as np
from skimage.data import astronaut

from features.decode import Pixels

__all__ = ["FACE", "beside", "portrait"]

FACE = 105.0
"""Side of the face in the photograph as it comes, in pixels; its centre lies at x 223, y 122."""


def portrait(scale: float = 1.0) -> Pixels:
    """Give the photograph, 512 pixels a side, resized by a factor; RGB."""
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=smooth), dtype=np.uint8)


def beside(*pictures: Pixels) -> Pixels:
    """Set pictures beside each other on a grey ground, their upper edges in line."""
    height = max(len(picture) for picture in pictures)
    grounds = [np.full((height, picture.shape[1], 3), 127, np.uint8) for picture in pictures]
    for ground, picture in zip(grounds, pictures, strict=True):
        ground[: len(picture)] = picture
    return np.hstack(grounds)
