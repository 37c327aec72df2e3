"""Walks the whole path in a minute: a corpus made on the spot, extract, train, score.

The corpus teaches the path, not the quality. Its real images are plain crops of the photographs that come with
scikit-image; its forged ones are such crops whose inner part was resampled, blended in and given new noise. Hardly any
shows a face, and no detector of deepfakes could be trained on it.
"""

import csv
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from features.decode import Pixels
from features.errors import MissingExtraError, OutputError
from models.booster import BoosterParams
from models.verdict import Verdict
from pipelines.dataset import Sample, read_dataset
from pipelines.extract import extract
from pipelines.score import load_detector, score
from pipelines.train import train

__all__ = ["PHOTOGRAPHS", "demo", "make_corpus"]

# fmt: off
PHOTOGRAPHS: Final = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)
# fmt: on
"""Files in the wheel of scikit-image, in its folder `data`."""

_SIDE = 224
_REGION = 232  # side of the parts of a photograph that are kept together by the split
_CROPS = 3  # of each class from each region
_FLAT = 2.0  # standard deviation of luma below which a region shows nothing
_QUALITY = 75
_FACE = (slice(0, 224), slice(112, 336))  # of astronaut.png
_PARAMS: Final = BoosterParams(
    learning_rate=0.05,
    num_leaves=7,
    min_child_samples=10,
    feature_fraction=0.5,
    max_trees=300,
    early_stopping_rounds=100,
)
_NEXT: Final = """
This showed the path, not the quality: the corpus is crops of a few photographs, and the forgeries are simple.

Next:
  python cli.py score FOLDER                      verdicts of the detector that ships, on the faces in your pictures
  python cli.py extract deepfake-faces.zip --out runs/cache      measure a data set (Kaggle: dagnelies/deepfake-faces)
  python cli.py train runs/cache --out runs/bundle               train a detector on it
  python cli.py score FOLDER --model runs/bundle                 and use it
"""

Say = Callable[[str], None]


class _Region(NamedTuple):
    """A part of a photograph, (232, 232, 3) BGR, and the name that keeps its crops on one side of the split."""

    name: str
    pixels: Pixels


def demo(out: str, *, model: str = "fast", workers: int | None = None, say: Say = print) -> dict[str, Any]:
    """Make a corpus, measure it, train on it, score what was held out, and score one face with a real detector.

    Parameters
    ----------
    out : str
        The folder of all results, made where it is missing.
    model : str
        The detector that scores the face at the end.
    workers : int, optional
        Processes; one a core by default.
    say : callable
        Takes a line for the user at each step.

    Returns
    -------
    dict
        Counts, seconds, how much of the held-out part was told right, and the last verdict.

    Raises
    ------
    MissingExtraError
        Where scikit-image is not installed.
    OutputError
        Where `out` cannot be written.
    """
    started, root = time.monotonic(), Path(out)
    samples = read_dataset([str(make_corpus(root / "corpus"))])
    say(f"1. corpus: {len(samples)} crops, half of them forged, in {root / 'corpus'}")
    summary = extract(samples, str(root / "cache"), workers=workers)
    say(f"2. extract: features of {summary.done + summary.cached} images ({summary.cached} known) in {root / 'cache'}")
    manifest = train(root / "cache", root / "bundle", name="demo", params=_PARAMS, threads=workers or 0, resamples=200)
    say(f"3. train: {manifest['training']['best_iteration']} trees, calibrated, in {root / 'bundle'}")
    held_out = _score_held_out(samples, root, workers)
    say(f"4. score: {held_out['right']} of {held_out['images']} held-out crops told right at probability 0.5")
    say("   (each taken whole, --faces off: they show no faces)")
    face = load_detector(model).score(root / "corpus" / "face.jpg")
    say(f"5. the detector {face.model.name} on the face found in a photograph: {face.verdict} ({face.probability:.4f})")
    if face.reason:
        say(f"   ({face.reason})")
    say(_NEXT)
    seconds = round(time.monotonic() - started, 1)
    return {"images": len(samples), "seconds": seconds, "held_out": held_out, "face": face.to_json()}


