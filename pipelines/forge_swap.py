"""Swaps of faces: the face of another person is aligned, recoloured and blended in."""

from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import DatasetError
from features.perturb import rescale
from pipelines.forge_colour import COLOURS, recolour
from pipelines.forge_geometry import Field, alike, between, fit, mesh_field, move_field, sample, visible
from pipelines.forge_masks import blend, region, soften
from pipelines.forge_parts import Forged, Mask, Portrait, Value

__all__ = ["swap"]

_REGIONS: Final = {"face": 0.65, "inner": 0.35}
_ALIGNMENTS: Final = ("similarity", "affine", "mesh")
_SHARE = (0.4, 1.0)  # of the way from the affine alignment to the target's own shape, by the mesh
_RESCALED = 0.5  # share of donors that come from a generator of lower resolution
_SIZES = (0.35, 0.9)
_CLONED = 0.35  # share of gradient-domain blends
_PLAIN = 0.4  # share of those that take colours from the border alone
_RATIO = (0.8, 1.0)
_FEATHER = 0.04  # of the donor's side: where its picture ends, the mask fades over this


def swap(target: Portrait, donor: Portrait | None, rng: np.random.Generator) -> Forged:
    """Put the face of a donor onto a target.

    Where either lacks landmarks, both are taken for crops of the common framing, and the region is an ellipse.

    Parameters
    ----------
    target : Portrait
        The face that is replaced.
    donor : Portrait or None
        The face that replaces it.
    rng : Generator
        Source of all draws.

    Returns
    -------
    Forged
        Its parameters name the region and its softening, the alignment, the donor's detail, the transfer of colours and
        the blend.

    Raises
    ------
    DatasetError
        There is no donor, or its pose is not `alike`.

    References
    ----------
    P. Perez, M. Gangnet, A. Blake, "Poisson image editing", SIGGRAPH 2003, doi:10.1145/882262.882269: the blend "clone"
    """
    if donor is None:
        raise DatasetError("no donor for the swap")
    field, drawn = _aligned(target, donor, rng)
    name = str(rng.choice(list(_REGIONS), p=list(_REGIONS.values())))
    mask, softening = soften(region(target, name), rng)
    mask *= visible(field, donor.bgr.shape, _FEATHER * min(donor.bgr.shape[:2]))
    source, look = _fitted(sample(donor.bgr, field, smooth=cv2.INTER_CUBIC), target.bgr, mask, rng)
    ratio = float(rng.uniform(*_RATIO))
    mask = mask * np.float32(ratio)
    drawn |= {"region": name, **softening, **look, "ratio": ratio}
    return Forged(blend(target.bgr, source, mask), mask, drawn)


def _aligned(target: Portrait, donor: Portrait, rng: np.random.Generator) -> tuple[Field, dict[str, Value]]:
    """Draw an alignment and tell where each pixel of the target comes from."""
    shape = target.bgr.shape
    if target.points is None or donor.points is None:
        return move_field(between(donor.bgr.shape, shape), shape), {"alignment": "framing"}
    if not alike(donor.points, target.points):
        raise DatasetError("the donor's pose differs too much from the target's")
    name = str(rng.choice(_ALIGNMENTS))
    move = fit(donor.points, target.points, rigid=name == "similarity")
    if name != "mesh":
        return move_field(move, shape), {"alignment": name}
    share = float(rng.uniform(*_SHARE))
    return mesh_field(donor.points, target.points, shape, move, share=share), {"alignment": name, "share": share}


def _fitted(source: Pixels, target: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Pixels, dict[str, Value]]:
    """Take away detail as a generator of lower resolution does, transfer colours, and fit gradients where drawn."""
    method = "clone" if rng.random() < _CLONED else "alpha"
    detail = float(rng.uniform(*_SIZES)) if rng.random() < _RESCALED else 1.0
    if detail < 1:
        source = rescale(source, round(max(source.shape[:2]) * detail))
    colour = "none" if method == "clone" and rng.random() < _PLAIN else str(rng.choice(list(COLOURS)))
    if colour != "none":
        source = recolour(source, target, mask, colour)
    if method == "clone":
        source = _cloned(source, target, mask)
    return source, {"detail": detail, "colour": colour, "method": method}


def _cloned(source: Pixels, target: Pixels, mask: Mask) -> Pixels:
    """Carry the source's gradients into the target inside the mask, whose border keeps the target's colours."""
    inside = np.where(mask > 0, 255, 0).astype(np.uint8)
    inside[[0, -1]] = inside[:, [0, -1]] = 0
    x, y, width, height = cv2.boundingRect(inside)
    if min(width, height) < 3:
        return source
    middle = (x + width // 2, y + height // 2)
    return np.asarray(cv2.seamlessClone(source, target, inside, middle, cv2.NORMAL_CLONE), dtype=np.uint8)
