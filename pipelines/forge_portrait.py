"""Finds the face that a forgery changes: its square in a picture, and its landmarks there."""

from typing import Final

import numpy as np

from features.decode import Pixels
from features.errors import NoFaceError
from features.faces import KEYPOINTS, TRUSTED, Face, find_faces, landmarks
from features.framing import Square, cut, square_of
from pipelines.forge_parts import Points, Portrait

__all__ = ["find_portrait"]

_TIGHT: Final = 0.9  # least height of the landmarks on a crop that the face fills, in sides: 99 % of 300 have more
_OBLONG: Final = 1.1  # longer side of what may be such a crop, over the shorter


def find_portrait(bgr: Pixels) -> Portrait:
    """Find the face to forge and its landmarks.

    A crop that the face fills is taken whole. In any other picture the largest face is found, and its square becomes
    the portrait. Where nothing is found, a picture that may be a crop becomes a portrait without landmarks.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The picture.

    Raises
    ------
    NoFaceError
        The picture is too oblong to be a crop of a face, and no face was found in it.
    """
    may_be_crop = max(bgr.shape[:2]) <= _OBLONG * min(bgr.shape[:2])
    points = _points(bgr) if may_be_crop else None
    if points is not None and np.ptp(points[:, 1]) >= _TIGHT * len(bgr):
        return Portrait(bgr, points)
    if faces := find_faces(bgr):
        square = square_of(faces[0])
        pixels, place = cut(bgr, Square(square.center, square.side, 0.0))
        return Portrait(pixels, _points(pixels), place)
    if may_be_crop:
        return Portrait(bgr, points)
    raise NoFaceError("no face was found in it")


def _points(crop: Pixels) -> Points | None:
    """Place the landmarks on a crop that an upright face fills; None where they cannot be trusted.

    The network is shown a field of 1.5 sides, its margin grey: of 120 crops it then trusts all, of the crop alone 92 %
    with chins 0.15 of the side too high.
    """
    height, width = crop.shape[:2]
    center = np.array([width / 2, height / 2], np.float32)
    keypoints = np.tile(center, (len(KEYPOINTS), 1))
    points, presence = landmarks(crop, Face(center, max(height, width), keypoints, 1.0))
    return points if presence > TRUSTED else None
