"""The face of `tests.portraits` as the finder of faces takes it: BGR, turned, and set into other pictures."""

from typing import Final

import cv2
import numpy as np
import skimage.data

from features.decode import Pixels
from features.geometry import Points, apply, to_patch, warp
from tests.portraits import FACE, portrait

__all__ = ["CENTER", "ROLL", "astronaut", "bgr_of", "head", "set_into", "turned"]

CENTER: Final[Points] = np.array([224, 124], np.float32)
"""Where the face lies in the photograph of 512 pixels a side: x, y."""

ROLL: Final = 3.0
"""Degrees by which it is tilted."""


def bgr_of(name: str) -> Pixels:
    """Load a picture of scikit-image, (H, W, 3) uint8 BGR."""
    picture = np.asarray(getattr(skimage.data, name)())
    rgb = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
    return np.ascontiguousarray(rgb[..., ::-1], dtype=np.uint8)


def astronaut(scale: float = 1.0) -> Pixels:
    """The photograph, resized."""
    return np.ascontiguousarray(portrait(scale)[..., ::-1])


def turned(degrees: float, side: int = 760) -> tuple[Pixels, Points]:
    """Turn the photograph clockwise on a grey ground; the picture, and where the face came to lie."""
    move = to_patch(np.array([256, 256], np.float32), side, -degrees, side)
    return warp(astronaut(), move, side), apply(move, CENTER)


def head(size: float) -> Pixels:
    """Cut out the astronaut's head at a face of `size` pixels; the face is in the middle of a square of 1.6 faces."""
    scale = size / FACE
    side = round(1.6 * size)
    left, top = (round(float(place) * scale - side / 2) for place in CENTER)
    return astronaut(scale)[top : top + side, left : left + side]


def set_into(picture: Pixels, size: float, x: int, y: int) -> Pixels:
    """Set a face of `size` pixels into a picture, its centre at (x, y), faded out towards the edges."""
    face = head(size)
    left, top = (at - len(face) // 2 for at in (x, y))
    disc = np.zeros((len(face), len(face), 1), np.float32)
    cv2.circle(disc, (len(face) // 2, len(face) // 2), round(0.45 * len(face)), 1.0, cv2.FILLED)
    share = cv2.GaussianBlur(disc, (0, 0), len(face) / 25)[..., None]
    blended = picture.copy()
    place = blended[top : top + len(face), left : left + len(face)]
    place[...] = np.rint(share * face + (1 - share) * place)
    return blended
