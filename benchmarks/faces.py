"""How well faces are found: recall by size, false finds, and time.

Faces of real images (test crops of deepfake-faces, and the middle of FFHQ photographs) are set into photographs
without faces that come with scikit-image and scikit-learn, with soft edges. One counts as found where a find lies
within 0.3 of its side from its centre and has between half and twice its side. The same photographs, at several sizes,
and scikit-image's small pictures of things other than faces give the false finds. Time is that of `find_faces` on one
core.

    python -m benchmarks.faces -o benchmarks/results/faces.json
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import skimage.data
from sklearn.datasets import load_sample_image

from benchmarks.record import DATA, ROOT, choose, judge, make_parser, one_core, spread, write
from features.decode import Pixels
from features.faces import Face, find_faces
from features.frame import load_pixels
from features.geometry import scaled
from features.runtime import open_model
from pipelines.dataset import read_dataset

__all__ = ["SIDES", "main", "photographs", "set_into"]

SIDES: Final = (40, 60, 100, 200, 400)
"""Sides of the faces that are looked for, in pixels."""

# fmt: off
_WITHOUT_FACES: Final = (
    "brick", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel", "horse",
    "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket", "text",
)
# fmt: on
_LIMITS: Final = {224: 4.0, 512: None, 1080: 15.0, 4000: None}  # longer side in pixels: milliseconds at most
_TIMED: Final = 20  # faces, each in a picture of its own
_LONGER: Final = 1080  # side of the photographs that faces are set into
_SIZES: Final = (0.5, 0.75, 1.0, 1.5, 2.0)
_FEATHER: Final = 0.06  # of the face's side
_WEIGHTS: Final = ROOT / "features" / "weights"
_FFHQ: Final = "stylegan-faces.zip"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result file."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", default=DATA, metavar="DATASET", help="deepfake-faces; FFHQ lies beside it")
    parser.add_argument("--faces", type=int, default=200, metavar="N", help="faces of each source at each side")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="times each picture is timed")
    options = parser.parse_args(arguments)
    one_core()
    sources = {
        "deepfake-faces": _crops(options.data, options.faces),
        "FFHQ": _portraits(str(Path(options.data).with_name(_FFHQ)), options.faces),
    }
    figures = {
        "recall": {name: {str(side): _recall(faces, side) for side in SIDES} for name, faces in sources.items()},
        "false_finds": _false_finds(),
        "milliseconds": _times(sources["deepfake-faces"][:_TIMED], options.repeats),
        "network_milliseconds": _network_times(sources["deepfake-faces"][0], options.repeats),
    }
    write(options.output, "faces", arguments, figures)


@cache
def photographs(shorter: int | None = None) -> dict[str, Pixels]:
    """Load the photographs without faces that come with packages, once a process.

    Parameters
    ----------
    shorter : int, optional
        Pixels of the shorter side that they are brought to.

    Returns
    -------
    dict of (H, W, 3) uint8 arrays
        BGR, by name; not to be written to.
    """
    found = {name: _bgr(getattr(skimage.data, name)()) for name in _WITHOUT_FACES}
    found |= {name: _bgr(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")}
    if shorter is None:
        return found
    return {name: scaled(photo, shorter / min(photo.shape[:2])) for name, photo in found.items()}


def set_into(photograph: Pixels, face: Pixels, left: int, top: int) -> Pixels:
    """Set a square face into a photograph with soft edges, its corner at (left, top)."""
    side = len(face)
    margin = max(1, round(_FEATHER * side))
    inner = np.zeros((side, side), np.float32)
    inner[margin:-margin, margin:-margin] = 1
    weight = cv2.GaussianBlur(inner, (0, 0), margin / 3)[..., None]
    made = photograph.copy()
    place = made[top : top + side, left : left + side]
    place[:] = np.rint(face * weight + place * (1 - weight)).astype(np.uint8)
    return made


def _bgr(image: Pixels) -> Pixels:
    pixels = (image * 255).astype(np.uint8) if image.dtype == bool else image
    code = cv2.COLOR_GRAY2BGR if pixels.ndim == 2 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels), code))


def _crops(data: str, count: int) -> list[Pixels]:
    """Load real test crops, those of lowest sha256 by name."""
    test = [sample for sample in read_dataset([data]) if sample.split == "test" and not sample.label]
    return [load_pixels(sample.path) for sample in choose(test, count)]


def _portraits(data: str, count: int) -> list[Pixels]:
    """Load the middle of FFHQ photographs, which are aligned so that the face fills it."""
    images = [load_pixels(sample.path) for sample in read_dataset([data]) if not sample.label][:count]
    return [image[len(image) // 5 : -len(image) // 10, 38:-38][:180, :180] for image in images]


def _recall(faces: Sequence[Pixels], side: int) -> dict[str, float]:
    """Set every face into a photograph at one side; the share found, and finds elsewhere for a picture."""
    rng = np.random.default_rng(side)
    scenes = [scaled(photo, _LONGER / max(photo.shape[:2])) for photo in photographs().values()]
    hits = others = 0
    for face, scene in zip(faces, cycle(scenes), strict=False):
        left, top = (int(rng.integers(0, max(1, length - side))) for length in scene.shape[1::-1])
        small = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        found = find_faces(set_into(scene, small, left, top))
        at_place = [_is_there(find, left + side / 2, top + side / 2, side) for find in found]
        hits += any(at_place)
        others += len(found) - sum(at_place)
    return {"faces": len(faces), "recall": hits / len(faces), "finds_elsewhere": others / len(faces)}


def _is_there(find: Face, x: float, y: float, side: int) -> bool:
    return max(abs(find.center[0] - x), abs(find.center[1] - y)) < 0.3 * side and 0.5 < find.size / side < 2


def _false_finds() -> dict[str, Any]:
    """Count finds on photographs without faces, at several sizes, and on LFW's patches that show none."""
    finds = {name: [len(find_faces(scaled(photo, size))) for size in _SIZES] for name, photo in photographs().items()}
    patches = skimage.data.lfw_subset()[100:]
    return {
        "photographs": len(finds) * len(_SIZES),
        "with_a_find": sum(count > 0 for counts in finds.values() for count in counts),
        "where": {name: sum(counts) for name, counts in finds.items() if sum(counts)},
        "patches": len(patches),
        "patches_with_a_find": sum(bool(find_faces(_patch(patch))) for patch in patches),
    }


