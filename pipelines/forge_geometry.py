"""Brings the landmarks of one face onto those of another: alignment by a move, and a mesh of triangles for the rest.

Points and moves are those of `features.geometry`: pixel centres lie at halves.
"""

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from features.decode import Pixels
from features.geometry import Move, apply, inverse, scaled
from pipelines.forge_parts import Mask, Points

__all__ = [
    "ALIKE",
    "Field",
    "alike",
    "axes",
    "between",
    "fit",
    "mesh_field",
    "misfit",
    "move_field",
    "sample",
    "visible",
]

Field = npt.NDArray[np.float32]
"""Where each pixel of a target comes from, (H, W, 2) float32: x and y in pixels of the source."""

ALIKE: Final = 0.035
"""The largest `misfit` of two faces whose poses are alike; of 597 random pairs of deepfake-faces three quarters are."""

_STABLE: Final = (33, 133, 362, 263, 168, 6, 129, 358, 2, 61, 291)  # corners of eyes and mouth, bridge and base of nose
_TOP, _CHIN = 10, 152
_MARGIN = 0.5  # sides by which the anchors surround the target
_STEPS = 4  # anchors along a side
_UNFOLDED = 3  # times that the vertices of folded triangles are left out
_FLAT = 1e-3  # square pixels below which a triangle is a line
_BITS = 4  # of the fraction of a vertex


def axes(points: Points) -> tuple[Points, Points, float]:
    """Give the directions of a face.

    Returns
    -------
    (2,) float32 array
        The unit vector across the face, to the right of the picture.
    (2,) float32 array
        The unit vector down the face.
    float
        Its height, from the top of the forehead to the chin, in pixels.
    """
    down = points[_CHIN] - points[_TOP]
    height = max(float(np.hypot(*down)), 1.0)
    down = np.asarray(down / np.float32(height), dtype=np.float32)
    return np.array([down[1], -down[0]], np.float32), down, height


def fit(source: Points, target: Points, *, rigid: bool) -> Move:
    """Find the move that brings the stable landmarks of a source onto those of a target, by least squares.

    Parameters
    ----------
    source, target : (468, 2) float32 array
        Landmarks.
    rigid : bool
        Turn, scale and shift only (a similarity without reflection), rather than any affine move.

    Returns
    -------
    (2, 3) float32 array

    References
    ----------
    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4),
    1991, doi:10.1109/34.88573
    """
    from_, to = (points[list(_STABLE)].astype(np.float64) for points in (source, target))
    middle, goal = from_.mean(axis=0), to.mean(axis=0)
    x, y = from_ - middle, to - goal
    if rigid:  # in the plane the solution is a quotient of complex numbers
        along, across = (x * y).sum(), (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum()
        turn = np.array([[along, -across], [across, along]]) / max((x**2).sum(), _FLAT)
    else:
        turn = np.linalg.lstsq(x, y, rcond=None)[0].T
    return np.column_stack([turn, goal - turn @ middle]).astype(np.float32)


def between(source: tuple[int, ...], target: tuple[int, ...]) -> Move:
    """Give the move from one image to another that both show a face in the common framing, by their shapes."""
    x, y = target[1] / source[1], target[0] / source[0]
    return np.array([[x, 0, 0], [0, y, 0]], np.float32)


def misfit(source: Points, target: Points) -> float:
    """Tell how far the stable landmarks are apart after `fit`: root mean square in heights of the target's face.

    Half of 597 random pairs of deepfake-faces are less than 0.025 apart, one in a hundred more than 0.08.
    """
    moved = apply(fit(source, target, rigid=True), source)
    apart = (moved - target)[list(_STABLE)]
    return math.sqrt(float((apart**2).sum(axis=1).mean())) / axes(target)[2]


def alike(source: Points, target: Points) -> bool:
    """Tell whether the poses of two faces are close enough for a swap: beyond, features land beside the face."""
    return misfit(source, target) <= ALIKE


def move_field(move: Move, shape: tuple[int, ...]) -> Field:
    """Give the field of a move from source to target, for a target of this shape (H, W, ...)."""
    return apply(inverse(move), _centers(shape))


def mesh_field(source: Points, target: Points, shape: tuple[int, ...], outside: Move, *, share: float = 1.0) -> Field:
    """Warp triangle by triangle: each of the target's, by Delaunay, is filled from the same of the source.

    Vertices of triangles that would be folded over, as behind the cheek of a turned face, are left out.

    Parameters
    ----------
    source, target : (n, 2) float32 array
        The same landmarks of both, in pixels.
    shape : (H, W, ...)
        Of the target.
    outside : (2, 3) float32 array
        The move from source to target that holds far from the landmarks.
    share : float
        How much of what `outside` leaves between the landmarks the mesh takes away, 0 to 1.

    Returns
    -------
    (H, W, 2) float32 array
        Continuous, affine in each triangle.
    """
    anchors = _anchors(shape)
    goals = np.concatenate([target, anchors]).astype(np.float32)
    origins = apply(inverse(outside), goals)
    origins[: len(source)] += np.float32(share) * (source - origins[: len(source)])
    triangles = Delaunay(goals).simplices
    for _ in range(_UNFOLDED):
        turned = _areas(origins[triangles]) * _areas(goals[triangles]) < 0
        folded = np.setdiff1d(triangles[turned], np.arange(len(goals) - len(anchors), len(goals)))
        if not len(folded):
            break
        goals, origins = (np.delete(points, folded, axis=0) for points in (goals, origins))
        triangles = Delaunay(goals).simplices
    return _interpolated(goals[triangles], origins[triangles], shape)


def sample(bgr: Pixels, field: Field, *, smooth: int = cv2.INTER_LINEAR) -> Pixels:
    """Fill a target from a source; what lies beyond the source is mirrored.

    A source that shrinks to less than half is averaged over areas first.

    Parameters
    ----------
    bgr : (h, w, 3) uint8 array
        The source.
    field : (H, W, 2) float32 array
        Where each pixel comes from.
    smooth : int
        Interpolation of OpenCV.

    Returns
    -------
    (H, W, 3) uint8 array
    """
    stride = float(np.median(np.hypot(*np.moveaxis(np.diff(field, axis=1), -1, 0))))
    if stride > 2:
        reduced = scaled(bgr, 1 / stride)
        field = field * np.divide(reduced.shape[1::-1], bgr.shape[1::-1], dtype=np.float32)
        bgr = reduced
    x, y = (np.ascontiguousarray(field[..., axis] - np.float32(0.5)) for axis in (0, 1))
    return np.asarray(cv2.remap(bgr, x, y, smooth, borderMode=cv2.BORDER_REFLECT_101), dtype=np.uint8)


def visible(field: Field, shape: tuple[int, ...], feather: float) -> Mask:
    """Tell where a field looks inside its source: 0 beyond its border, rising to 1 over `feather` pixels of the source.

    Parameters
    ----------
    field : (H, W, 2) float32 array
        Where each pixel comes from.
    shape : (h, w, ...)
        Of the source.
    feather : float
        Pixels of the source.

    Returns
    -------
    (H, W) float32 array
    """
    size = np.array(shape[1::-1], np.float32)
    inside = np.minimum(field, size - field).min(axis=2)
    return np.asarray(np.clip(inside / np.float32(feather), 0, 1), dtype=np.float32)


def _centers(shape: tuple[int, ...]) -> Field:
    """Centres of the pixels of an image, (H, W, 2)."""
    height, width = shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=2) + np.float32(0.5)


