"""What a clip takes on one core: seconds to score it, against how long it plays.

The script makes the clip with OpenCV: 1920x1080 pixels, 30 frames a second, a photograph of a face that moves over a
still background, with grain that differs from frame to frame, as MPEG-4 in an mp4 file. `python cli.py score --jobs 1`
looks at five frames of each second; its start is counted.

    python -m benchmarks.video -o benchmarks/results/video.json
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.record import ROOT, judge, make_parser, one_core, scratch, spread, write
from features.decode import Pixels
from models.bundle import resolve
from tests.images import photo
from tests.portraits import portrait

__all__ = ["SHARE", "SIZE", "frames", "main", "measure"]

SHARE: Final = 1.0
"""Seconds of work for one of the clip, at most."""

SIZE: Final = (1920, 1080)
"""Width and height of a frame."""

_FPS = 30
_EVERY = 0.2
_GRAIN = 2.0  # standard deviation, of 255
_TEXTURES = 8  # of grain


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--seconds", type=int, default=30, help="that the clip plays (default: 30)")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is scored (default: 5)")
    options = parser.parse_args(arguments)
    write(options.output, "video", arguments, measure(options.model, options.seconds, options.rounds))


def measure(model: str, seconds: int, rounds: int) -> dict[str, Any]:
    """Make a clip that plays some seconds and score it a few times; JSON values, times in seconds."""
    with scratch() as folder:
        clip = folder / "clip.mp4"
        _write(clip, frames(seconds * _FPS))
        size = clip.stat().st_size
        runs = [_score(resolve(model).absolute(), clip, folder / "rows.ndjson") for _ in range(rounds)]
    took = [one for one, _ in runs]
    row, *tracks = runs[-1][1]
    return {
        "model": row["model"]["name"],
        "pixels": list(SIZE),
        "frames_per_second": _FPS,
        "every": _EVERY,
        "bytes": size,
        "clip": row["clip"],
        "faces_seen": [track["track"]["frames"] for track in tracks],
        "seconds": spread(took),
        "seconds_per_second": judge([one / seconds for one in took], at_most=SHARE),
    }


def frames(count: int) -> Iterator[Pixels]:
    """Make frames on which a head moves slowly to and fro; BGR."""
    width, height = SIZE
    rng = np.random.default_rng(0)
    ground = cv2.cvtColor(photo(1, (height, width)), cv2.COLOR_RGB2BGR)
    head = cv2.cvtColor(portrait(2.0)[:, 220:680], cv2.COLOR_RGB2BGR)[: height - 40]
    grain = [rng.normal(0, _GRAIN, (height, width, 1)).astype(np.int16) for _ in range(_TEXTURES)]
    for at in range(count):
        left = round((width - head.shape[1]) * (0.5 + 0.4 * np.sin(2 * np.pi * at / (10 * _FPS))))
        frame = ground.astype(np.int16)
        frame[40 : 40 + len(head), left : left + head.shape[1]] = head
        yield np.clip(frame + grain[at % _TEXTURES], 0, 255).astype(np.uint8)


def _write(path: Path, pictures: Iterator[Pixels]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), _FPS, SIZE)
    for picture in pictures:
        writer.write(picture)
    writer.release()


def _score(model: Path, clip: Path, rows: Path) -> tuple[float, list[dict[str, Any]]]:
    """Run `score --jobs 1` on a clip; give the seconds and its rows."""
    command = [sys.executable, "cli.py", "score", str(clip), "--model", str(model), "--every", str(_EVERY)]
    options = ["--max-frames", "1000000", "--jobs", "1", "--format", "ndjson", "-o", str(rows), "--quiet"]
    started = perf_counter()
    subprocess.run([*command, *options], cwd=ROOT, check=True)
    return perf_counter() - started, [json.loads(line) for line in rows.read_text().splitlines()]


if __name__ == "__main__":
    one_core()
    main()
