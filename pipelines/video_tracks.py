"""Follows faces from frame to frame: which sights, one after another, show the same face.

Faces that lie close to where one was last seen, and are about as large, are taken for it; the closest pairs first. No
motion is predicted and no face is recognised: one that leaves and comes back is another track.
"""

import math
from typing import Final

__all__ = ["REACH", "Box", "Tracker", "apart"]

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

REACH: Final = 0.75
"""How far a face may move between two sights of it, in sides of the larger box; boxes of one size then overlap."""

_GROWTH: Final = 1.6  # times that it may grow or shrink meanwhile


class Tracker:
    """Numbers the faces of one frame after the other, from 1.

    Attributes
    ----------
    patience : float
        Seconds for which a face may be out of sight.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._last: dict[int, tuple[float, Box]] = {}
        self._count = 0

    def follow(self, time: float, boxes: list[Box]) -> list[int]:
        """Give the number of the track that each face of a frame belongs to; no two faces get the same.

        Parameters
        ----------
        time : float
            Seconds at which the frame is shown, more from frame to frame.
        boxes : list of Box
            Where faces are.
        """
        live = {track: box for track, (seen, box) in self._last.items() if time - seen <= self.patience}
        pairs = sorted((apart(last, box), track, at) for track, last in live.items() for at, box in enumerate(boxes))
        chosen: dict[int, int] = {}
        for distance, track, at in pairs:
            if distance <= REACH and at not in chosen and track not in chosen.values():
                chosen[at] = track
        tracks = [chosen[at] if at in chosen else self._new() for at in range(len(boxes))]
        self._last = {track: self._last[track] for track in live}
        self._last |= {track: (time, box) for track, box in zip(tracks, boxes, strict=True)}
        return tracks

    def cut(self) -> None:
        """End every track: what comes next is another shot."""
        self._last.clear()

    def _new(self) -> int:
        self._count += 1
        return self._count


def apart(one: Box, other: Box) -> float:
    """Distance of two centres in sides of the larger box; infinite where the sizes cannot be those of one face."""
    sides = [math.sqrt(width * height) for _, _, width, height in (one, other)]
    if max(sides) > _GROWTH * min(sides):
        return math.inf
    centers = [(x + width / 2, y + height / 2) for x, y, width, height in (one, other)]
    return math.dist(*centers) / max(sides)
