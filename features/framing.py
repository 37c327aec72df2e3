"""The one framing: which square of a picture is measured for a face.

The crops of deepfake-faces, which the detectors learn from, are squares that the face fills from forehead to chin: the
eyes lie at 0.31 of the side from the top, the mouth at 0.72, the chin at 0.97, each with a standard deviation of 0.05.
On 5,000 of them (training groups) BlazeFace's box, taken as one, put the square's centre 0.35 of the way from the box's
centre towards the nose and 0.037 higher, and its side at 1.08; about that, squares differ by 8 % in their side and by 3
to 4 % in their place (`python -m benchmarks.framing` measures all this). Every face is cropped to that square; a
picture that already is such a crop is measured whole.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from features.faces import Face, find_faces
from features.frame import WORKING_SIZE, Frame
from features.geometry import Points, to_patch, warp

__all__ = ["FRAMING", "MIN_FACE", "Framed", "Square", "cut", "frame_faces", "square_of"]

FRAMING: Final = "framing/1"
"""Name and version of the framing; it rises whenever a face may be cropped otherwise."""

MIN_FACE: Final = 40
"""Pixels that a face needs for a verdict."""

_TOWARDS_NOSE = 0.35  # of the way from the box's centre
_UP = 0.037  # of the box's side
_SIDE = 1.08  # of the box's side
_LOOSER, _TIGHTER = 0.8, 1.25  # side of the square in sides of an image that is such a crop; 99 % of 5,000 lie between
_ASIDE = 0.12  # its centre from the image's, in sides of the image
_OBLONG = 1.1  # longer side of an image that is such a crop over the shorter
_MOST_CUT = 1 / 3  # of the face's box beyond the picture's border
_SNAP = 0.08  # a side this close to the working size is taken at it, and nothing is resampled


@dataclass(frozen=True, eq=False)
class Square:
    """Where a face is measured.

    Attributes
    ----------
    center : (2,) float32 array
        x and y in pixels of the picture.
    side : float
        Pixels.
    roll : float
        Degrees by which it is turned clockwise.
    """

    center: Points
    side: float
    roll: float


@dataclass(frozen=True, eq=False)
class Framed:
    """A face ready to be measured.

    Attributes
    ----------
    pixels : (H, W, 3) uint8 array
        Its square, or the whole picture, at the picture's own resolution.
    face : Face
        Where it was found.
    square : (x, y, w, h) or None
        What was cropped, in pixels of the picture; None where that is the whole picture.
    doubt : str or None
        Why no verdict on it can be trusted.
    note : str or None
        What limits a verdict on it.
    """

    pixels: Pixels
    face: Face
    square: tuple[int, int, int, int] | None
    doubt: str | None
    note: str | None

    @cached_property
    def frame(self) -> Frame:
        """The pixels at the working size."""
        return Frame.of(self.pixels)

    @property
    def views(self) -> tuple[Frame, ...]:
        """What is measured to judge it: the frame, and of a crop its mirror image too.

        The mean score of both is steadier against what the framing gets wrong; a whole picture is measured as it is.
        """
        return (self.frame, self.frame.mirrored()) if self.square else (self.frame,)


def square_of(face: Face) -> Square:
    """Give the square that is measured for a face, wherever the picture ends."""
    nose = face.keypoints[2]
    up = to_patch(face.center, 1.0, face.tilt, 1)[:, :2].T @ np.array([0.0, -_UP * face.size])
    center = face.center + _TOWARDS_NOSE * (nose - face.center) + up
    return Square(np.asarray(center, dtype=np.float32), _SIDE * face.size, face.tilt)


def frame_faces(bgr: Pixels) -> list[Framed]:
    """Find the faces of a picture and bring each to the framing, the largest first.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The picture. Where it is a crop of its largest face, as tight as the framing or tighter, it is taken whole.
    """
    faces = find_faces(bgr)
    if faces and _is_crop(faces[0], bgr):
        return [Framed(bgr, faces[0], None, _doubt(faces[0], bgr), _note(square_of(faces[0]), bgr))]
    return [_framed(bgr, face) for face in faces]


def cut(bgr: Pixels, square: Square) -> tuple[Pixels, tuple[int, int, int, int]]:
    """Cut a square out of a picture, upright, on whole pixels, moved and reduced until the picture holds it.

    A side within 8 % of the working size becomes the working size, so that nothing is resampled. Quarter turns resample
    nothing either; any other is made with cubic interpolation.

    Returns
    -------
    (n, n, 3) uint8 array
        What the square shows, at the picture's own resolution.
    (int, int, int, int)
        Where it lies, without its turn: x, y, w, h in pixels of the picture.
    """
    side = WORKING_SIZE if abs(square.side / WORKING_SIZE - 1) <= _SNAP else round(square.side)
    side = min(side, *bgr.shape[:2])
    corner = [
        int(np.clip(round(float(middle) - side / 2), 0, length - side))
        for middle, length in zip(square.center, bgr.shape[1::-1], strict=True)
    ]
    left, top = corner
    if square.roll % 90:
        move = to_patch(square.center, side, square.roll, side)
        pixels = warp(bgr, move, side, smooth=cv2.INTER_CUBIC, border=cv2.BORDER_REFLECT_101)
    else:
        pixels = np.rot90(bgr[top : top + side, left : left + side], round(square.roll / 90))
    return pixels, (left, top, side, side)


def _is_crop(face: Face, bgr: Pixels) -> bool:
    """Tell a picture that the face fills as in the framing, or fills more."""
    square, (height, width) = square_of(face), bgr.shape[:2]
    if max(height, width) > _OBLONG * min(height, width) or square.roll:
        return False
    sides = square.side / min(height, width)
    aside = np.abs(square.center / (width, height) - 0.5).max()
    return bool(sides > _TIGHTER or (sides >= _LOOSER and aside <= _ASIDE))


def _framed(bgr: Pixels, face: Face) -> Framed:
    square = square_of(face)
    pixels, place = cut(bgr, square)
    return Framed(pixels, face, place, _doubt(face, bgr), _note(square, bgr))


def _doubt(face: Face, bgr: Pixels) -> str | None:
    if face.size < MIN_FACE:
        return f"a face of {face.size:.0f} pixels; a verdict needs {MIN_FACE}"
    low = np.clip(face.center - face.size / 2, 0, bgr.shape[1::-1])
    high = np.clip(face.center + face.size / 2, 0, bgr.shape[1::-1])
    cut = 1 - float((high - low).prod()) / face.size**2
    return f"the border of the picture cuts off {cut:.0%} of the face" if cut > _MOST_CUT else None


def _note(square: Square, bgr: Pixels) -> str | None:
    if square.side > _TIGHTER * min(bgr.shape[:2]):
        return f"the face fills more than the picture, {square.side / min(bgr.shape[:2]):.2f} times what it should"
    if square.roll % 90:
        return f"the face is tilted by {square.roll:.0f} degrees; turning it upright resampled it"
    return None