def _patch(patch: Pixels) -> Pixels:
    """Enlarge one of LFW's grey patches of 25 px, values 0 to 1."""
    return _bgr(np.asarray(cv2.resize((patch * 255).astype(np.uint8), (100, 100), interpolation=cv2.INTER_CUBIC)))


def _times(faces: Sequence[Pixels], repeats: int) -> dict[str, Any]:
    """Time pictures with one face: crops of 224 px themselves, and set into larger photographs, 4:3."""
    return {
        str(side): judge(found, at_most=limit) if limit else spread(found)
        for side, limit in _LIMITS.items()
        for found in [[_median_time(_with_face(face, side), repeats) for face in faces]]
    }


def _median_time(bgr: Pixels, repeats: int) -> float:
    return statistics.median(islice(_timed(partial(find_faces, bgr)), repeats))


def _with_face(face: Pixels, side: int) -> Pixels:
    if side == len(face):
        return face
    photo = load_sample_image("china.jpg")[..., ::-1]
    scene = np.asarray(cv2.resize(photo, (side, side * 3 // 4), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    return set_into(scene, face, side // 4, side // 8)


def _network_times(face: Pixels, repeats: int) -> dict[str, Any]:
    """Time the network on 128 px: as it ships, in onnxruntime, and as it was published, in OpenCV."""
    image = cv2.dnn.blobFromImage(face, 1 / 127.5, (128, 128), (127.5,) * 3, swapRB=True)
    session = open_model((_WEIGHTS / "blazeface.onnx").read_bytes(), "blazeface.onnx")
    original = cv2.dnn.readNetFromTFLite(str(_WEIGHTS / "face_detection_short_range.tflite"))
    outputs = original.getUnconnectedOutLayersNames()

    def run_original() -> None:
        original.setInput(image)
        original.forward(outputs)

    runs: dict[str, Callable[[], object]] = {
        "onnxruntime": partial(session.run, None, {"image": image}),
        "opencv": run_original,
    }
    times = {name: list(islice(_timed(run), 10 * repeats)) for name, run in runs.items()}
    return {name: spread(found) for name, found in times.items()}


def _timed(run: Callable[[], object]) -> Iterator[float]:
    """Yield the milliseconds of one run after another; the first is not counted."""
    run()
    while True:
        started = time.perf_counter()
        run()
        yield 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
