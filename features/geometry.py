"""Moves between the coordinates of a picture and those of a patch cut from it.

Points are x, y in pixels with the origin at the top left corner of the top left pixel, whose centre is (0.5, 0.5).
A move is a (2, 3) float32 matrix for column vectors (x, y, 1).
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels

__all__ = ["GREY", "Move", "Points", "apply", "inverse", "on_ground", "scaled", "to_patch", "warp"]

Points = npt.NDArray[np.float32]
Move = npt.NDArray[np.float32]

GREY = (127, 127, 127)
"""The plain ground on which pixels are set where a picture ends."""


def to_patch(center: Points, size: float, roll: float, side: int) -> Move:
    """Give the move that brings a square of a picture onto a patch.

    Parameters
    ----------
    center : (2,) array
        Centre of the square.
    size : float
        Its side, in pixels of the picture.
    roll : float
        Degrees by which it is turned clockwise; the patch is upright.
    side : int
        Pixels of the patch a side.
    """
    scale, angle = side / size, math.radians(roll)
    along, across = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[along, across], [-across, along]])
    return np.column_stack([turn, side / 2 - turn @ center]).astype(np.float32)


def apply(move: Move, points: Points) -> Points:
    """Move points, (..., 2) float32."""
    return np.asarray(points @ move[:, :2].T + move[:, 2], dtype=np.float32)


def inverse(move: Move) -> Move:
    """Give the move back."""
    return np.asarray(cv2.invertAffineTransform(move), dtype=np.float32)


def warp(
    bgr: Pixels, move: Move, side: int, *, smooth: int = cv2.INTER_LINEAR, border: int = cv2.BORDER_CONSTANT
) -> Pixels:
    """Cut a square patch out of a picture: what shrinks by two and more is averaged over areas first.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The picture; beyond it lies a grey ground, or what `border` of OpenCV says.
    move : (2, 3) array
        From the picture to the patch.
    side : int
        Pixels of the patch a side.
    smooth : int
        Interpolation of OpenCV.
    border : int
        Border mode of OpenCV.

    Returns
    -------
    (side, side, 3) uint8 array
    """
    region, left, top = _seen(bgr, inverse(move), side)
    shrink = math.floor(1 / math.hypot(*move[:, 0]))
    factors = np.ones(2)
    if shrink > 1:
        reduced = scaled(region, 1 / shrink)
        factors = np.array(reduced.shape[1::-1]) / region.shape[1::-1]
        region = reduced
    turn = move[:, :2] / factors
    shift = move[:, 2] + move[:, :2] @ (left, top) + turn @ (0.5, 0.5) - 0.5  # OpenCV counts from the pixel's centre
    patch = cv2.warpAffine(
        region, np.column_stack([turn, shift]), (side, side), flags=smooth, borderMode=border, borderValue=GREY
    )
    return np.asarray(patch, dtype=np.uint8)


def scaled(bgr: Pixels, scale: float) -> Pixels:
    """Resize both sides by a factor, each to at least a pixel: areas averaged below a half, else linear."""
    width, height = (max(1, round(length * scale)) for length in bgr.shape[1::-1])
    smooth = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=smooth), dtype=np.uint8)


def on_ground(bgr: Pixels, left: int, top: int, width: int, height: int) -> Pixels:
    """Set pixels into a grey ground of width x height, their top left corner at (left, top)."""
    bottom, right = height - top - bgr.shape[0], width - left - bgr.shape[1]
    ground = cv2.copyMakeBorder(bgr, top, bottom, left, right, cv2.BORDER_CONSTANT, value=GREY)
    return np.asarray(ground, dtype=np.uint8)


def _seen(bgr: Pixels, to_picture: Move, side: int) -> tuple[Pixels, int, int]:
    """Cut out what a patch can see of a picture, a pixel wider; where it begins. At least one pixel."""
    corners = apply(to_picture, np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float32))
    height, width = bgr.shape[:2]
    left, top = (int(np.clip(low, 0, most - 1)) for low, most in zip(corners.min(0) - 1, (width, height), strict=True))
    right, bottom = (
        int(np.clip(high, low + 1, most))
        for high, low, most in zip(corners.max(0) + 2, (left, top), (width, height), strict=True)
    )
    return bgr[top:bottom, left:right], left, top
