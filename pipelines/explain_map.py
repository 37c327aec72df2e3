"""Where the evidence lies: contributions of the values that have a place, laid on the frame and back on the picture.

A cell's contribution is spread evenly over the cell, so that the map adds up to all that has a place. What was measured
of the whole picture, and contrasts between its regions, have no place; how much of the evidence that is stands beside
the map. What a network says of the whole has none either, but where it says of each cell whether it was forged, the map
shows how far each stands off the others, which adds up to nothing.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.frame import WORKING_SIZE
from features.framing import Framed, square_of
from features.geometry import Move, inverse, to_patch
from models.contributions import Contributions, cells_of

__all__ = ["ROWS", "SIDE", "lay_on", "lay_out", "paint", "placed_share", "rows_of", "smooth", "to_picture"]

SIDE: Final = 56
"""Points of the map a side; every grid of cells (8, 7 and 4 a side) has its edges on them."""

ROWS: Final = 28
"""Points a side of the map as it is written out."""

_CELLS: Final = "embedding.map."
_SIGMA: Final = 10.0  # pixels of the frame; cells are 28 to 56 wide
_FAKE: Final = (20, 90, 235)  # BGR; orange and blue are told apart by nearly everyone
_REAL: Final = (210, 110, 20)
_OPAQUE: Final = 0.65  # of the strongest evidence

Floats = npt.NDArray[np.float64]


def lay_out(contributions: Contributions) -> Floats:
    """Lay what has a place on the frame.

    Returns
    -------
    (SIDE, SIDE) float64 array
        What each point contributes, in log odds, above zero towards fake. They sum to all that has a place.
    """
    found = np.zeros((SIDE, SIDE))
    amounts = contributions.amounts + _standing_out(contributions)
    for cell, amount in zip(cells_of(contributions.names), amounts.tolist(), strict=True):
        if cell:
            step = SIDE // cell.side
            down, across = (slice(at * step, (at + 1) * step) for at in (cell.row, cell.column))
            found[down, across] += amount / step**2
    return found


def _standing_out(contributions: Contributions) -> Floats:
    """Give each cell of a network's map how far its log odds stand off their mean, as its share of that mean.

    Returns
    -------
    (d,) float64 array
        Of the values of cells, which sum to zero; zero everywhere else.
    """
    cells = [at for at, name in enumerate(contributions.names) if name.startswith(_CELLS)]
    given = np.zeros(len(contributions.names))
    if cells:
        odds = contributions.values[cells].astype(np.float64)
        given[cells] = (odds - odds.mean()) / len(cells)
    return given


def placed_share(contributions: Contributions) -> float:
    """Say how much of the evidence has a place: the sum of |contribution| of such values over that of all, 0 to 1."""
    strength = np.abs(contributions.amounts)
    placed = np.array([cell is not None for cell in cells_of(contributions.names)])
    return float(strength[placed].sum() / max(float(strength.sum()), np.finfo(float).tiny))


def rows_of(found: Floats) -> list[list[float]]:
    """Write a map out: ROWS rows of ROWS sums, from the top left, to six digits."""
    fold = SIDE // ROWS
    return [
        [round(value, 6) for value in row] for row in found.reshape(ROWS, fold, ROWS, fold).sum(axis=(1, 3)).tolist()
    ]


def smooth(found: Floats) -> Floats:
    """Bring a map to the frame's (224, 224) pixels and blur the edges of its cells; the sum stays."""
    scale = WORKING_SIZE // SIDE
    fine = np.kron(found, np.full((scale, scale), 1 / scale**2))
    return np.asarray(cv2.GaussianBlur(fine, (0, 0), _SIGMA, borderType=cv2.BORDER_REFLECT), np.float64)


def to_picture(framed: Framed | None, height: int, width: int) -> Move:
    """Give the move from the frame to the picture that it was cut from, in pixels of both.

    Parameters
    ----------
    framed : Framed or None
        The face; None where the picture was measured whole.
    height, width : int
        Of the picture.
    """
    if framed is None or framed.square is None:
        return np.array([[width / WORKING_SIZE, 0, 0], [0, height / WORKING_SIZE, 0]], np.float32)
    left, top, side, _ = framed.square
    square = square_of(framed.face)
    upright = np.array([left + side / 2, top + side / 2], np.float32)
    center = square.center if square.roll % 90 else upright
    return inverse(to_patch(center, side, square.roll, WORKING_SIZE))


def lay_on(heat: Floats, move: Move, height: int, width: int) -> Floats:
    """Lay a map of the frame, (224, 224), on a picture by such a move.

    Returns
    -------
    (height, width) float64 array
        The map's values, not sums; zero where the frame shows nothing of the picture.
    """
    back = move.astype(np.float64)
    back[:, 2] += back[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the pixel's centre
    return np.asarray(cv2.warpAffine(heat, back, (width, height), flags=cv2.INTER_LINEAR), np.float64)


def paint(bgr: Pixels, heat: Floats, strongest: float) -> Pixels:
    """Tint pixels by their evidence: orange towards fake, blue towards real, clear where there is none.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The picture.
    heat : (H, W) float64 array
        By pixel.
    strongest : float
        The evidence, of either sign, that gets the full tint.
    """
    share = np.clip(np.abs(heat) / max(strongest, np.finfo(float).tiny), 0, 1)[..., None] * _OPAQUE
    tint = np.where(heat[..., None] > 0, _FAKE, _REAL)
    return np.rint(bgr * (1 - share) + tint * share).astype(np.uint8)
