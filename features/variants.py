"""Perturbed copies of an image, measured beside it so that a booster learns to look past the perturbation.

A variant is a row of its own in the store, of the same group as its image, and serves training only. What it draws at
random follows from its name and the image's sha256.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import UnknownNameError
from features.frame import WORKING_SIZE, Frame
from features.framing import Square, cut
from features.perturb import blur, double_jpeg, jpeg, log_uniform, noise, rescale, tone
from features.planes import resize

__all__ = ["VARIANTS", "check_variant", "vary"]

_AROUND = 64  # pixels of surroundings on each side, mirrored from the image
_GRID = 8  # of JPEG; the image comes to lie anywhere on it
_SIDE_ERROR, _PLACE_ERROR = 0.10, 0.05  # standard deviations of what framing leaves over, in sides of the image
_FEATHERS = (4, 17)  # pixels of soft edge on each side, the last excluded
_SET_IN = 0.6  # share that gets other surroundings; the rest is mirrored
_MOST_BLUR = 25.0  # of those surroundings, standard deviation in pixels; sharp ones come more often
_QUALITIES = (60, 96)  # of JPEG, the last excluded

_Vary = Callable[[Frame, np.random.Generator], Frame]
_Step = Callable[[Pixels, np.random.Generator], Pixels]


def _mirror(frame: Frame, rng: np.random.Generator) -> Frame:
    return frame.mirrored()


@dataclass(frozen=True)
class _Shared:
    """Makes the image a part of a photograph that is resampled by a factor from `least` to `most`, saved and framed."""

    least: float = 1.0
    most: float = 1.0

    def __call__(self, frame: Frame, rng: np.random.Generator) -> Frame:
        scene = _set_in(frame.bgr, rng) if rng.random() < _SET_IN else _mirrored(frame.bgr)
        left, top = rng.integers(_GRID, size=2)
        scene = scene[top:, left:]
        factor = log_uniform(rng, self.least, self.most)
        resampled = resize(scene, *(round(length * factor) for length in scene.shape[1::-1]))
        saved = jpeg(resampled, int(rng.integers(*_QUALITIES)))
        side = WORKING_SIZE * factor
        center = factor * (_AROUND - np.array([left, top]) + WORKING_SIZE / 2) + side * rng.normal(0, _PLACE_ERROR, 2)
        square = Square(center.astype(np.float32), side * math.exp(rng.normal(0, _SIDE_ERROR)), roll=0.0)
        pixels, _ = cut(saved, square)
        return Frame.of(pixels[:, ::-1] if rng.random() < 0.5 else pixels)


def _mirrored(bgr: Pixels) -> Pixels:
    """Continue an image beyond its borders as mirrors there would."""
    return np.asarray(cv2.copyMakeBorder(bgr, *(_AROUND,) * 4, borderType=cv2.BORDER_REFLECT_101), dtype=np.uint8)


def _set_in(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    """Set an image with soft edges into something else: itself enlarged, upside down and blurred."""
    side = WORKING_SIZE + 2 * _AROUND
    ground = blur(resize(bgr[::-1], side, side), _MOST_BLUR * rng.random() ** 2)
    margin = int(rng.integers(*_FEATHERS))
    weight = np.zeros((side, side), np.float32)
    weight[_AROUND + margin : -_AROUND - margin, _AROUND + margin : -_AROUND - margin] = 1
    weight = np.asarray(cv2.GaussianBlur(weight, (0, 0), margin / 3), dtype=np.float32)[..., None]
    return np.rint(_mirrored(bgr) * weight + ground * (1 - weight)).astype(np.uint8)


_WEAR: Final[tuple[_Step, ...]] = (
    lambda bgr, rng: tone(bgr, rng.uniform(-30, 30), log_uniform(rng, 0.7, 1.4), log_uniform(rng, 0.6, 1.6)),
    lambda bgr, rng: rescale(bgr, round(WORKING_SIZE * log_uniform(rng, 0.2, 1.5))),
    lambda bgr, rng: blur(bgr, log_uniform(rng, 0.4, 3.0)),
    lambda bgr, rng: noise(bgr, log_uniform(rng, 1.0, 20.0), rng),
    lambda bgr, rng: jpeg(bgr, int(rng.integers(20, 96))),
    lambda bgr, rng: double_jpeg(bgr, *map(int, rng.integers(30, 96, size=2))),
)
_MOST_WEAR: Final = 2  # steps at once


def _worn(frame: Frame, rng: np.random.Generator) -> Frame:
    """Wear an image by one or two of the steps above, in their order."""
    bgr = frame.bgr[:, ::-1] if rng.random() < 0.5 else frame.bgr
    chosen = rng.choice(len(_WEAR), int(rng.integers(1, _MOST_WEAR + 1)), replace=False)
    for step in sorted(chosen.tolist()):
        bgr = _WEAR[step](bgr, rng)
    return Frame.of(bgr)


VARIANTS: Final[Mapping[str, _Vary]] = {
    "mirror": _mirror,
    "shared": _Shared(),
    "resized": _Shared(0.45, 2.0),
    "worn": _worn,
}
"""How each variant is made of a frame; one that changes gets another name, for stores keep what they have.

`mirror` swaps left and right, which leaves the JPEG grid in place. `shared` is what comes back when the image was part
of a photograph: with other surroundings, saved again as JPEG of quality 60 to 95 on another grid, framed with the
errors that framing makes, half of them mirrored. `resized` is the same of a photograph that was resampled too. `worn`
went through one or two of other light, scaling down or up and back, blur, noise and compression, each up to where a
face is still known; half of them are mirrored.
"""


def vary(frame: Frame, variant: str, sha256: str) -> Frame:
    """Make a variant of a frame.

    Parameters
    ----------
    frame : Frame
        The image.
    variant : str
        One of `VARIANTS`, or one with a number (`shared-2`), which draws anew; the empty name gives the frame itself.
    sha256 : str
        Digest of the image, from which what is random follows.

    Raises
    ------
    UnknownNameError
        For an unknown variant.
    """
    if not variant:
        return frame
    make = VARIANTS[check_variant(variant)]
    seed = hashlib.sha256(f"{variant} {sha256}".encode()).digest()
    return make(frame, np.random.default_rng(int.from_bytes(seed[:8], "big")))


def check_variant(variant: str) -> str:
    """Give the name in `VARIANTS` of a variant with or without a number; raise UnknownNameError where there is none."""
    name = re.sub(r"-[2-9]$", "", variant)
    if name not in VARIANTS:
        raise UnknownNameError("variant", variant, VARIANTS)
    return name
