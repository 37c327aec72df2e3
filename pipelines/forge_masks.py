"""Where a forgery blends in: regions of a face, softened as masks, and the blend itself."""

import math
from collections.abc import Mapping
from itertools import chain
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.errors import UnknownNameError
from features.frame import WORKING_SIZE
from pipelines.forge_parts import Mask, Portrait, Value

__all__ = ["PATCH", "REGIONS", "blend", "draw_region", "patch", "region", "soften"]

REGIONS: Final = ("face", "inner", "lower", "mouth", "eyes", "nose")
"""The regions of a face that a forgery may change."""

PATCH: Final = "patch"
"""Anywhere, whatever is there: what a forgery of no face in particular changes."""

# Indices of MediaPipe's face mesh whose convex hull is the region.
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_JAW = (361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132)
_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_EYES = (33, 7, 163, 144, 145, 153, 154, 155, 133, 263, 249, 390, 373, 374, 380, 381, 382, 362)
_BROWS = (70, 63, 105, 66, 107, 46, 53, 300, 293, 334, 296, 336, 276, 283)
_NOSE = (168, 122, 351, 129, 358, 49, 279, 64, 294, 98, 327, 2)
_POINTS: Final[Mapping[str, tuple[int, ...]]] = {
    "face": _OVAL,
    "inner": tuple(chain(_BROWS, _EYES, _NOSE, _LIPS)),
    "lower": tuple(chain((129, 358, 2), _LIPS, _JAW)),
    "mouth": _LIPS,
    "eyes": tuple(chain(_BROWS, _EYES)),
    "nose": _NOSE,
}
_ELLIPSES: Final[Mapping[str, tuple[float, float, float, float]]] = {  # centre and half axes in sides, tight framing
    "face": (0.5, 0.50, 0.43, 0.47),
    "inner": (0.5, 0.50, 0.34, 0.34),
    "lower": (0.5, 0.78, 0.32, 0.20),
    "mouth": (0.5, 0.72, 0.20, 0.09),
    "eyes": (0.5, 0.29, 0.36, 0.12),
    "nose": (0.5, 0.48, 0.14, 0.16),
}
_SHARES: Final[Mapping[str, float]] = {
    "face": 0.34,
    "inner": 0.14,
    "lower": 0.10,
    "mouth": 0.07,
    "eyes": 0.07,
    "nose": 0.04,
    PATCH: 0.24,
}
_SIDES = (0.12, 0.5)  # of a patch, in sides of the picture
_CORNERS, _ROUND = (4, 7), 36  # corners of a patch that is no ellipse, and of one that is
_UNEVEN = 0.35  # most by which a corner is off, in steps from one to the next
_CELLS = (3, 8)  # of the random field, a side
_BENT = 0.04  # most displacement, in sides of the mask
_ERODED = 8.0  # most pixels at the working size
_SIGMA = (1.5, 12.0)  # pixels at the working size
_MOST_ERODED, _MOST_BLURRED = 0.25, 0.4  # in radii of the region: a mouth must not vanish
_LEAST = 1 / 255  # weights below show in no file


def draw_region(portrait: Portrait, rng: np.random.Generator) -> tuple[str, Mask]:
    """Draw a region of a face, the whole of it most often, or a patch: its name, and (H, W) float32, 0 or 1."""
    name = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    return name, patch(portrait.bgr.shape[:2], rng) if name == PATCH else region(portrait, name)


def patch(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """Fill an ellipse or a polygon, turned anyhow, whose middle is anywhere: (H, W) float32, 0 or 1."""
    height, width = shape
    axes, middle = rng.uniform(*_SIDES, 2) * min(shape) / 2, rng.uniform(0, (width, height))
    count, uneven = (_ROUND, 0.0) if rng.random() < 0.5 else (int(rng.integers(*_CORNERS, endpoint=True)), _UNEVEN)
    angles = (np.arange(count) + rng.uniform(-uneven, uneven, count)) * 2 * math.pi / count
    cos, sin = math.cos(turned := rng.uniform(0, math.pi)), math.sin(turned)
    outline, spin = np.column_stack([np.cos(angles), np.sin(angles)]) * axes, np.array([[cos, sin], [-sin, cos]])
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline @ spin + middle).astype(np.int32)], 1)
    return mask.astype(np.float32)


