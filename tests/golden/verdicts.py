"""Golden verdicts: the probability that the detector that ships as `fast` gives each of 200 pictures, made by seed.

    python -m tests.golden.verdicts

writes `verdicts.json` anew; that is right only together with another detector. The pictures are smooth random textures,
and the photograph that comes with scikit-image in cuts, sizes and blurs; they reach the detector as PNG, so that no
lossy decoder stands between them and the figures.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from features.decode import Pixels
from pipelines.score import Detector, load_detector
from tests.images import photo, png
from tests.portraits import portrait

__all__ = ["FARTHEST", "FILE", "SHARE", "TOLERANCE", "judged", "pictures"]

FILE: Final = Path(__file__).with_suffix(".json")

TOLERANCE: Final = 0.001
"""How far a probability may be from the golden one, on a processor that rounds otherwise."""

SHARE: Final = 0.95
"""The least share of the pictures that has to keep to it: trees jump at their thresholds.

Written on a Xeon with AVX-512, 0.98 kept to it on an EPYC with AVX2, the farthest 0.015 away.
"""

FARTHEST: Final = 0.05
"""How far any probability may jump: another detector moves some by far more."""

COUNT: Final = 200
_SIDES: Final = (160, 224, 256, 320)


def pictures() -> Iterator[tuple[str, Pixels]]:
    """Yield a name and RGB pixels for each of the pictures; every second one is of the photograph."""
    for index in range(COUNT):
        rng = np.random.default_rng(index)
        side = _SIDES[index // 2 % len(_SIDES)]
        make = _texture if index % 2 else _cut
        yield f"{make.__name__[1:]}-{index:03d}", _worn(make(index, side, rng), rng)


def _texture(seed: int, side: int, _: np.random.Generator) -> Pixels:
    return photo(seed, side)


def _cut(_: int, side: int, rng: np.random.Generator) -> Pixels:
    """Cut a square about the face, somewhat off it, and resize it."""
    whole, half = portrait(), int(rng.integers(55, 110))
    x, y = 223 + int(rng.integers(-12, 13)), 122 + int(rng.integers(-12, 13))
    square = whole[max(0, y - half) : y + half, x - half : x + half]
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _worn(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur some, add noise to some, brighten some: by integers, so that every machine makes the same bytes."""
    kind = int(rng.integers(4))
    wide = rgb.astype(np.int32)
    if kind == 1:
        wide = (wide + np.roll(wide, 1, 0) + np.roll(wide, 1, 1) + np.roll(wide, (1, 1), (0, 1)) + 2) // 4
    elif kind == 2:
        wide = wide + rng.integers(-9, 10, rgb.shape)
    elif kind == 3:
        wide = wide * int(rng.integers(80, 121)) // 100
    return np.clip(wide, 0, 255).astype(np.uint8)


def judged(model: str = "fast") -> dict[str, Any]:
    """Judge the pictures whole; the detector's digest, and a row each: pixels' sha256, probability, verdict."""
    detector = load_detector(model, "off")
    rows = {name: [sha256(rgb.tobytes()).hexdigest(), *_row(detector, rgb)] for name, rgb in pictures()}
    return {
        "detector": detector.bundle.digest,
        "tolerance": TOLERANCE,
        "share": SHARE,
        "rows": rows,
    }


def _row(detector: Detector, rgb: Pixels) -> tuple[float | None, str | None]:
    found = detector.score(png(rgb))
    return found.probability, found.verdict


def main() -> None:
    """Write the file."""
    found = judged()
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in found.pop("rows").items())
    head = json.dumps(found, indent=1)[:-2]
    FILE.write_text(f'{head},\n "rows": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
