"""The framing: how the training crops lie about their faces, what framing costs, and what it saves.

Geometry is measured on training crops of deepfake-faces. Then real and fake test crops are scored whole (`off`), by
way of the framing (`auto`), and set with soft edges at their own size into photographs (gravel, a page of text, stars)
and into their own colours out of focus, saved as JPEG of quality 90, found and framed. Crops of the latter that are too
wide, too narrow or beside the face, scored whole, show what a wrong framing costs, for the detector that ships and for
others. The sheets show what was framed.

    python -m benchmarks.framing --beside runs/before -o benchmarks/results/framing.json --sheets runs/framing
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.faces import photographs, set_into
from benchmarks.record import DATA, balanced_images, choose, interval, make_parser, resamples, write
from features.decode import Pixels
from features.faces import KEYPOINTS, TRUSTED, find_faces, landmarks
from features.frame import WORKING_SIZE, Frame, load_pixels
from features.framing import FRAMING, Square, cut, frame_faces, square_of
from features.geometry import Points
from features.perturb import blur, jpeg
from features.planes import resize
from models.metrics import roc_auc
from pipelines.dataset import Sample, read_dataset
from pipelines.engine import cores, map_jobs
from pipelines.score import load_detector

__all__ = ["SCALES", "SETTINGS", "SHIFTS", "main", "sheet"]

SCALES: Final = (0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4, 1.6)
"""Widths of crops in widths of the framing."""

SHIFTS: Final = (0.03, 0.06, 0.09, 0.12, 0.15)
"""Distances of crops from their place, in sides of the framing."""

SETTINGS: Final = ("photograph", "out_of_focus")
"""What crops are set into: photographs, and their own colours out of focus."""

_BLUR: Final = 25.0  # pixels of standard deviation, of the crop before it is enlarged to a setting
_SHORTER: Final = 480  # side of the photographs that crops are set into
_QUALITY: Final = 90
_CHIN: Final = 152  # of the 468 landmarks
_CHUNK: Final = 16

Floats = npt.NDArray[np.float64]
Views = tuple[Frame, ...]
Auc = Callable[..., float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result file."""
    options = _parser().parse_args(arguments)
    samples = read_dataset([options.data])
    crops = choose([sample for sample in samples if sample.split == "train"], options.train)
    tested = balanced_images(samples, options.test)
    models = [options.model, *options.beside]
    scores = _scores(tested, models, options.jobs)
    figures = {
        "framing": FRAMING,
        "geometry": _geometry([sample.path for sample in crops], options.jobs),
        "images": dict(zip(("real", "fake"), np.bincount([sample.label for sample in tested]).tolist(), strict=True)),
        "models": [_judged(model, tested, scores[:, :, i]) for i, model in enumerate(models)],
    }
    if options.sheets:
        _write_sheets(options.sheets, tested, scores[:, :, 0])
    write(options.output, "framing", arguments, figures)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--data", default=DATA, metavar="DATASET", help="deepfake-faces")
    parser.add_argument("--model", default="fast", metavar="NAME|PATH", help="the detector that scores")
    parser.add_argument("--beside", nargs="*", default=[], metavar="NAME|PATH", help="others, to stand beside it")
    parser.add_argument("--train", type=int, default=5000, metavar="N", help="training crops that geometry is of")
    parser.add_argument("--test", type=int, default=2400, metavar="N", help="test crops, half of them real")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there")
    return parser


@dataclass(frozen=True, eq=False)
class _Lie:
    """How the face of a crop lies, in sides of the crop."""

    box: Floats  # centre x, y and side
    keypoints: Floats  # (6, 2)
    chin: Floats  # x and y, NaN where the landmarks cannot be trusted
    square: Floats  # centre x, y and side of the framing
    roll: float


