"""What is done to images to see what a detector withstands: ten perturbations, five levels each, mild to severe.

Both classes get the same. What is drawn at random follows from the level's key and the image's sha256. A level that
changes gets another key, for stores of rows keep what they have.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from features.decode import Pixels
from features.errors import ImageTooLargeError
from features.perturb import blur, double_jpeg, jpeg, noise, reframe, rescale, screenshot, tone, webp

__all__ = ["LEVELS", "Level", "perturb"]

_Make = Callable[[Pixels, float, np.random.Generator], Pixels]

_LONGEST: Final = 16_383  # pixels a side that WebP can hold; JPEG holds more
_SCREENSHOTS: Final = ((1.4, 0.3, 95), (0.8, 0.4, 90), (0.65, 0.5, 80), (0.5, 0.6, 70), (0.4, 0.8, 55))


@dataclass(frozen=True)
class Level:
    """One strength of a perturbation.

    Attributes
    ----------
    perturbation : str
        Its name.
    number : int
        1 (mild) to 5 (severe).
    value : float
        The strength.
    unit : str
        What `value` counts.
    name : str
        How reports say it.
    """

    perturbation: str
    number: int
    value: float
    unit: str
    name: str

    @property
    def key(self) -> str:
        """How stores of rows name it."""
        return f"{self.perturbation}-{self.value:g}"

    def to_json(self) -> dict[str, Any]:
        """Give all that a report shows as JSON values."""
        return {
            "perturbation": self.perturbation,
            "unit": self.unit,
            "level": self.number,
            "value": self.value,
            "name": self.name,
        }


def _saved(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return jpeg(bgr, int(value))


def _saved_twice(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return double_jpeg(bgr, int(value), int(value))


def _saved_as_webp(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return webp(bgr, int(value))


def _blurred(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return blur(bgr, value)


def _noisy(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return noise(bgr, value, rng)


def _rescaled(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return rescale(bgr, round(value * max(bgr.shape[:2])))


def _cropped(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    dx, dy = rng.uniform(-0.5, 0.5, 2) * (1 - value)
    return reframe(bgr, value, dx, dy)


def _shown(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return screenshot(bgr, *_SCREENSHOTS[int(value) - 1])


def _brighter(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return tone(bgr, brightness=value if rng.random() < 0.5 else -value)


def _harder(bgr: Pixels, value: float, rng: np.random.Generator) -> Pixels:
    return tone(bgr, contrast=value if rng.random() < 0.5 else 1 / value)


_QUALITIES: Final = (95, 85, 70, 50, 20)


@dataclass(frozen=True)
class _Perturbation:
    """What is done: the strengths from mild to severe, what they count, and how reports say one."""

    values: tuple[float, ...]
    unit: str
    said: str
    make: _Make


# fmt: off
_PERTURBATIONS: Final[Mapping[str, _Perturbation]] = {
    "jpeg": _Perturbation(_QUALITIES, "quality", "JPEG, quality {:g}", _saved),
    "double-jpeg": _Perturbation(_QUALITIES, "quality", "JPEG twice, quality {:g}", _saved_twice),
    "webp": _Perturbation(_QUALITIES, "quality", "WebP, quality {:g}", _saved_as_webp),
    "blur": _Perturbation((0.5, 1, 1.5, 2, 3), "sigma in pixels", "blur, sigma of {:g} pixels", _blurred),
    "noise": _Perturbation((2, 4, 8, 12, 20), "sigma in levels of 255", "noise, sigma of {:g} levels of 255", _noisy),
    "rescale": _Perturbation(
        (0.8, 0.6, 0.45, 0.3, 0.2), "share of the side", "scaled to {:.0%} of the side and back", _rescaled
    ),
    "crop": _Perturbation((0.95, 0.9, 0.8, 0.7, 0.6), "share of the side", "cropped to {:.0%} of the side", _cropped),
    "screenshot": _Perturbation((1, 2, 3, 4, 5), "step", "screenshot, step {:g}", _shown),
    "brightness": _Perturbation(
        (10, 20, 35, 50, 70), "levels of 255, up or down", "brightness, {:g} levels of 255 up or down", _brighter
    ),
    "contrast": _Perturbation(
        (1.1, 1.25, 1.5, 1.75, 2), "factor, up or down", "contrast, {:g}-fold up or down", _harder
    ),
}
# fmt: on

LEVELS: Final = {
    level.key: level
    for perturbation, done in _PERTURBATIONS.items()
    for level in (
        Level(perturbation, number, value, done.unit, done.said.format(value))
        for number, value in enumerate(done.values, 1)
    )
}
"""Every level of every perturbation by its key, in order."""


def perturb(bgr: Pixels, key: str, sha256: str) -> Pixels:
    """Do to an image what a level says.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The image, decoded; it is left alone.
    key : str
        One of LEVELS.
    sha256 : str
        Digest of the image, from which what is random follows.

    Returns
    -------
    (H, W, 3) uint8 array
        Of the same size.

    Raises
    ------
    ImageTooLargeError
        A side is longer than all of the formats can hold.
    """
    if max(bgr.shape[:2]) > _LONGEST:
        raise ImageTooLargeError(f"a side of more than {_LONGEST:,} pixels, which WebP cannot hold")
    level = LEVELS[key]
    seed = hashlib.sha256(f"{key} {sha256}".encode()).digest()
    return _PERTURBATIONS[level.perturbation].make(
        bgr, level.value, np.random.default_rng(int.from_bytes(seed[:8], "big"))
    )
