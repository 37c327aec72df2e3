"""Takes frames out of a clip, spread evenly over its time, one in memory at once.

Frames in between are decoded, since later ones build on them, but not converted; where they would be many, the clip is
wound forward to the next.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import MIN_SIDE, Pixels
from features.errors import VideoError
from pipelines.video_files import cause
from pipelines.video_jobs import Sampling

__all__ = ["MAX_FRAME", "Clip", "Histogram", "colors", "is_cut"]

MAX_FRAME: Final = 40_000_000
"""The most pixels that a frame may have: 8K has 33 million."""

_FAR: Final = 10.0  # seconds from which on winding costs less than decoding; key frames lie closer together
_ABSENT: Final = (0.5, 0.05)  # seconds, and share of the clip, that may be missing at the end: sound may last longer
_FPS: Final = 25.0  # where the clip does not say
_LONGEST: Final = 1e6  # seconds; more is nonsense in a header
_SIDE, _BINS, _SHARED = 64, 8, 0.5  # of the picture and the histogram that a cut shows in


Histogram = npt.NDArray[np.float32]
"""Shares of a frame, by colour."""


@dataclass
class Clip:
    """A clip that is being read; a context that lets go of the file.

    Attributes
    ----------
    path : str
        A plain file.
    sampling : Sampling
        How frames are taken.
    fps, duration : float or None
        Frames a second and seconds, as its header announces them; None where that says nothing sensible.
    step : float
        Seconds from one sampled frame to the next.
    taken : int
        Frames given so far.
    seen : float
        Seconds at which the last frame that decoded was shown.
    limit : str or None
        What of the clip was not looked at, once all frames were given.

    Raises
    ------
    VideoError
        It does not open, or its frames are too large or too small.
    """

    path: str
    sampling: Sampling
    fps: float | None = field(init=False)
    duration: float | None = field(init=False)
    step: float = field(init=False)
    taken: int = 0
    seen: float = 0.0
    limit: str | None = None

    def __post_init__(self) -> None:
        self._capture = _open(self.path)
        if not self._capture.isOpened():
            raise cause(self.path)
        sides = [int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if not all(sides):
            raise cause(self.path)
        _check_size(*sides)
        self.fps = _sensible(self._capture.get(cv2.CAP_PROP_FPS), 1000.0)
        self.duration = _sensible(self._capture.get(cv2.CAP_PROP_FRAME_COUNT) / (self.fps or _FPS), _LONGEST)
        self.step = max(self.sampling.every, (self.duration or 0.0) / self.sampling.most)

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self) -> Iterator[tuple[float, Pixels]]:
        """Give frames with the seconds at which they are shown, (H, W, 3) uint8 BGR, upright.

        Raises
        ------
        VideoError
            None decodes, or one is too large or too small.
        """
        wanted, slack = 0.0, 0.5 / (self.fps or _FPS)
        while self.taken < self.sampling.most and self._reach(wanted - slack):
            found, bgr = self._capture.retrieve()
            if found:
                _check_size(*bgr.shape[1::-1])
                self.taken += 1
                yield self.seen, np.asarray(bgr, np.uint8)
            wanted = self.step * (math.floor((self.seen + slack) / self.step) + 1)
        if not self.taken:
            raise cause(self.path)
        self.limit = self._limit()

    def _reach(self, wanted: float) -> bool:
        """Go on to the first frame that is shown at `wanted` seconds or later; False where the clip ends before."""
        if wanted - self.seen > _FAR:
            self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * wanted)
        fresh = self.taken == 0
        while self._capture.grab():
            shown = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if not fresh and shown <= self.seen:  # a file that does not tell
                shown = self.seen + 1 / (self.fps or _FPS)
            fresh, self.seen = False, max(0.0, shown)
            if self.seen >= wanted:
                return True
        return False

    def _limit(self) -> str | None:
        said = []
        if self.step > self.sampling.every:
            said.append(
                f"looked at every {self.step:.2f} s, not every {self.sampling.every:g} s: no more than"
                f" {self.sampling.most} frames"
            )
        if self.duration is None and self.taken == self.sampling.most:
            said.append(f"looked at up to {self.seen:.1f} s only: no more than {self.sampling.most} frames")
        ended = self.taken < self.sampling.most  # else nobody went to see how far the file goes
        if ended and self.duration and self.duration - self.seen > max(_ABSENT[0], _ABSENT[1] * self.duration):
            said.append(
                f"ends at {self.seen:.1f} s of the {self.duration:.1f} s announced: truncated or damaged, judged as far"
                " as it decodes"
            )
        return "; ".join(said) or None


def colors(bgr: Pixels) -> Histogram:
    """Give the share of a frame, (H, W, 3) uint8 BGR, that falls on each of 8 x 8 x 8 colours: (512,) float32."""
    small = cv2.resize(bgr, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0.0, 256.0] * 3)
    return np.asarray(counts.ravel() / _SIDE**2, np.float32)


def is_cut(before: Histogram, after: Histogram) -> bool:
    """Tell two frames of different shots by their `colors`: they share less than half.

    References
    ----------
    Swain, Ballard (1991), Color indexing, DOI 10.1007/BF00130487: the intersection of histograms.
    """
    return bool(np.minimum(before, after).sum() < _SHARED)


def _open(path: str) -> cv2.VideoCapture:
    """Open a clip, to be decoded on one thread, without a word on standard error."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    finally:
        cv2.utils.logging.setLogLevel(level)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_FRAME:
        raise VideoError(f"frames of {width}x{height} pixels; at most {MAX_FRAME:,} pixels are taken")
    if min(width, height) < MIN_SIDE:
        raise VideoError(f"frames of {width}x{height} pixels; a side has at least {MIN_SIDE}")


def _sensible(value: float, most: float) -> float | None:
    return value if 0 < value <= most else None