def _geometry(paths: Sequence[str], workers: int) -> dict[str, Any]:
    """Measure how the faces of training crops lie, and what the constants of the framing should be."""
    lies = [lie for lie in map_jobs(_lie, paths, workers=workers, ordered=True) if lie]
    box, keypoints, square = (np.stack([getattr(lie, name) for lie in lies]) for name in ("box", "keypoints", "square"))
    chin, roll = np.stack([lie.chin for lie in lies]), np.array([lie.roll for lie in lies])
    nose, aside = keypoints[:, KEYPOINTS.index("nose")] - box[:, :2], 0.5 - box[:, :2]
    return {
        "crops": len(paths),
        "with_a_face": len(lies),
        "constants": {
            "towards_nose": float(nose[:, 0] @ aside[:, 0] / (nose[:, 0] @ nose[:, 0])),
            "up": float(np.median((0.35 * nose[:, 1] - aside[:, 1]) / box[:, 2])),
            "side": float(np.median(1 / box[:, 2])),
        },
        "points": {
            name: _spread(points)
            for name, points in [*zip(KEYPOINTS, keypoints.swapaxes(0, 1), strict=True), ("chin", chin)]
        },
        "square": _spread(square),
        "absolute_roll": {f"p{part}": float(np.percentile(np.abs(roll), part)) for part in (50, 95, 99, 99.7)},
    }


def _lie(path: str) -> _Lie | None:
    bgr = load_pixels(path)
    faces = find_faces(bgr)
    if not faces:
        return None
    face, square = faces[0], square_of(faces[0])
    points, presence = landmarks(bgr, face)
    chin = points[_CHIN] / WORKING_SIZE if presence > TRUSTED else np.full(2, np.nan)
    return _Lie(
        np.array([*face.center, face.size]) / WORKING_SIZE,
        face.keypoints.astype(np.float64) / WORKING_SIZE,
        np.asarray(chin, dtype=np.float64),
        np.array([*square.center, square.side]) / WORKING_SIZE,
        face.roll,
    )


def _spread(values: Floats) -> dict[str, list[float]]:
    """Give median, standard deviation and outer percentiles of the columns, in sides of the crop."""
    figures = {"median": np.nanmedian(values, axis=0), "deviation": np.nanstd(values, axis=0)}
    figures |= {f"p{part}": np.nanpercentile(values, part, axis=0) for part in (0.5, 5, 95, 99.5)}
    return {name: [float(value) for value in found] for name, found in figures.items()}


def _presented(path: str) -> Iterator[tuple[str, Views]]:
    """Yield the ways in which a crop is scored; nothing to score where no face was found."""
    crop, rng = load_pixels(path), _random(path)
    yield "off", _whole(crop)
    yield "auto", _auto(crop)
    yield "photograph", _auto(_set_in(crop, _scene(rng), rng)[0])
    picture, center = _set_in(crop, _out_of_focus(crop), rng)
    yield "out_of_focus", _auto(picture)
    for scale in SCALES:
        yield f"scale {scale}", _whole(cut(picture, Square(center, WORKING_SIZE * scale, 0.0))[0])
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)], np.float32)
    for shift in SHIFTS:
        aside = center + np.float32(WORKING_SIZE * shift) * direction
        yield f"shift {shift}", _whole(cut(picture, Square(aside, WORKING_SIZE, 0.0))[0])


def _whole(bgr: Pixels) -> Views:
    return (Frame.of(bgr),)


def _auto(bgr: Pixels) -> Views:
    return framed[0].views if (framed := frame_faces(bgr)) else ()


def _set_in(crop: Pixels, scene: Pixels, rng: np.random.Generator) -> tuple[Pixels, Points]:
    """Set a crop into a scene at a random place, and save that; the picture, and the centre of the crop in it."""
    left, top = (int(rng.integers(0, length - len(crop))) for length in scene.shape[1::-1])
    center = np.array([left, top], np.float32) + np.float32(len(crop) / 2)
    return jpeg(set_into(scene, crop, left, top), _QUALITY), center


def _scene(rng: np.random.Generator) -> Pixels:
    scenes = list(photographs(_SHORTER).values())
    return scenes[int(rng.integers(len(scenes)))]


def _out_of_focus(crop: Pixels) -> Pixels:
    """Make a scene of a crop that goes on in its colours: the crop, blurred and enlarged."""
    return resize(blur(crop, _BLUR), _SHORTER, _SHORTER)


