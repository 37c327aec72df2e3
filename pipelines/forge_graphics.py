"""Swaps as graphics make them: a donor's texture on the target's mesh, lit anew, its edge hard or feathered."""

from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import DatasetError, NoFaceError
from features.frame import WORKING_SIZE
from features.perturb import rescale
from pipelines.forge_colour import recolour
from pipelines.forge_geometry import alike, fit, mesh_field, sample, visible
from pipelines.forge_masks import blend, region, soften
from pipelines.forge_parts import Forged, Mask, Portrait, Value

__all__ = ["render"]

_REGIONS: Final = {"face": 0.75, "inner": 0.25}
_TEXTURES = (0.3, 1.0)  # side of the texture in sides of the donor
_LIGHT_SIGMA = (8.0, 28.0)  # pixels at the working size
_LIT = (0.4, 1.0)  # how much of the lighting is replaced
_FLAT = 0.4  # share of faces that are lit flatly; the others take the target's light
_GAIN = (0.5, 2.0)
_HARD = 0.5  # share of hard edges
_EDGE_SIGMA = (0.5, 2.0)  # of a hard edge, pixels at the working size
_COLOURS: Final = ("means", "moments")
_FEATHER = 0.03  # of the donor's side


def render(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """Draw the face of a donor over a target as a textured mesh.

    Parameters
    ----------
    target : Portrait
        The face that is replaced; it gives the mesh.
    donor : Portrait or None
        The face that gives the texture.
    rng : Generator
        Source of all draws.

    Returns
    -------
    Forged
        Its parameters name the region, the texture's size, light, colours and edge.

    Raises
    ------
    DatasetError
        There is no donor, or its pose is not `alike`.
    NoFaceError
        One of them has no landmarks.
    """
    if donor is None:
        raise DatasetError("no donor for the texture")
    if target.points is None or donor.points is None:
        raise NoFaceError("a mesh needs the landmarks of both faces, and none were found")
    if not alike(donor.points, target.points):
        raise DatasetError("the donor's pose differs too much from the target's")
    texture = float(rng.uniform(*_TEXTURES))
    field = mesh_field(donor.points, target.points, target.bgr.shape, fit(donor.points, target.points, rigid=False))
    source = sample(rescale(donor.bgr, round(max(donor.bgr.shape[:2]) * texture)), field)
    name = str(rng.choice(list(_REGIONS), p=list(_REGIONS.values())))
    mask, edge = _edged(region(target, name), rng)
    mask *= visible(field, donor.bgr.shape, _FEATHER * min(donor.bgr.shape[:2]))
    source, light = _lit(source, target.bgr, mask, rng)
    colour = str(rng.choice(_COLOURS))
    source = recolour(source, target.bgr, mask, colour)
    drawn: dict[str, Value] = {"region": name, "texture": texture, **edge, **light, "colour": colour}
    return Forged(blend(target.bgr, source, mask), mask, drawn)


def _edged(mask: Mask, rng: np.random.Generator) -> tuple[Mask, dict[str, Value]]:
    """Feather the edge of a region, or smooth no more than its steps."""
    if rng.random() >= _HARD:
        soft, drawn = soften(mask, rng)
        return soft, {"edge": "feathered", **drawn}
    sigma = rng.uniform(*_EDGE_SIGMA) * min(mask.shape) / WORKING_SIZE
    smooth = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), dtype=np.float32)
    return np.where(smooth < 1 / 255, np.float32(0), smooth), {"edge": "hard", "sigma": sigma}


def _lit(source: Pixels, target: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Replace the coarse light of a source by the target's, or by an even one."""
    sigma = rng.uniform(*_LIGHT_SIGMA) * min(mask.shape) / WORKING_SIZE
    strength, flat = float(rng.uniform(*_LIT)), bool(rng.random() < _FLAT)
    ours, theirs = (_coarse(bgr, sigma) for bgr in (source, target))
    wanted = float(np.average(ours, weights=mask + np.float32(1e-6))) if flat else theirs
    gain = np.clip((wanted + 8) / (ours + 8), *_GAIN) ** strength  # the summand keeps the dark from noise
    lit = np.clip(np.rint(source * gain[..., None]), 0, 255).astype(np.uint8)
    return lit, {"light": "flat" if flat else "target", "light_sigma": sigma, "lit": strength}


def _coarse(bgr: Pixels, sigma: float) -> Mask:
    """Luma without what is finer than `sigma` pixels."""
    return np.asarray(
        cv2.GaussianBlur(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), sigma), dtype=np.float32
    )
