"""Whether the evidence map lies where a picture was altered: real test faces with a forged patch of known mask.

Each face gets one patch, an ellipse or a polygon with soft edges, at a random place, of 12 to 50 % of the side, so that
a blob in the middle cannot pass. The patch is the face's own, with its colours shifted, scaled down and up again,
blurred or compressed, or another face's with its colours fitted. Face and forgery are both saved as JPEG of quality 75,
as the data set is, and measured whole. Of the map that `explain` draws, the positive evidence inside the mask is held
against the mask's share of the area, and against the mean map of all other faces, which knows nothing of this one. The
same of the map's change from the face to its forgery, which leaves out what the map says of the untouched face, and of
the size of that change, which asks where the map moved and not whether towards fake.

    python -m benchmarks.evidence -o benchmarks/results/evidence.json
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.record import DATA, choose, interval, make_parser, resamples, write
from features.decode import Pixels
from features.frame import WORKING_SIZE, Frame, load_pixels
from features.perturb import blur, jpeg, rescale, tone
from models.bundle import resolve
from models.contributions import Explainer
from models.metrics import roc_auc
from pipelines.dataset import read_dataset
from pipelines.engine import cores, map_jobs
from pipelines.explain_map import lay_out, placed_share, smooth
from pipelines.score import load_detector

__all__ = ["KINDS", "Forgery", "forge", "main", "mask_at_random", "measure"]

_SIDES: Final = (0.12, 0.5)  # of the patch, in sides of the frame
_FEATHER: Final = (1.5, 6.0)  # standard deviation of the soft edge, in pixels
_QUALITY: Final = 75
_CORNERS: Final = (5, 9)  # of a polygon, the last excluded
_ROUND: Final = 60  # corners of an ellipse
_UNEVEN: Final = 0.3  # of the step between corners, by which a polygon's are off
_CHUNK: Final = 8
_STEP: Final = 2  # pixels between those that are compared; maps are smooth
_THIRDS: Final = ("small", "medium", "large")

Floats = npt.NDArray[np.float64]
_Alter = Callable[[Pixels, Pixels, np.random.Generator], Pixels]


class Forgery(NamedTuple):
    """A face with a forged patch: both as saved, where the patch has more than half its weight, and how it was made."""

    original: Pixels
    forged: Pixels
    mask: npt.NDArray[np.bool_]
    kind: str


class _Seen(NamedTuple):
    """What the detector makes of a forgery: maps of the forgery and of its original, every other pixel, and scores."""

    mask: npt.NDArray[np.bool_]
    kind: str
    maps: Floats  # (2, 112, 112): forged, original
    scores: tuple[float, float]
    placed: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result file."""
    options = _parser().parse_args(arguments)
    samples = [sample for sample in read_dataset([options.data]) if sample.split == "test" and not sample.label]
    faces = choose(samples, options.faces)
    bundle = load_detector(options.model).bundle
    paths = [sample.path for sample in faces]
    others = paths[1:] + paths[:1]
    chunks = [list(zip(paths, others, strict=True))[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    job = partial(_see_all, options.model)
    seen = [one for part in map_jobs(job, chunks, workers=options.jobs, ordered=True) for one in part]
    figures = {
        "model": {"name": bundle.name, "digest": bundle.digest},
        "faces": len(faces),
        "groups": len({sample.group for sample in faces}),
        **measure(seen, [sample.group for sample in faces]),
    }
    write(options.output, "evidence", arguments, figures)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--data", default=DATA, metavar="DATASET", help="deepfake-faces")
    parser.add_argument("--model", default="fast", metavar="NAME|PATH", help="the detector that is explained")
    parser.add_argument("--faces", type=int, default=400, metavar="N", help="real test faces")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    return parser


def mask_at_random(rng: np.random.Generator, side: int = WORKING_SIZE) -> Floats:
    """Draw a patch, an ellipse or a polygon: (side, side), 0 to 1 with a soft edge.

    It may reach beyond the frame, by at most half of its area, so that the border is covered nearly as often as the
    middle.
    """
    width, height = rng.uniform(*_SIDES, size=2) * side
    count = int(rng.integers(*_CORNERS)) if rng.random() < 0.5 else _ROUND
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-_UNEVEN, _UNEVEN, count) * (count < _ROUND)) / count
    shape = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (width / 2, height / 2)
    while True:
        center = np.array([rng.uniform(-length / 2, side + length / 2) for length in (width, height)])
        ground = np.zeros((3 * side, 3 * side))
        cv2.fillPoly(ground, [np.rint(shape + center + side).astype(np.int32)], 1.0)
        seen = ground[side : 2 * side, side : 2 * side]
        if seen.sum() >= ground.sum() / 2:
            return np.asarray(cv2.GaussianBlur(seen, (0, 0), rng.uniform(*_FEATHER)), np.float64)


