"""What a verdict on an image of 1024 px costs on one core, against a bare cv2.imread of the same file.

Two sets are made once: crops enlarged from their own size, and the same crops set at their own size into photographs.
Both are saved as JPEG of quality 90. They are taken in chunks as in benchmarks.speed; `path` judges every image whole
and is what the limit is for, `auto` finds the faces first.

    python -m benchmarks.speed_large -o benchmarks/results/speed_large.json
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from statistics import mean
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.faces import photographs, set_into
from benchmarks.record import DATA, judge, make_parser, one_core, scratch, spread, unpack, write
from benchmarks.speed import interleave, make_steps, ratios
from benchmarks.stages import Spans, medians
from features.decode import Pixels
from features.faces import find_faces
from features.frame import load_pixels
from pipelines.score import Detector, load_detector

__all__ = ["MOST_IMREADS", "SIDE", "enlarged", "in_photographs", "main", "measure"]

MOST_IMREADS: Final = 8
"""The whole path costs at most this many bare `cv2.imread` of the same files."""

SIDE: Final = 1024
"""Height and width of the images, in pixels."""

_QUALITY: Final = 90


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--images", type=int, default=640, help="of each set (default: 640)")
    options = parser.parse_args(arguments)
    write(options.output, "speed_large", arguments, measure(options.data, options.model, images=options.images))


def measure(sources: Sequence[str], model: str, *, images: int) -> dict[str, Any]:
    """Time every step on both sets; JSON values, times in microseconds an image.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    model : str
        A detector that ships, or the path of a bundle.
    images : int
        How many to make of each set.
    """
    detectors = {faces: load_detector(model, faces) for faces in ("off", "auto")}
    with scratch() as folder:
        crops = unpack(sources, images, folder / "crops")
        sets = {make.__name__: _written(make, crops, folder / make.__name__) for make in (enlarged, in_photographs)}
        timed = {name: _time(detectors, paths) for name, paths in sets.items()}
    bundle = detectors["off"].bundle
    return {
        "model": {**asdict(bundle.ref), "feature_set": bundle.feature_set.digest},
        "side": SIDE,
        "ratios": {f"path_to_imread_{name}": figures.pop("path_to_imread") for name, figures in timed.items()},
        "sets": timed,
    }


def enlarged(crops: Iterable[Pixels]) -> Iterator[Pixels]:
    """Enlarge crops to (1024, 1024, 3), cubic."""
    for crop in crops:
        yield np.asarray(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def in_photographs(crops: Iterable[Pixels]) -> Iterator[Pixels]:
    """Set crops as they are into photographs of (1024, 1024, 3), each at a random place."""
    rng = np.random.default_rng(0)
    for crop, scene in zip(crops, cycle(photographs(SIDE).values()), strict=False):
        left, top = (int(place) for place in rng.integers(0, SIDE - len(crop), size=2))
        yield set_into(np.ascontiguousarray(scene[:SIDE, :SIDE]), crop, left, top)


def _written(make: Callable[[Iterable[Pixels]], Iterator[Pixels]], crops: Sequence[str], folder: Path) -> list[str]:
    """Write a set that is made of crops; the paths of its images, in the order of the crops."""
    folder.mkdir()
    paths = []
    for index, image in enumerate(make(map(load_pixels, crops))):
        paths.append(str(folder / f"{index:06d}.jpg"))
        cv2.imwrite(paths[-1], image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return paths


def _time(detectors: dict[str, Detector], paths: Sequence[str]) -> dict[str, Any]:
    """Time the steps on one set, in turns."""
    spans: list[Spans] = []
    steps = make_steps(detectors["off"], spans) | {"auto": make_steps(detectors["auto"], [])["path"]}
    seconds = interleave(steps, paths)
    return {
        "images": len(paths),
        "bytes_an_image": mean(Path(path).stat().st_size for path in paths),
        "with_a_face": mean(bool(find_faces(load_pixels(path))) for path in paths),
        "microseconds": {step: spread([1e6 * value for value in values]) for step, values in seconds.items()},
        "path_to_imread": judge(ratios(seconds, "path", "imread"), at_most=MOST_IMREADS),
        "auto_to_imread": spread(ratios(seconds, "auto", "imread")),
        "stages": medians(spans),
    }


if __name__ == "__main__":
    one_core()
    main()