def _random(path: str) -> np.random.Generator:
    digest = hashlib.sha256(Path(path).name.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _scores(samples: Sequence[Sample], models: Sequence[str], workers: int) -> Floats:
    """Score every presentation of test crops: (n, presentations, models), NaN where no face was found."""
    paths = [sample.path for sample in samples]
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    return np.concatenate(list(map_jobs(partial(_score_chunk, models), chunks, workers=workers, ordered=True)))


def _score_chunk(models: Sequence[str], paths: Sequence[str]) -> Floats:
    shown = [[views for _, views in _presented(path)] for path in paths]
    counts = np.array([[len(views) for views in row] for row in shown])
    frames = [view for row in shown for views in row for view in views]
    scores = np.full((*counts.shape, len(models)), np.nan)
    for i, model in enumerate(models):
        bundle = load_detector(model).bundle
        scores[counts > 0, i] = bundle.probability(bundle.measure(frames), counts[counts > 0].tolist())
    return scores


def _names() -> list[str]:
    """Name the presentations, in the order of `_presented`."""
    scaled, shifted = [f"scale {scale}" for scale in SCALES], [f"shift {shift}" for shift in SHIFTS]
    return ["off", "auto", *SETTINGS, *scaled, *shifted]


def _judged(model: str, samples: Sequence[Sample], scores: Floats) -> dict[str, Any]:
    """Give the figures of one detector; where no face is found, the probability counts as 0.5."""
    bundle, labels = load_detector(model).bundle, np.array([sample.label for sample in samples])
    by_name = dict(zip(_names(), scores.T, strict=True))
    off, auto = by_name["off"], by_name["auto"]
    weights, both = resamples([sample.group for sample in samples]), ~np.isnan(auto)
    auc = partial(_auc, labels)
    return {
        "model": {"name": bundle.name, "digest": bundle.digest},
        "name": Path(model).name,
        "off": {"auc": auc(off), "interval": interval([auc(off, weight) for weight in weights])},
        "auto": {
            "no_face": float(np.mean(~both)),
            "whole": float(np.mean(auto[both] == off[both])),
            "auc_where_found": auc(auto, both.astype(float)),
            "auc_of_off_there": auc(off, both.astype(float)),
            "auc": auc(auto),
        },
        **{name: _set_figures(auc, off, by_name[name], weights) for name in SETTINGS},
        "scale": {str(scale): auc(by_name[f"scale {scale}"]) for scale in SCALES},
        "shift": {"0": auc(by_name["scale 1.0"])} | {str(shift): auc(by_name[f"shift {shift}"]) for shift in SHIFTS},
    }


def _set_figures(auc: Auc, off: Floats, found: Floats, weights: Sequence[Floats]) -> dict[str, Any]:
    """Compare crops that were set into something and framed again with what they score as they are."""
    gains = [auc(found, weight) - auc(off, weight) for weight in weights]
    return {
        "no_face": float(np.mean(np.isnan(found))),
        "auc": auc(found),
        "gain": auc(found) - auc(off),
        "gain_interval": interval(gains),
    }


def _auc(labels: npt.NDArray[np.int64], scores: Floats, weights: Floats | None = None) -> float:
    return roc_auc(labels, np.nan_to_num(scores, nan=0.5), np.ones(len(labels)) if weights is None else weights)


def _write_sheets(folder: Path, samples: Sequence[Sample], scores: Floats) -> None:
    """Write sheets of the crops without a face, and of faces framed anew."""
    folder.mkdir(parents=True, exist_ok=True)
    auto = scores[:, _names().index("auto")]
    lost = [load_pixels(sample.path) for sample, score in zip(samples, auto, strict=True) if np.isnan(score)]
    shown = [dict(_presented(sample.path)) for sample in samples[:: max(1, len(samples) // 20)][:20]]
    framed = [ways[name][0].bgr for name in SETTINGS for ways in shown if ways[name]]
    for name, crops in (("no_face", lost), ("framed", framed)):
        if crops:
            cv2.imwrite(str(folder / f"{name}.png"), sheet(crops))


def sheet(images: Sequence[Pixels], side: int = 112, columns: int = 10) -> Pixels:
    """Lay images out in rows, each (side, side), on grey."""
    small = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images]
    small += [np.full((side, side, 3), 127, np.uint8)] * (-len(small) % columns)
    return np.vstack([np.hstack(small[at : at + columns]) for at in range(0, len(small), columns)])


if __name__ == "__main__":
    main()