def _recoloured(face: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    shifts = rng.choice([-1, 1], 2) * rng.uniform((8, 0.08), (25, 0.25))
    return tone(face, float(shifts[0]), 1 + float(shifts[1]), float(rng.uniform(0.6, 1.4)))


def _rescaled(face: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    return rescale(face, round(WORKING_SIZE * rng.uniform(0.25, 0.6)))


def _blurred(face: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    return blur(face, float(rng.uniform(0.8, 2.5)))


def _compressed(face: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    return jpeg(face, int(rng.integers(15, 45)))


def _swapped(face: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Take another face in the colours of this one: mean and deviation of each channel."""
    mine, theirs = face.astype(np.float64), other.astype(np.float64)
    spread = mine.std(axis=(0, 1)) / np.maximum(theirs.std(axis=(0, 1)), 1.0)
    fitted = (theirs - theirs.mean(axis=(0, 1))) * spread + mine.mean(axis=(0, 1))
    return np.asarray(np.clip(np.rint(fitted), 0, 255), np.uint8)


KINDS: Final[Mapping[str, _Alter]] = {
    "recoloured": _recoloured,
    "rescaled": _rescaled,
    "blurred": _blurred,
    "compressed": _compressed,
    "swapped": _swapped,
}
"""What becomes of a patch; each kind is equally likely."""


def forge(face: Pixels, other: Pixels, rng: np.random.Generator) -> Forgery:
    """Forge a patch of a face, (224, 224, 3) uint8, from itself or another face."""
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    weight = mask_at_random(rng)
    patch = KINDS[kind](face, other, rng).astype(np.float64)
    blended = patch * weight[..., None] + face * (1 - weight[..., None])
    forged = jpeg(np.rint(blended).astype(np.uint8), _QUALITY)
    return Forgery(jpeg(face, _QUALITY), forged, weight > 0.5, kind)


def _see_all(model: str, pairs: Sequence[tuple[str, str]]) -> list[_Seen]:
    """Forge and explain some faces."""
    bundle = load_detector(model).bundle
    explainer = Explainer(bundle, resolve(model))
    forgeries = [forge(_crop(face), _crop(other), _random(face)) for face, other in pairs]
    frames = [Frame.of(bgr) for made in forgeries for bgr in (made.forged, made.original)]
    found = explainer.explain(bundle.measure(frames))
    return [
        _Seen(
            made.mask[::_STEP, ::_STEP],
            made.kind,
            np.stack([smooth(lay_out(one))[::_STEP, ::_STEP] for one in (forged, original)]),
            (forged.score, original.score),
            placed_share(forged),
        )
        for made, forged, original in zip(forgeries, found[::2], found[1::2], strict=True)
    ]


def _crop(path: str) -> Pixels:
    return Frame.of(load_pixels(path)).bgr


def _random(path: str) -> np.random.Generator:
    digest = hashlib.sha256(Path(path).name.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def measure(seen: Sequence[_Seen], groups: Sequence[str]) -> dict[str, Any]:
    """Hold maps against masks, with 95 % intervals of a bootstrap over groups.

    Returns
    -------
    dict
        `forged` for the maps of the forgeries, `change` for their difference from those of the originals, `moved` for
        the size of that difference; each also by kind and by thirds of the patch's size. `blob` is what a blob in the
        middle gets.
    """
    areas = np.array([one.mask.mean() for one in seen])
    forged, original = (np.stack([one.maps[i] for one in seen]) for i in (0, 1))
    rises = np.array([one.scores[0] - one.scores[1] for one in seen])
    slices = {
        **{kind: np.array([one.kind == kind for one in seen]) for kind in KINDS},
        **dict(zip(_THIRDS, _thirds(areas), strict=True)),
    }
    measured = {}
    kinds = {"forged": forged, "change": forged - original, "moved": np.abs(forged - original)}
    for name, maps in kinds.items():
        columns = _columns(maps, seen, areas)
        measured[name] = {
            "all": _summary(columns, groups),
            **{part: _summary(columns, groups, member) for part, member in slices.items() if member.any()},
        }
    return {
        "area": {"mean": float(areas.mean()), "least": float(areas.min()), "most": float(areas.max())},
        "placed": float(np.mean([one.placed for one in seen])),
        "score_rise": {
            "mean": float(rises.mean()),
            "interval": interval([float(np.average(rises, weights=drawn)) for drawn in resamples(groups)]),
            "share_that_rises": float((rises > 0).mean()),
        },
        "blob": _summary(_columns(np.repeat(_blob(len(seen[0].mask))[None], len(seen), axis=0), seen, areas), groups),
        **measured,
    }


def _blob(side: int) -> Floats:
    """Draw a map that is always the same: a Gaussian in the middle, a quarter of the side its standard deviation."""
    across = np.exp(-(((np.arange(side) + 0.5) / side - 0.5) ** 2) / (2 * 0.25**2))
    return np.outer(across, across)


def _thirds(areas: Floats) -> Iterator[npt.NDArray[np.bool_]]:
    low, high = np.quantile(areas, [1 / 3, 2 / 3])
    yield areas <= low
    yield (areas > low) & (areas <= high)
    yield areas > high


def _columns(maps: Floats, seen: Sequence[_Seen], areas: Floats) -> dict[str, Floats]:
    """Measure each map: what its positive evidence, and that of the mean map of the others, has inside the mask."""
    positive = np.maximum(maps, 0)
    shares = positive / np.maximum(positive.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    total, count = shares.sum(axis=0), max(1, len(seen) - 1)
    inside, mean_inside, auc, mean_auc = [], [], [], []
    for one, own, share in zip(seen, maps, shares, strict=True):
        others = (total - share) / count
        inside.append(float(share[one.mask].sum()))
        mean_inside.append(float(others[one.mask].sum()))
        auc.append(_auc(one.mask, own))
        mean_auc.append(_auc(one.mask, others))
    found = {"inside": inside, "inside_of_mean_map": mean_inside, "auc": auc, "auc_of_mean_map": mean_auc}
    columns = {name: np.array(values) for name, values in found.items()}
    return {
        "area": areas,
        **columns,
        "over_area": columns["inside"] - areas,
        "over_mean_map": columns["inside"] - columns["inside_of_mean_map"],
        "auc_over_mean_map": columns["auc"] - columns["auc_of_mean_map"],
    }


def _auc(mask: npt.NDArray[np.bool_], found: Floats) -> float:
    """Area under the ROC curve of a map as a detector of the mask's pixels."""
    return roc_auc(mask.ravel().astype(np.int64), found.ravel(), np.ones(mask.size))


def _summary(
    columns: Mapping[str, Floats], groups: Sequence[str], member: npt.NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Average the columns over some faces."""
    kept = np.ones(len(groups), bool) if member is None else member
    weights = resamples([group for group, keep in zip(groups, kept, strict=True) if keep])
    return {
        "faces": int(kept.sum()),
        **{
            name: {
                "mean": float(values[kept].mean()),
                "interval": interval([float(np.average(values[kept], weights=drawn)) for drawn in weights]),
            }
            for name, values in columns.items()
        },
    }


if __name__ == "__main__":
    main()