def region(portrait: Portrait, name: str) -> Mask:
    """Fill a region of a face: the convex hull of its landmarks, or an ellipse where there are no landmarks.

    Parameters
    ----------
    portrait : Portrait
        The face; without landmarks it is taken to fill its square as the framing has it.
    name : str
        One of `REGIONS`.

    Returns
    -------
    (H, W) float32 array
        1 inside, 0 outside.

    Raises
    ------
    UnknownNameError
        There is no such region.
    """
    if name not in _POINTS:
        raise UnknownNameError("region", name, REGIONS)
    mask = np.zeros(portrait.bgr.shape[:2], np.uint8)
    if portrait.points is None:
        _fill_ellipse(mask, *_ELLIPSES[name])
    else:
        corners = cv2.convexHull(np.rint(portrait.points[list(_POINTS[name])] - 0.5).astype(np.int32))
        cv2.fillConvexPoly(mask, corners, 1)
    return mask.astype(np.float32)


def _fill_ellipse(mask: npt.NDArray[np.uint8], x: float, y: float, along: float, down: float) -> None:
    """Fill an ellipse that is given in widths and heights of the mask."""
    height, width = mask.shape
    center, axes = (round(x * width), round(y * height)), (round(along * width), round(down * height))
    cv2.ellipse(mask, center, axes, 0, 0, 360, 1, cv2.FILLED)


def soften(mask: Mask, rng: np.random.Generator) -> tuple[Mask, dict[str, Value]]:
    """Bend, erode and blur a region, each by an amount that is drawn.

    Parameters
    ----------
    mask : (H, W) float32 array
        The region, 0 or 1.
    rng : Generator
        Source of the draws.

    Returns
    -------
    (H, W) float32 array
        Weights of the blend, 0 to 1.
    dict
        What was drawn: `bend` (the field's standard deviation), `erosion` and `sigma` in pixels, `cells` of the field.
    """
    scale = min(mask.shape) / WORKING_SIZE
    radius = math.sqrt(float(mask.sum()) / math.pi)
    cells = int(rng.integers(*_CELLS, endpoint=True))
    bend = rng.uniform(0, min(_BENT * min(mask.shape), _MOST_ERODED * radius)) / 2
    erosion = round(min(rng.uniform(0, _ERODED) * scale, _MOST_ERODED * radius))
    sigma = min(rng.uniform(*_SIGMA) * scale, max(_MOST_BLURRED * radius, 0.5))
    soft = _bent(mask, cells, bend, rng)
    if erosion:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * erosion + 1, 2 * erosion + 1))
        soft = np.asarray(cv2.erode(soft, kernel), dtype=np.float32)
    soft = np.asarray(np.clip(cv2.GaussianBlur(soft, (0, 0), sigma), 0, 1), dtype=np.float32)
    soft[soft < _LEAST] = 0
    drawn: dict[str, Value] = {"bend": bend, "cells": cells, "erosion": erosion, "sigma": sigma}
    return soft, drawn


def _bent(mask: Mask, cells: int, strength: float, rng: np.random.Generator) -> Mask:
    """Move every pixel by a smooth random field of this standard deviation in pixels."""
    height, width = mask.shape
    coarse = rng.normal(0, strength, (cells, cells, 2)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x = field[..., 0] + np.arange(width, dtype=np.float32)
    y = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def blend(target: Pixels, source: Pixels, mask: Mask) -> Pixels:
    """Lay a source over a target: their convex combination, rounded.

    Parameters
    ----------
    target, source : (H, W, 3) uint8 array
        Of one size.
    mask : (H, W) float32 array
        Weight of the source, 0 to 1; where it is 0 the target stays to the bit.
    """
    below = target.astype(np.float32)
    return np.rint(below + mask[..., None] * (source.astype(np.float32) - below)).astype(np.uint8)
