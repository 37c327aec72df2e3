"""Train a detector from cached features: fit, calibrate, measure once on the test groups, write the bundle."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.embedding import logits_of, network_of
from features.errors import DatasetError, StoreError
from features.profiles import forensic
from features.store import FeatureStore
from models import novelty
from models.booster import FORGED_SHARE, BoosterParams, Fitted, Progress
from models.bundle import CARD, NETWORK_ONNX, NOVELTY_ONNX, inspect, save
from models.calibration import Calibration, OperatingPoints, calibration_scores
from models.card import model_card
from models.fusion import FURTHER, FURTHER_SHARE, fuse
from models.intervals import evaluate
from models.metrics import balanced
from models.sequence import Stored, in_ranges
from models.tree_text import to_onnx
from models.trees import Start, Trees, add_up
from models.weights import Weights
from pipelines.dataset import HELD_BACK_PERCENT
from pipelines.engine_choice import LOCAL, Setup
from pipelines.training_data import Data, read_data, read_learnt
from pipelines.training_plan import Opened, choose_way

__all__ = ["summary", "train"]

_LONG: Final = ("feature_set", "feature_names", "calibration_scores")  # thousands of values each, for programs only
_LIBRARIES: Final = ("lightgbm", "numpy", "onnx", "opencv-python-headless", "pillow", "simplejpeg")

Score = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating[Any]]]


def train(
    cache: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    without: Sequence[str] = (),
    seed: int = 0,
    params: BoosterParams | None = None,
    threads: int = 0,
    resamples: int = 1000,
    engine: Setup = LOCAL,
    memory: float | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train a detector on a feature store and write its bundle.

    The training groups are fitted, the validation groups stop the fit, the calibration groups place the sigmoid and the
    operating points, and the test groups are scored once, at the end, by what is about to be written. Where a network
    measured some of the features, they are fitted only on training groups that were held back from it.

    Where the values would not fit in memory, and on a cluster, they stay in the store and are read by ranges: then the
    result depends on how rows lie in its shards, and on a cluster on the number of workers too.

    Parameters
    ----------
    cache : path
        The feature store that `extract` wrote.
    out : path
        The folder of the bundle; a bundle that is there is replaced.
    name : str
        What the detector is called; the store's profile where None.
    without : sequence of str
        The kinds of fakes that are left out: `found`, `forged` or a family such as `forged.swap`.
    seed : int
        Of the fit and of the bootstrap. The same store, seed, parameters and libraries give the same bundle.
    params : BoosterParams
        Its defaults where None.
    threads : int
        0 for all cores; changes the time, not the result.
    resamples : int
        Of the bootstrap that gives the intervals.
    engine : Setup
        Where the trees are fitted.
    memory : float, optional
        Bytes that the training may take; what is available unless given.
    progress : callable
        Called after each tree; not on a cluster.
    say : callable, optional
        Takes a sentence: the estimate of memory, and what follows from it.

    Returns
    -------
    dict
        The manifest of the bundle.

    Raises
    ------
    DatasetError
        A part of the split lacks a class, `extract` has not finished, or the network did not hold back the groups that
        this version fits.
    UnknownNameError
        There are no fakes of a kind that is to be left out.
    StoreError, OutputError, BundleError
        The store cannot be read, the bundle not be written, or the store's network not be read.
    MissingExtraError, WorkerError, FeatureMismatchError
        Of a cluster, as `open_engine` raises them; a worker is lost.
    """
    store = FeatureStore(cache)
    weights = _read_network(store)
    way, faces = choose_way(store, engine, memory, say), store.faces
    data, names = read_data(store, without, stored=way.stored), store.feature_set.names
    task = _Fit(store, data, tuple(without), params or BoosterParams(), seed, threads, progress)
    with way.open(threads) as opened:
        grown = task.fused(opened) if weights else task.plain(opened)
    onnx = to_onnx(grown.fitted.text)
    trees = Trees(onnx)

    def score(values: npt.NDArray[np.float32]) -> npt.NDArray[np.floating[Any]]:
        return add_up(trees, grown.start, values, names)

    alien = _novelty(data, names, forensic(store.feature_set).names)
    calibration, points, kept = _calibrate(score, data)
    manifest = {
        "name": name or store.feature_set.profile,
        "feature_set": store.feature_set.to_json(),
        "feature_names": list(names),
        "calibration": calibration.to_json(),
        "operating_points": points.to_json(),
        "calibration_scores": kept,
        "training": _record(data, faces, task, grown),
        "metrics": _test(score, calibration, points, data, seed=seed, resamples=resamples),
        "libraries": {library: version(library) for library in _LIBRARIES},
        **({"novelty": alien[1]} if alien else {}),
        **({"start": grown.start.to_json()} if grown.start else {}),
        **({"network": dict(weights.record)} if weights else {}),
    }
    files = {"booster.onnx": onnx, "booster.txt": grown.fitted.text.encode()}
    files |= {NOVELTY_ONNX: alien[0]} if alien else {}
    files |= {NETWORK_ONNX: weights.onnx} if weights else {}
    return save(out, manifest, {**files, CARD: model_card(manifest).encode()})


def summary(bundle: str | os.PathLike[str]) -> dict[str, Any]:
    """Give what a bundle says of itself, but for the thousands of names and scores that only programs want."""
    return {key: value for key, value in inspect(bundle).items() if key not in _LONG}


