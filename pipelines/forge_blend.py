"""Self-blended images: a face is blended with a slightly changed copy of itself (Shiohara and Yamasaki 2022).

What every swap leaves behind is there, a seam and two histories of processing, and nothing of any one generator.
"""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.perturb import blur, jpeg, log_uniform, rescale, tone
from pipelines.forge_masks import blend, draw_region, soften
from pipelines.forge_parts import Forged, Portrait, Value

__all__ = ["self_blend"]

_Step = Callable[[Pixels, np.random.Generator], tuple[Pixels, float]]

_RATIO = (0.25, 1.0)  # of the blend, where it is not whole
_WHOLE = 0.5  # share of whole blends
_MOVED = 0.8  # share of sources that are moved
_ASIDE, _UP = 0.03, 0.015  # most shift, in sides
_SIZED = 1.05  # most magnification
_COLOURED = 0.75  # share of sources whose colour changes
_SHIFT = 10.0  # most of a channel and of brightness, in levels of 255; less in the dark, where it shows more
_LIT = 110.0  # mean level from which on a picture is not dark
_STEPPED = 0.8  # share of sources whose frequencies change, where the target's were not


def self_blend(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """Blend a region of a face, or any patch, with a copy of it whose place, colour and frequencies were changed.

    Where the target was degraded, the copy is of what it was before: a sharp face in a poorer picture.

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
        Its parameters name the region, the mask's softening, the ratio and every change of the copy.

    References
    ----------
    K. Shiohara, T. Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022,
    doi:10.1109/CVPR52688.2022.01816
    """
    name, outline = draw_region(target, rng)
    mask, softening = soften(outline, rng)
    source, changes = _changed(target, rng)
    ratio = 1.0 if rng.random() < _WHOLE else float(rng.uniform(*_RATIO))
    mask = mask * np.float32(ratio)
    drawn: dict[str, Value] = {"region": name, "ratio": ratio, **softening, **changes}
    return Forged(blend(target.bgr, source, mask), mask, drawn)


def _changed(target: Portrait, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Change a copy of a face: its frequencies, its colour, its place; one of the latter two at least."""
    sharper = target.pristine is not None
    source = target.bgr if target.pristine is None else target.pristine
    drawn: dict[str, Value] = {"pristine": int(sharper)}
    if rng.random() < (1 - _STEPPED if sharper else _STEPPED):
        name = str(rng.choice(list(_STEPS)))
        source, strength = _STEPS[name](source, rng)
        drawn |= {"step": name, "strength": strength}
    if rng.random() < _COLOURED:
        source, colour = _coloured(source, rng)
        drawn |= colour
    if rng.random() < _MOVED or "shift" not in drawn:
        source, place = _moved(source, rng)
        drawn |= place
    return source, drawn


def _coloured(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Shift the channels, then brightness, contrast and saturation."""
    most = _SHIFT * min(1.0, float(bgr.mean()) / _LIT)
    shift, brightness = rng.uniform(-most, most, 3), rng.uniform(-most, most)
    contrast, saturation = log_uniform(rng, 0.87, 1.15), log_uniform(rng, 0.77, 1.3)
    table = np.clip(np.rint(np.arange(256)[:, None] + shift), 0, 255).astype(np.uint8)
    shifted = np.asarray(cv2.LUT(bgr, table[:, None, :]), dtype=np.uint8)
    drawn: dict[str, Value] = {
        "shift": shift.tolist(),
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
    }
    return tone(shifted, brightness, contrast, saturation), drawn


def _moved(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Shift and scale about the middle; what lies outside is mirrored."""
    height, width = bgr.shape[:2]
    scale = log_uniform(rng, 1 / _SIZED, _SIZED)
    dx, dy = rng.uniform(-_ASIDE, _ASIDE) * width, rng.uniform(-_UP, _UP) * height
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    move = np.column_stack([scale * np.eye(2), (1 - scale) * middle + (dx, dy)])
    moved = cv2.warpAffine(bgr, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.uint8), {"scale": scale, "dx": dx, "dy": dy}


def _sharpen(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    amount = rng.uniform(0.3, 1.2)
    sharp = cv2.addWeighted(bgr, 1 + amount, blur(bgr, 1.2), -amount, 0)
    return np.asarray(sharp, dtype=np.uint8), amount


def _rescale(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    factor = log_uniform(rng, 0.25, 0.7)
    return rescale(bgr, round(max(bgr.shape[:2]) * factor)), factor


def _blur(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    sigma = rng.uniform(0.5, 1.8)
    return blur(bgr, sigma), sigma


def _jpeg(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    quality = int(rng.integers(30, 80, endpoint=True))
    return jpeg(bgr, quality), float(quality)


_STEPS: Final[Mapping[str, _Step]] = {"sharpen": _sharpen, "rescale": _rescale, "blur": _blur, "jpeg": _jpeg}
