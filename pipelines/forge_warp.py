"""The same face with another expression: landmarks are moved, the mesh follows, and the region is blended back.

It stands in for transfer of expressions (Face2Face, NeuralTextures): identity and light stay, shapes do not fit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import NoFaceError
from features.frame import WORKING_SIZE
from features.perturb import blur, rescale, tone
from pipelines.forge_geometry import axes, mesh_field, sample
from pipelines.forge_masks import blend, region, soften
from pipelines.forge_parts import Forged, Points, Portrait, Value

__all__ = ["MOVEMENTS", "Movement", "warp"]


@dataclass(frozen=True)
class Movement:
    """A change of expression.

    Attributes
    ----------
    regions : tuple of str
        What may be blended back, the first most often.
    handles : mapping
        Landmarks that move, each with its way across (to the right of the picture) and down, for an amplitude of 1.
    held : tuple of int
        Landmarks that stay.
    low, high : float
        The amplitude, in heights of the face; beyond a handle it falls off as a Gaussian.
    reach : float
        Its standard deviation, in heights of the face.
    """

    regions: tuple[str, ...]
    handles: Mapping[int, tuple[float, float]]
    held: tuple[int, ...]
    low: float
    high: float
    reach: float


def _all(indices: tuple[int, ...], across: float, down: float) -> dict[int, tuple[float, float]]:
    return dict.fromkeys(indices, (across, down))


_LEFT_LIDS, _RIGHT_LIDS = (160, 159, 158), (385, 386, 387)  # the middle of the upper lids, by side of the picture
_LOWER_LIDS = (33, 133, 145, 144, 153, 362, 263, 374, 373, 380)
_BROWS = (70, 63, 105, 66, 107, 300, 293, 334, 296, 336)
_UPPER_LIP = (37, 0, 267, 39, 269, 82, 13, 312, 81, 311, 61, 291, 78, 308, 2, 164)
_LOWER_LIP = (87, 14, 317, 86, 15, 316, 85, 16, 315, 84, 17, 314)
_INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_CHIN = (152, 148, 377, 175, 199, 200)

MOVEMENTS: Final[Mapping[str, Movement]] = {
    "open": Movement(("lower", "face"), _all(_LOWER_LIP, 0, 1) | _all(_CHIN, 0, 0.6), _UPPER_LIP, 0.025, 0.075, 0.06),
    "smile": Movement(
        ("lower", "face"),
        {61: (-1, -0.6), 291: (1, -0.6), 205: (-0.4, -0.3), 425: (0.4, -0.3)},
        (2,),
        0.015,
        0.05,
        0.05,
    ),
    "narrow": Movement(("lower", "face"), {61: (1, 0), 291: (-1, 0)}, (2, 13, 14), 0.015, 0.05, 0.05),
    "wide": Movement(("eyes", "face"), _all((*_LEFT_LIDS, *_RIGHT_LIDS), 0, -1), _LOWER_LIDS, 0.012, 0.028, 0.03),
    "closed": Movement(("eyes", "face"), _all((*_LEFT_LIDS, *_RIGHT_LIDS), 0, 1), _LOWER_LIDS, 0.015, 0.035, 0.03),
    "raised": Movement(("eyes", "inner", "face"), _all(_BROWS, 0, -1), _LOWER_LIDS, 0.015, 0.045, 0.05),
    "lowered": Movement(("eyes", "inner", "face"), _all(_BROWS, 0, 1), _LOWER_LIDS, 0.015, 0.035, 0.05),
}
"""The changes of expression by name."""

_MOUTH: Final = ("open", "smile", "narrow")
_EYES: Final = ("wide", "closed", "raised", "lowered")
_BOTH = 0.3  # share of faces whose mouth and eyes both change
_MOUTHS = 0.6  # share of the others whose mouth does
_USUAL = 0.6  # share of regions that are the movement's first
_DARK = (0.0, 0.6)  # how much darker the inside of an opened mouth gets
_RENDERED = 0.85  # share of sources that pass through a renderer
_SIZES, _SIGMA = (0.4, 1.0), (0.3, 0.9)
_SHARPENED = 0.35  # share of renderers that sharpen rather than blur
_SHARPENING = (0.2, 1.2)
_BRIGHTNESS, _CONTRAST, _SATURATION = 5.0, 0.06, 0.12  # most change by the renderer
_RATIO = (0.85, 1.0)


def warp(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """Change the expression of a face.

    Parameters
    ----------
    target : Portrait
        The face.
    donor : Portrait or None
        Not needed.
    rng : Generator
        Source of all draws.

    Returns
    -------
    Forged
        Its parameters name each movement with its amplitude in heights of the face, the region and its softening, and
        what the renderer changed.

    Raises
    ------
    NoFaceError
        The target has no landmarks.
    """
    if target.points is None:
        raise NoFaceError("an expression needs landmarks, and none were found")
    names = _draw_names(rng)
    amplitudes = {name: float(rng.uniform(MOVEMENTS[name].low, MOVEMENTS[name].high)) for name in names}
    moved = target.points.copy()
    for name, by in amplitudes.items():
        moved += _displacement(target.points, MOVEMENTS[name], by)
    whole = target.pristine if target.pristine is not None and rng.random() < 0.5 else target.bgr
    drawn: dict[str, Value] = {**amplitudes, "pristine": int(whole is not target.bgr)}
    field = mesh_field(target.points, moved, whole.shape, np.eye(2, 3, dtype=np.float32))
    source = sample(whole, field, smooth=cv2.INTER_CUBIC)
    if "open" in amplitudes:
        drawn["dark"] = dark = float(rng.uniform(*_DARK))
        source = _darkened(source, moved, dark)
    source, look = _rendered(source, rng)
    name = _draw_region(names, rng)
    mask, softening = soften(np.maximum(region(target, name), region(Portrait(target.bgr, moved), name)), rng)
    ratio = float(rng.uniform(*_RATIO))
    mask = mask * np.float32(ratio)
    return Forged(blend(target.bgr, source, mask), mask, drawn | look | softening | {"region": name, "ratio": ratio})


def _draw_names(rng: np.random.Generator) -> list[str]:
    """Draw what changes: something about the mouth, about the eyes, or both."""
    mouth, eyes = str(rng.choice(_MOUTH)), str(rng.choice(_EYES))
    if rng.random() < _BOTH:
        return [mouth, eyes]
    return [mouth] if rng.random() < _MOUTHS else [eyes]


def _draw_region(names: list[str], rng: np.random.Generator) -> str:
    """Draw what is blended back: a region of the movement; where two parts of the face move, all of it."""
    if len(names) > 1:
        return "face"
    first, *others = MOVEMENTS[names[0]].regions
    return first if rng.random() < _USUAL else str(rng.choice(others))


def _displacement(points: Points, movement: Movement, amplitude: float) -> Points:
    """Tell how far each landmark moves, (468, 2) in pixels: as the handles near it, less the farther they are."""
    across, down, height = axes(points)
    ways = np.array([x * across + y * down for x, y in movement.handles.values()], np.float32)
    apart = np.linalg.norm(points[:, None] - points[list(movement.handles)], axis=2)
    weights = np.exp(-((apart / (movement.reach * height)) ** 2) / 2)
    moved = weights @ ways / np.maximum(weights.sum(axis=1), 1)[:, None]
    moved[list(movement.held)] = 0
    return np.asarray(amplitude * height * moved, dtype=np.float32)


def _darkened(bgr: Pixels, points: Points, share: float) -> Pixels:
    """Darken what shows between the lips."""
    height = axes(points)[2]
    inside = np.zeros(bgr.shape[:2], np.float32)
    cv2.fillPoly(inside, [np.rint(points[list(_INNER_LIPS)] - 0.5).astype(np.int32)], share)
    soft = cv2.GaussianBlur(inside, (0, 0), 0.01 * height)
    return np.asarray(np.rint(bgr * (1 - np.asarray(soft)[..., None])), dtype=np.uint8)


def _rendered(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Change detail, sharpness and colour a little, as a renderer does, where that is drawn.

    `sharpened` is how much of what a Gaussian of sigma `blur` takes away is added; at -1 only the blurred is left.
    """
    if rng.random() >= _RENDERED:
        return bgr, {}
    size, sigma = float(rng.uniform(*_SIZES)), float(rng.uniform(*_SIGMA))
    brightness = float(rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))
    contrast, saturation = (float(rng.uniform(1 - most, 1 + most)) for most in (_CONTRAST, _SATURATION))
    sigma *= math.sqrt(bgr.shape[0] * bgr.shape[1]) / WORKING_SIZE
    amount = float(rng.uniform(*_SHARPENING)) if rng.random() < _SHARPENED else -1.0
    bgr = rescale(bgr, round(max(bgr.shape[:2]) * size))
    bgr = np.asarray(cv2.addWeighted(bgr, 1 + amount, blur(bgr, sigma), -amount, 0), dtype=np.uint8)
    drawn: dict[str, Value] = {"detail": size, "sharpened": amount, "blur": sigma, "brightness": brightness}
    return tone(bgr, brightness, contrast, saturation), drawn | {"contrast": contrast, "saturation": saturation}
