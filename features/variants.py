"""Perturbed copies of an image, measured beside it so that a booster learns to look past the perturbation.

A variant is a row of its own in the store, of the same group as its image, and serves training only.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from features.errors import UnknownNameError
from features.frame import Frame

__all__ = ["VARIANTS", "vary"]


def _mirror(frame: Frame) -> Frame:
    return replace(frame, bgr=np.ascontiguousarray(frame.bgr[:, ::-1]))


VARIANTS: Final[Mapping[str, Callable[[Frame], Frame]]] = {"mirror": _mirror}
"""How each variant is made of a frame: `mirror` swaps left and right, which leaves the JPEG grid in place."""


def vary(frame: Frame, variant: str) -> Frame:
    """Make a variant of a frame; an empty name gives the frame itself, an unknown one raises UnknownNameError."""
    if not variant:
        return frame
    if variant not in VARIANTS:
        raise UnknownNameError("variant", variant, VARIANTS)
    return VARIANTS[variant](frame)
