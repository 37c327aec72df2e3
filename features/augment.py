"""Augmentation: each training image as cameras, editors and platforms might have left it, both classes alike."""

import copy
from collections.abc import Callable
from typing import Final

import numpy as np

from features.decode import Pixels
from features.perturb import blur, jpeg, log_uniform, noise, reframe, rescale, tone

__all__ = ["AUGMENTATIONS", "GEOMETRIC", "augment", "augment_both"]

_Step = Callable[[Pixels, np.random.Generator], Pixels]


def _flip(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(bgr[:, ::-1])


def _reframe(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return reframe(bgr, log_uniform(rng, 0.8, 1.25), *rng.uniform(-0.1, 0.1, size=2))


def _tone(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return tone(bgr, rng.uniform(-24, 24), log_uniform(rng, 0.8, 1.25), log_uniform(rng, 0.7, 1.4))


def _rescale(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return rescale(bgr, round(max(bgr.shape[:2]) * log_uniform(rng, 0.35, 1.5)))


def _blur(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return blur(bgr, rng.uniform(0.3, 1.5))


def _noise(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return noise(bgr, rng.uniform(1, 6), rng)


def _jpeg(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    return jpeg(bgr, int(rng.integers(40, 101)), chroma="420" if rng.random() < 0.8 else "444")


AUGMENTATIONS: Final[dict[str, tuple[float, _Step]]] = {
    "flip": (0.5, _flip),
    "reframe": (0.8, _reframe),
    "tone": (0.4, _tone),
    "rescale": (0.2, _rescale),
    "blur": (0.1, _blur),
    "noise": (0.15, _noise),
    "jpeg": (0.4, _jpeg),
}
"""How likely each step is, and what it does, in the order in which they happen."""

GEOMETRIC: Final = frozenset({"flip", "reframe"})
"""The steps that move what is in the picture, and with it the mask of what was forged."""


def augment(bgr: Pixels, rng: np.random.Generator) -> Pixels:
    """Perturb an image, (H, W, 3) uint8 BGR, as AUGMENTATIONS says and `rng` decides; the size stays."""
    for probability, step in AUGMENTATIONS.values():
        if rng.random() < probability:
            bgr = step(bgr, rng)
    return bgr


def augment_both(bgr: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Perturb an image as `augment` does, bit for bit, and move its mask, (H, W) uint8, as the image is moved."""
    for name, (probability, step) in AUGMENTATIONS.items():
        if rng.random() < probability:
            if name in GEOMETRIC:
                mask = step(mask, copy.deepcopy(rng))
            bgr = step(bgr, rng)
    return bgr, mask
