"""Clips for tests, made with OpenCV: a face that moves over a background, and files that are no clips."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from features.decode import Pixels
from tests.images import photo
from tests.portraits import portrait

__all__ = ["CODECS", "FPS", "SIZE", "clip", "moving", "shots"]

CODECS: Final = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "MJPG", ".webm": "VP80"}
"""A codec that OpenCV can write into each kind of file."""

FPS: Final = 10.0
"""Frames a second of every clip."""

SIZE: Final = (640, 360)
"""Width and height of its frames."""


def moving(count: int, scale: float = 1.0, faces: int = 1, seed: int = 1) -> Iterable[Pixels]:
    """Make frames on which heads, 240 pixels high at scale 1, move 4 pixels a frame to the right; BGR."""
    ground = np.asarray(cv2.cvtColor(photo(seed, (SIZE[1], SIZE[0])), cv2.COLOR_RGB2BGR), np.uint8)
    head = np.ascontiguousarray(portrait(scale)[: round(240 * scale), round(110 * scale) : round(340 * scale), ::-1])
    high, wide = head.shape[:2]
    for at in range(count):
        frame = ground.copy()
        for face in range(faces):
            left = 4 * at + face * SIZE[0] // 2
            frame[40 : 40 + high, left : left + wide] = head[: SIZE[1] - 40, : SIZE[0] - left]
        yield frame


def shots(count: int) -> Iterable[Pixels]:
    """Make frames without a face."""
    ground = np.asarray(cv2.cvtColor(photo(1, (SIZE[1], SIZE[0])), cv2.COLOR_RGB2BGR), np.uint8)
    return (ground for _ in range(count))


def clip(path: Path, frames: Iterable[Pixels], codec: str | None = None, fps: float = FPS) -> Path:
    """Write frames as a clip whose kind is told by the ending; return `path`."""
    pixels: Sequence[Pixels] = list(frames)
    height, width = pixels[0].shape[:2]
    four = cv2.VideoWriter.fourcc(*(codec or CODECS[path.suffix]))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, four, fps, (width, height))
    assert writer.isOpened(), f"OpenCV writes no {path.suffix} here"
    for frame in pixels:
        writer.write(frame)
    writer.release()
    return path