def _read_network(store: FeatureStore) -> Weights | None:
    """Read the network that measured a store; refuse one that learnt from what the booster is to learn from."""
    if (wanted := network_of(store.feature_set)) is None:
        return None
    weights = Weights.read(store.root)
    if weights.sha256 != wanted:
        raise StoreError(f"{store.root}: keeps another network than it was measured with; run its extract again")
    held = weights.record["training"].get("held_back", {}).get("percent")
    if held != HELD_BACK_PERCENT:
        raise DatasetError(
            f"{store.root}: its network held back {held or 'no'} per cent of the training groups, this version fits"
            f" {HELD_BACK_PERCENT}: train a network with this version"
        )
    return weights


@dataclass(frozen=True, eq=False)
class _Grown:
    """A fitted booster, what its scores start from, and what else the record says of the fit."""

    fitted: Fitted
    start: Start | None = None
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What a fit takes."""

    store: FeatureStore
    data: Data
    without: tuple[str, ...]
    params: BoosterParams
    seed: int
    threads: int
    progress: Progress | None

    def plain(self, opened: Opened) -> _Grown:
        """Fit one booster on the training part."""
        train, validation = self.data.part("train"), self.data.part("validation")
        fitted = opened.grow(train, validation, self.store.feature_set.names, **self._how)
        return _Grown(fitted, record=opened.record(len(train.labels)))

    def fused(self, opened: Opened) -> _Grown:
        """Fit a booster in two stages: on what the network learnt from, then on what was held back from it."""
        train, validation = self.data.part("train"), self.data.part("validation")
        learnt = read_learnt(self.store, self.without, stored=isinstance(self.data.values, Stored))
        names, logits = self.store.feature_set.names, logits_of(self.store.feature_set)
        fused = fuse(learnt.part("train"), train, validation, names, logits, **self._how, grow=opened.grow)
        record = {
            "further_params": asdict(FURTHER),
            "further_share": FURTHER_SHARE,
            "stages": list(fused.stages),
            "forensic_trees": {
                "rows": {"train": learnt.counts["train"]},
                "variants": learnt.variants,
                "groups": {"train": learnt.groups["train"]},
                "data_digest": learnt.digest,
            },
            **opened.record(len(train.labels)),
        }
        return _Grown(fused.fitted, fused.start, record)

    @property
    def _how(self) -> dict[str, Any]:
        return {"params": self.params, "seed": self.seed, "threads": self.threads, "progress": self.progress}


def _calibrate(score: Score, data: Data) -> tuple[Calibration, OperatingPoints, dict[str, list[float]]]:
    """Place sigmoid and operating points on the calibration part; returns its probabilities by class too."""
    part = data.take(data.judging("calibration"))
    scores = in_ranges(score, part.values)
    calibration = Calibration.fit(scores, part.labels)
    probabilities = calibration.probability(scores)
    points = OperatingPoints.fit(probabilities, part.labels)
    return calibration, points, calibration_scores(probabilities, part.labels)


def _novelty(data: Data, names: Sequence[str], counted: Sequence[str]) -> tuple[bytes, dict[str, Any]] | None:
    """Learn what the training images are like in all their forms, and from which distance on an image is unlike them.

    None where there are too few calibration images to say so; `counted` are the features that count.
    """
    places, columns = np.flatnonzero(data.mask("train")), np.flatnonzero(np.isin(names, counted))
    if isinstance(data.values, Stored):
        onnx = novelty.fit(data.values[novelty.drawn(places)].read(), columns=columns)
    else:
        onnx = novelty.fit(data.values, places, columns)
    distances = in_ranges(novelty.Novelty(onnx, 1.0).distances, data.take(data.judging("calibration")).values)
    if (limit := novelty.limit(distances)) is None:
        return None
    return onnx, {"limit": limit, "share": novelty.EXCEEDED, "images": len(distances)}


def _record(data: Data, faces: str, task: _Fit, grown: _Grown) -> dict[str, Any]:
    """Say what the detector was trained on and how, with nothing that tells time or place."""
    counts = data.counts
    return {
        "data_digest": data.digest,
        "sources": {str(source): int(n) for source, n in data.images["source"].value_counts().sort_index().items()},
        "rows": counts,
        "faces": faces,
        "variants": data.variants,
        "groups": data.groups,
        "left_out": dict(data.left_out),
        **({"without": list(task.without)} if task.without else {}),
        "priors": {"training_fake": counts["train"]["fake"] / sum(counts["train"].values()), "calibrated_fake": 0.5},
        **({"forged_share": FORGED_SHARE} if data.rows["forged"].any() else {}),
        "params": asdict(task.params),
        "seed": task.seed,
        "best_iteration": grown.fitted.best_iteration,
        "validation_auc": grown.fitted.validation_auc,
        **grown.record,
    }


def _test(
    score: Score, calibration: Calibration, points: OperatingPoints, data: Data, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Measure on the test part: all of it, and as many fakes as reals."""
    chosen = data.judging("test")
    part, rows = data.take(chosen), data.rows[chosen]
    probabilities = calibration.probability(in_ranges(score, part.values))
    groups, digests = rows["group"].to_numpy(), rows["sha256"].to_numpy()
    shown = {"test_balanced": balanced(part.labels, digests), "test": np.arange(len(rows))}
    return {
        name: evaluate(part.labels[at], probabilities[at], groups[at], points, resamples=resamples, seed=seed)
        for name, at in shown.items()
    }
