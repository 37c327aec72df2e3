"""What the way an image is brought to the working size does to the AUC.

Test crops of a data set are made to arrive at other sizes (Lanczos, then JPEG of quality 90) and as rectangles with
honest proportions; each is brought to 224 px by the shipped policy and by three others, and scored by one detector.

    python -m benchmarks.resize_policy --data ../shared/data/deepfake-faces.zip -o benchmarks/results/resize_policy.json
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.record import DATA, balanced_images, interval, make_parser, resamples, write
from features.decode import Pixels, decode
from features.frame import FRAME_POLICY, WORKING_SIZE, Frame
from features.source import read_bytes
from models.metrics import roc_auc
from pipelines.dataset import read_dataset
from pipelines.engine import cores, map_jobs
from pipelines.score import load_detector

__all__ = ["ARRIVALS", "POLICIES", "main", "measure"]

Floats = npt.NDArray[np.float64]

_SQUARE: Final = (WORKING_SIZE, WORKING_SIZE)
_QUALITY: Final = 90
_RESAMPLES: Final = 300


def _shipped(rgb: Pixels) -> Pixels:
    return Frame.load(rgb).bgr


def _linear(rgb: Pixels) -> Pixels:
    return np.asarray(cv2.resize(rgb, _SQUARE, interpolation=cv2.INTER_LINEAR)[..., ::-1], dtype=np.uint8)


def _lanczos(rgb: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(rgb).resize(_SQUARE, Image.Resampling.LANCZOS))[..., ::-1]


def _centre_square(rgb: Pixels) -> Pixels:
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _shipped(rgb[top : top + side, left : left + side])


POLICIES: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "shipped": _shipped,
    "linear": _linear,
    "lanczos": _lanczos,
    "centre_square": _centre_square,
}
"""Ways from (H, W, 3) RGB pixels to (224, 224, 3) BGR; `shipped` is what `Frame` does."""

_SIDES: Final = (64, 96, 112, 160, 224, 256, 320, 448, 896)
ARRIVALS: Final[dict[str, tuple[tuple[int, int, int, int] | None, tuple[int, int]]]] = {
    **{f"{side}": (None, (side, side)) for side in _SIDES},
    "320x240": ((0, 28, 224, 196), (320, 240)),
    "240x320": ((28, 0, 196, 224), (240, 320)),
    "640x480": ((0, 28, 224, 196), (640, 480)),
}
"""How a crop of 224 px arrives: the part of it that is kept (left, top, right, bottom), and the size of the file."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result file."""
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--data", nargs="+", default=[DATA], help="data sets, as `dataset describe` takes them")
    parser.add_argument("--limit", type=int, default=1000, help="test images, half of them real (default: 1000)")
    parser.add_argument("--jobs", type=int, default=cores())
    options = parser.parse_args(arguments)
    result = measure(options.model, options.data, limit=options.limit, workers=options.jobs)
    write(options.output, "resize_policy", arguments, result)


def measure(model: str, sources: Sequence[str], *, limit: int, workers: int) -> dict[str, Any]:
    """Score test images in every arrival under every policy; JSON values.

    For each arrival and policy: the AUC, and its difference from the shipped policy with a 95 % interval from
    resamples of groups.
    """
    chosen = balanced_images(read_dataset(sources), limit)
    bundle = load_detector(model).bundle
    rows = map_jobs(partial(_probabilities, model), [sample.path for sample in chosen], workers=workers, ordered=True)
    scores = np.stack(list(rows))
    labels = np.array([sample.label for sample in chosen])
    weights = resamples([sample.group for sample in chosen], _RESAMPLES)
    figures = partial(_figures, labels, weights=weights, fake_from=bundle.points.fake_from)
    return {
        "model": {"name": bundle.name, "digest": bundle.digest},
        "images": {"real": int((labels == 0).sum()), "fake": int(labels.sum())},
        "shipped": FRAME_POLICY,
        "as_it_is": figures(scores[:, 0, 0], scores[:, 0, 0]),
        "arrivals": {
            arrival: {policy: figures(scores[:, i, j], scores[:, i, 0]) for j, policy in enumerate(POLICIES)}
            for i, arrival in enumerate(ARRIVALS, start=1)
        },
    }


def _probabilities(model: str, path: str) -> Floats:
    """Score one image: (1 + arrivals, policies); the first row is the image as it is."""
    bundle = load_detector(model).bundle
    rgb = np.ascontiguousarray(decode(read_bytes(path))[..., ::-1])
    arrived = [rgb, *(_arrive(rgb, *arrival) for arrival in ARRIVALS.values())]
    frames = [Frame(np.ascontiguousarray(policy(image))) for image in arrived for policy in POLICIES.values()]
    values = np.stack([bundle.feature_set.compute(frame) for frame in frames])
    return bundle.probability(values).reshape(len(arrived), len(POLICIES))


def _arrive(rgb: Pixels, kept: tuple[int, int, int, int] | None, size: tuple[int, int]) -> Pixels:
    stream = io.BytesIO()
    image = Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, box=kept)
    image.save(stream, "JPEG", quality=_QUALITY)
    return np.ascontiguousarray(decode(stream.getvalue())[..., ::-1])


def _figures(
    labels: npt.NDArray[np.int64], scores: Floats, shipped: Floats, *, weights: list[Floats], fake_from: float
) -> dict[str, Any]:
    once = np.ones(len(labels))
    gains = [roc_auc(labels, scores, weight) - roc_auc(labels, shipped, weight) for weight in weights]
    return {
        "auc": roc_auc(labels, scores, once),
        "gain": roc_auc(labels, scores, once) - roc_auc(labels, shipped, once),
        "gain_interval": interval(gains),
        "reals_from_the_point_for_fake": float((scores[labels == 0] >= fake_from).mean()),
        "mean_probability": {name: float(scores[labels == i].mean()) for i, name in enumerate(("real", "fake"))},
    }


if __name__ == "__main__":
    main()
