"""A camera for Chromium that shows a film: a face that moves to and fro."""

from pathlib import Path

import numpy as np

from tests.images import jpeg
from tests.portraits import portrait

__all__ = ["FLAGS", "film"]

FLAGS = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""What Chromium is told, beside `--use-file-for-fake-video-capture=FILE`."""


def film(path: Path) -> Path:
    """Write frames of 640x480 pixels, one JPEG after another; returns the path."""
    face = portrait(0.9)
    frames = []
    for step in [*range(0, 120, 8), *range(120, 0, -8)]:
        frame = np.full((480, 640, 3), 127, np.uint8)
        frame[: len(face), step : step + face.shape[1]] = face
        frames.append(jpeg(frame, quality=90))
    path.write_bytes(b"".join(frames))
    return path