def _anchors(shape: tuple[int, ...]) -> Points:
    """Points around an image, on a rectangle that is larger by `_MARGIN` on each side."""
    along = np.linspace(-_MARGIN, 1 + _MARGIN, _STEPS)
    grid = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    rim = (np.abs(grid - 0.5) > 0.49 + _MARGIN).any(axis=1)
    return np.asarray(grid[rim] * shape[1::-1], dtype=np.float32)


def _areas(corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Twice the signed areas of triangles, (n, 3, 2) -> (n,)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _interpolated(goals: npt.NDArray[np.float32], origins: npt.NDArray[np.float32], shape: tuple[int, ...]) -> Field:
    """Carry the corners' origins over to every pixel by its barycentric coordinates; triangles are (n, 3, 2)."""
    areas = _areas(goals)
    longest = np.linalg.norm(goals - np.roll(goals, 1, axis=1), axis=2).max(axis=1)
    thickness = np.abs(areas) / np.maximum(longest, _FLAT)
    which = _labels(goals, np.argsort(thickness, kind="stable"), shape)
    sides = goals[:, 1:] - goals[:, :1]
    over = np.where(np.abs(areas) > _FLAT, 1 / np.where(areas == 0, 1, areas), 0).astype(np.float32)
    rows = (np.stack([sides[:, 1, 1], -sides[:, 1, 0], -sides[:, 0, 1], sides[:, 0, 0]], axis=1) * over[:, None])[which]
    place = _centers(shape) - goals[which, 0]
    slack = np.minimum(1 / np.maximum(thickness, _FLAT), 1)[which]  # a pixel's centre may lie a pixel outside
    second = np.clip(rows[..., 0] * place[..., 0] + rows[..., 1] * place[..., 1], -slack, 1 + slack)
    third = np.clip(rows[..., 2] * place[..., 0] + rows[..., 3] * place[..., 1], -slack, 1 + slack)
    spans = (origins[:, 1:] - origins[:, :1])[which]
    field = origins[which, 0] + second[..., None] * spans[..., 0, :] + third[..., None] * spans[..., 1, :]
    return np.asarray(field, dtype=np.float32)


def _labels(
    triangles: npt.NDArray[np.float32], order: npt.NDArray[np.intp], shape: tuple[int, ...]
) -> npt.NDArray[np.int32]:
    """Tell for each pixel in which triangle it lies; where an edge passes, in that which comes last in the order."""
    labels = np.zeros(shape[:2], np.int32)
    corners = np.rint((triangles - 0.5) * (1 << _BITS)).astype(np.int32)
    for at in order.tolist():
        cv2.fillConvexPoly(labels, corners[at], at, shift=_BITS)
    return labels