def _score_held_out(samples: list[Sample], root: Path, workers: int | None) -> dict[str, Any]:
    """Score the test part with the detector just trained and write its rows."""
    labels = {sample.path: sample.label for sample in samples if sample.split == "test"}
    verdicts = list(score(labels, model=str(root / "bundle"), faces="off", workers=workers, ordered=True))
    rows = root / "verdicts.ndjson"
    rows.write_text("".join(json.dumps(verdict.to_json()) + "\n" for verdict in verdicts))
    return {"images": len(labels), "right": sum(_is_right(verdict, labels) for verdict in verdicts), "rows": str(rows)}


def _is_right(verdict: Verdict, labels: dict[str, int]) -> bool:
    return verdict.probability is not None and (verdict.probability >= 0.5) == labels[str(verdict.path)]


def make_corpus(root: Path) -> Path:
    """Write the corpus, the same each time, and return the CSV that lists it.

    Every image, real or forged, is a 224x224 JPEG of quality 75; `face.jpg` beside them is not part of the corpus.
    """
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    try:
        for region in _regions():
            for index in range(2 * _CROPS):
                label = ("real", "fake")[index % 2]
                crop = _crop(region.pixels, rng)
                _write(root / label / f"{region.name}-{index}.jpg", _forge(crop, rng) if label == "fake" else crop)
                rows.append((f"{label}/{region.name}-{index}.jpg", label, region.name))
        _write(root / "face.jpg", _read("astronaut.png")[_FACE])
        with (root / "corpus.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label", "group"), *rows])
    except OSError as error:
        raise OutputError(f"cannot write to {root}: {error.strerror}") from error
    return root / "corpus.csv"


def _regions() -> Iterator[_Region]:
    """Cut every photograph into regions that do not overlap; those that show nothing are left out."""
    for photograph in PHOTOGRAPHS:
        pixels = _read(photograph)
        for top in range(0, pixels.shape[0] - _REGION + 1, _REGION):
            for left in range(0, pixels.shape[1] - _REGION + 1, _REGION):
                region = pixels[top : top + _REGION, left : left + _REGION]
                if cv2.cvtColor(region, cv2.COLOR_BGR2GRAY).std() >= _FLAT:
                    yield _Region(f"{Path(photograph).stem}-{top}-{left}", region)


def _read(photograph: str) -> Pixels:
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise MissingExtraError("scikit-image", "demo")
    pixels = cv2.imread(str(Path(found.origin).parent / "data" / photograph), cv2.IMREAD_COLOR)
    return np.asarray(pixels, np.uint8)


def _crop(region: Pixels, rng: np.random.Generator) -> Pixels:
    """Take a crop at random, turned and mirrored at random."""
    top, left = rng.integers(0, _REGION - _SIDE + 1, 2)
    crop = np.rot90(region[top : top + _SIDE, left : left + _SIDE], int(rng.integers(4)))
    return np.ascontiguousarray(crop[:, ::-1] if rng.integers(2) else crop)


def _forge(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Replace the inner part of a crop by itself, turned a little, made smaller and larger again, with new noise."""
    centre = (_SIDE / 2, _SIDE / 2)
    turn = cv2.getRotationMatrix2D(centre, rng.uniform(-4, 4), rng.uniform(1.02, 1.08))
    inner = cv2.warpAffine(crop, turn, (_SIDE, _SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    small = round(_SIDE * rng.uniform(0.5, 0.8))
    inner = cv2.resize(cv2.resize(inner, (small, small), interpolation=cv2.INTER_AREA), (_SIDE, _SIDE))
    noisy = inner + rng.normal(0, rng.uniform(1, 3), inner.shape)
    mask = np.zeros((_SIDE, _SIDE, 1))
    axes = tuple(int(axis) for axis in rng.integers(60, 90, 2))
    mask[..., 0] = cv2.GaussianBlur(cv2.ellipse(mask, (_SIDE // 2, _SIDE // 2), axes, 0, 0, 360, 1.0, -1), (0, 0), 6)
    return np.clip(np.rint(mask * noisy + (1 - mask) * crop), 0, 255).astype(np.uint8)


def _write(path: Path, pixels: Pixels) -> None:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.tobytes())
