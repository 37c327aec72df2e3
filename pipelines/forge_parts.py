"""What forgeries are made of and what they are: a portrait goes in, a forged one with its mask comes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.decode import Pixels

__all__ = ["Forged", "Forgery", "Mask", "Points", "Portrait", "Value"]

Mask = npt.NDArray[np.float32]
"""Weights of a blend, (H, W) float32 from 0 (the target as it is) to 1 (the source alone)."""

Points = npt.NDArray[np.float32]
"""Places of landmarks, (468, 2) float32: x and y in pixels, in the order of MediaPipe's face mesh."""

Value = float | int | str | list[float]
"""What a parameter of a forgery may be in the manifest."""


@dataclass(frozen=True, eq=False, slots=True)
class Portrait:
    """An image of one face.

    Attributes
    ----------
    bgr : (H, W, 3) uint8 array
        Its pixels.
    points : (468, 2) float32 array
        Its landmarks, which may lie beyond its border; None where none were found.
    place : (int, int, int, int) or None
        Where the portrait was cut from a larger picture: x, y, w, h in its pixels; None where it is the whole picture.
    pristine : (H, W, 3) uint8 array or None
        Its pixels before both of a pair were degraded; None where they were not.
    """

    bgr: Pixels
    points: Points | None
    place: tuple[int, int, int, int] | None = None
    pristine: Pixels | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Forged:
    """A forged portrait.

    Attributes
    ----------
    bgr : (H, W, 3) uint8 array
        Its pixels, of the size of the target's.
    mask : (H, W) float32 array
        How much of each pixel was forged, 0 to 1.
    parameters : mapping
        Everything that was drawn, by name.
    """

    bgr: Pixels
    mask: Mask
    parameters: Mapping[str, Value] = field(default_factory=dict)


Forgery = Callable[[Portrait, Portrait | None, np.random.Generator], Forged]
"""Makes a forgery of a target; the second portrait, of another person, serves those that need a donor."""
