"""Faces as an autoencoder leaves them: through a small code and back, smooth, blended in."""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.geometry import Move, inverse, to_patch, warp
from features.perturb import blur
from features.planes import resize
from pipelines.forge_geometry import axes, move_field, sample, visible
from pipelines.forge_masks import blend, region, soften
from pipelines.forge_parts import Forged, Mask, Portrait, Value

__all__ = ["resample"]

_REGIONS: Final = {"inner": 0.5, "face": 0.35, "lower": 0.15}
_SIDES = (64, 128)  # of the code, pixels
_ROOM = (1.05, 1.35)  # side of the aligned square in longer sides of the region
_TURNED = 2.0  # most degrees by which the alignment errs
_SHIFTED = 0.01  # most of the square's side
_DECODERS: Final = ("gaussian", "bilateral", "median", "none")
_SIGMA = (0.4, 1.0)  # pixels of the code
_CHROMA = 0.5  # share of decoders that lose detail of chroma, down to an eighth of the code
_GRID = 0.3  # share of decoders whose last upsampling leaves a grid
_LEVELS = (0.5, 3.0)  # of the grid, of 255
_SHARPENED = 0.4
_SHARPENING, _SHARP_SIGMA = (0.3, 1.5), 1.0  # sigma in pixels of the code
_SHIFT = 5.0  # most of a channel, levels of 255
_CONTRAST = 0.08  # most change
_RATIO = (0.8, 1.0)
_SMOOTH: Final[Mapping[str, int]] = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
_Drawn = dict[str, Value]


def resample(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """Send a region of a face through a code of 64 to 128 pixels a side and blend what comes back.

    Where there are no landmarks, the region is an ellipse and the face is taken for upright. Where the target was
    degraded, the face before or after that is encoded.

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
        Its parameters name the region and its softening, the code, the decoder's traces and the change of colour.
    """
    name = str(rng.choice(list(_REGIONS), p=list(_REGIONS.values())))
    hull = region(target, name)
    mask, softening = soften(hull, rng)
    whole = target.pristine if target.pristine is not None and rng.random() < 0.5 else target.bgr
    move, side, alignment = _alignment(target, hull, rng)
    code, traces = _decoded(warp(whole, move, side, border=cv2.BORDER_REFLECT_101), rng)
    smooth = str(rng.choice(list(_SMOOTH)))
    field = move_field(inverse(move), target.bgr.shape)
    source, look = _tinted(sample(code, field, smooth=_SMOOTH[smooth]), rng)
    ratio = float(rng.uniform(*_RATIO))
    mask *= visible(field, code.shape, 2.0) * np.float32(ratio)
    drawn: _Drawn = {"region": name, "pristine": int(whole is not target.bgr), "smooth": smooth, "ratio": ratio}
    return Forged(blend(target.bgr, source, mask), mask, drawn | softening | alignment | traces | look)


def _alignment(target: Portrait, hull: Mask, rng: np.random.Generator) -> tuple[Move, int, _Drawn]:
    """Draw the upright square around a region, and the code's side; the move brings one onto the other."""
    x, y, width, height = cv2.boundingRect(hull.astype(np.uint8))
    roll = 0.0
    if target.points is not None:
        across = axes(target.points)[0]
        roll = float(np.degrees(np.arctan2(across[1], across[0])))
    size, side = max(width, height) * rng.uniform(*_ROOM), int(rng.integers(*_SIDES, endpoint=True))
    turn, shift = rng.uniform(-_TURNED, _TURNED), rng.uniform(-_SHIFTED, _SHIFTED, 2) * size
    center = np.array([x + width / 2, y + height / 2]) + shift
    drawn: _Drawn = {"code": side, "square": float(size), "turn": turn, "aside": shift.tolist()}
    return to_patch(center.astype(np.float32), float(size), roll + turn, side), side, drawn


def _decoded(code: Pixels, rng: np.random.Generator) -> tuple[Pixels, _Drawn]:
    """Smooth a code as decoders do; where drawn, less chroma, sharpening, the grid of a transposed convolution."""
    decoder = str(rng.choice(_DECODERS))
    drawn: _Drawn = {"decoder": decoder}
    if decoder == "gaussian":
        sigma = float(rng.uniform(*_SIGMA))
        code, drawn = blur(code, sigma), drawn | {"decoder_sigma": sigma}
    elif decoder == "bilateral":
        code = np.asarray(cv2.bilateralFilter(code, 5, 25, 2), dtype=np.uint8)
    elif decoder == "median":
        code = np.asarray(cv2.medianBlur(code, 3), dtype=np.uint8)
    if rng.random() < _CHROMA:
        factor = float(rng.uniform(0.125, 0.5))
        code, drawn = _less_chroma(code, factor), drawn | {"chroma": factor}
    if rng.random() < _SHARPENED:
        amount = float(rng.uniform(*_SHARPENING))
        sharp = cv2.addWeighted(code, 1 + amount, blur(code, _SHARP_SIGMA), -amount, 0)
        code, drawn = np.asarray(sharp, dtype=np.uint8), drawn | {"sharpened": amount}
    if rng.random() < _GRID:
        level = float(rng.uniform(*_LEVELS))
        code, drawn = _gridded(code, level), drawn | {"grid": level}
    return code, drawn


def _less_chroma(bgr: Pixels, factor: float) -> Pixels:
    """Keep chroma only at a part of the sides."""
    height, width = bgr.shape[:2]
    ycc = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb), dtype=np.uint8)
    small = resize(np.ascontiguousarray(ycc[..., 1:]), max(2, round(width * factor)), max(2, round(height * factor)))
    ycc[..., 1:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


def _gridded(bgr: Pixels, level: float) -> Pixels:
    """Add a chequerboard of one pixel (Odena et al. 2016, doi:10.23915/distill.00003)."""
    board = np.indices(bgr.shape[:2]).sum(axis=0) % 2 * 2 - 1
    return np.asarray(np.clip(np.rint(bgr + level * board[..., None]), 0, 255), dtype=np.uint8)


def _tinted(bgr: Pixels, rng: np.random.Generator) -> tuple[Pixels, _Drawn]:
    """Shift the statistics of colour a little."""
    shift, contrast = rng.uniform(-_SHIFT, _SHIFT, 3), rng.uniform(1 - _CONTRAST, 1 + _CONTRAST)
    middle = bgr.mean(axis=(0, 1))
    table = np.clip(np.rint((np.arange(256)[:, None] - middle) * contrast + middle + shift), 0, 255)
    shifted = cv2.LUT(bgr, table.astype(np.uint8)[:, None, :])
    return np.asarray(shifted, dtype=np.uint8), {"shift": shift.tolist(), "contrast": contrast}
