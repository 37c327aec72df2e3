"""What happens to both pictures of a pair alike, before the forgery and when they are saved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import simplejpeg

from features.decode import Pixels
from features.perturb import blur, jpeg, log_uniform, rescale
from pipelines.forge_parts import Value

__all__ = ["Saving", "draw_saving"]

_Step = Callable[[Pixels, float], Pixels]

_STEPS: Final[Mapping[str, tuple[_Step, float, float]]] = {  # what degrades a picture, and between which strengths
    "blur": (blur, 0.5, 1.4),
    "rescale": (lambda bgr, factor: rescale(bgr, round(max(bgr.shape[:2]) * factor)), 0.35, 0.8),
    "jpeg": (lambda bgr, quality: jpeg(bgr, round(quality)), 35, 80),
}
_DEGRADED = 0.4  # share of pairs whose original is degraded before the forgery
_RESCALED = 0.25  # share of pairs that are rescaled after it
_SCALES = (0.6, 1.4)
_QUALITIES = (60, 95)


@dataclass(frozen=True)
class Saving:
    """How the pictures of a pair are treated.

    Attributes
    ----------
    step : str
        What degrades the original before the forgery; empty for nothing.
    strength : float
        Of that step: the sigma of a blur in pixels, the factor of a rescaling, the quality of a JPEG.
    scale : float
        Factor by which both are resized, and back, before they are saved; 1 for not at all.
    quality : int
        Of the JPEG that both are saved as, with 4:2:0 chroma.
    """

    step: str
    strength: float
    scale: float
    quality: int

    def degrade(self, bgr: Pixels) -> Pixels:
        """Degrade an original, (H, W, 3) uint8 BGR; the same array where nothing was drawn."""
        return _STEPS[self.step][0](bgr, self.strength) if self.step else bgr

    def encode(self, bgr: Pixels) -> bytes:
        """Rescale, where that was drawn, and encode as JPEG."""
        if self.scale != 1:
            bgr = rescale(bgr, round(max(bgr.shape[:2]) * self.scale))
        whole = np.ascontiguousarray(bgr)
        return bytes(simplejpeg.encode_jpeg(whole, self.quality, colorspace="BGR", colorsubsampling="420"))

    def to_json(self) -> dict[str, Value]:
        """All fields as values of a manifest."""
        return {"degraded": self.step, "degree": self.strength, "rescaled": self.scale, "quality": self.quality}


def draw_saving(rng: np.random.Generator) -> Saving:
    """Draw how a pair is treated."""
    step, strength = "", 0.0
    if rng.random() < _DEGRADED:
        step = str(rng.choice(list(_STEPS)))
        strength = float(rng.uniform(*_STEPS[step][1:]))
    scale = log_uniform(rng, *_SCALES) if rng.random() < _RESCALED else 1.0
    return Saving(step, strength, scale, int(rng.integers(*_QUALITIES, endpoint=True)))
