"""Train a detector from cached features: fit, calibrate, measure once on the test groups, write the bundle."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.embedding import network_of
from features.errors import DatasetError, StoreError
from features.store import FeatureStore
from models.booster import BoosterParams, Fitted, Part, Progress, fit, to_onnx
from models.bundle import NETWORK_ONNX, Trees, save
from models.calibration import Calibration, OperatingPoints
from models.card import model_card
from models.metrics import balanced, evaluate
from models.weights import Weights
from pipelines.dataset import HELD_BACK_PERCENT, SPLITS, held_back

if TYPE_CHECKING:
    import pandas

__all__ = ["train"]

_LIBRARIES: Final = ("lightgbm", "numpy", "onnx", "opencv-python-headless", "pillow", "simplejpeg")
_IDENTITY: Final = ["sha256", "variant", "label", "group", "split"]  # what makes training data the same data


def train(
    cache: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    seed: int = 0,
    params: BoosterParams | None = None,
    threads: int = 0,
    resamples: int = 1000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a detector on a feature store and write its bundle.

    The training groups are fitted, the validation groups stop the fit, the calibration groups place the sigmoid and the
    operating points, and the test groups are scored once, at the end, by what is about to be written. Where a network
    measured some of the features, only those training groups are fitted that were held back from it.

    Parameters
    ----------
    cache : path
        The feature store that `extract` wrote.
    out : path
        The folder of the bundle; a bundle that is there is replaced.
    name : str
        What the detector is called; the store's profile where None.
    seed : int
        Of the fit and of the bootstrap. The same store, seed, parameters and libraries give the same bundle.
    params : BoosterParams
        Its defaults where None.
    threads : int
        0 for all cores; changes the time, not the result.
    resamples : int
        Of the bootstrap that gives the intervals.
    progress : callable
        Called after each tree.

    Returns
    -------
    dict
        The manifest of the bundle.

    Raises
    ------
    DatasetError
        A part of the split lacks a class, `extract` has not finished, or the network did not hold back the groups that
        this version fits.
    StoreError, OutputError, BundleError
        The store cannot be read, the bundle not be written, or the store's network not be read.
    """
    store = FeatureStore(cache)
    weights = _read_network(store)
    data = _read(store, unseen=weights is not None)
    _require_both_classes(data.rows, cache)
    chosen = params or BoosterParams()
    names = store.feature_set.names
    fitted = fit(
        data.part("train"), data.part("validation"), names, params=chosen, seed=seed, threads=threads, progress=progress
    )
    onnx = to_onnx(fitted.text)
    trees = Trees(onnx)
    calibration, points = _calibrate(trees, data.part("calibration"))
    manifest = {
        "name": name or store.feature_set.profile,
        "feature_set": store.feature_set.to_json(),
        "feature_names": list(names),
        "calibration": calibration.to_json(),
        "operating_points": points.to_json(),
        "training": _record(data, fitted, chosen, seed),
        "metrics": _test(trees, calibration, points, data, seed=seed, resamples=resamples),
        "libraries": {library: version(library) for library in _LIBRARIES},
        **({"network": dict(weights.record)} if weights else {}),
    }
    files = {"booster.onnx": onnx, "booster.txt": fitted.text.encode(), "MODEL_CARD.md": model_card(manifest).encode()}
    return save(out, manifest, files | ({NETWORK_ONNX: weights.onnx} if weights else {}))


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
class _Data:
    """Labelled rows and their values, (n, d) float32.

    `faces` is what the store says of how faces were found; `left_out` counts what cannot be trained on, by reason.
    """

    rows: "pandas.DataFrame"
    values: npt.NDArray[np.float32]
    faces: str
    left_out: Mapping[str, int]

    def mask(self, split: str) -> npt.NDArray[np.bool_]:
        """Choose the rows of one part."""
        return (self.rows["split"] == split).to_numpy()

    def part(self, split: str) -> Part:
        """Take the values and labels of one part."""
        mask = self.mask(split)
        return Part(self.values[mask], self.rows["label"].to_numpy(np.int64)[mask])


def _read(store: FeatureStore, *, unseen: bool) -> _Data:
    """Join features and manifest: each image once, whatever the number of paths it was found under.

    Perturbed variants of an image serve training only; with `unseen`, only the training groups do that are held back.
    """
    import pandas

    manifest = store.manifest()
    sound = manifest[manifest["error"].fillna("") == ""].sort_values("path")
    torn = sound.groupby("sha256")["label"].transform("nunique") > 1
    images = sound[~torn].drop_duplicates("sha256").set_index("sha256")
    features = store.load()
    missing = len(images.index.difference(pandas.Index(features.sha256)))
    if missing:
        raise DatasetError(f"{missing} of {len(images)} images have no features yet; run the same extract again")
    rows = pandas.DataFrame({"sha256": features.sha256, "variant": features.variant}).join(images, on="sha256")
    train = rows["split"] == "train"
    seen = train & unseen & ~rows["group"].fillna("").map(held_back).astype(bool)
    used = (rows["split"].notna() & ~seen & (train | (rows["variant"] == ""))).to_numpy()
    values = features.values if used.all() else features.values[used]
    left_out = {
        "failed": len(manifest) - len(sound),
        "labelled_both": int(torn.sum()),
        "repeated": len(sound) - int(torn.sum()) - len(images),
        **({"left_to_network": int((seen & (rows["variant"] == "")).sum())} if unseen else {}),
    }
    return _Data(rows[used].reset_index(drop=True).astype({"label": int}), values, store.faces, left_out)


def _counts(rows: "pandas.DataFrame") -> dict[str, dict[str, int]]:
    """Count reals and fakes in each part."""
    return {
        split: {name: int(np.sum(labels == label)) for label, name in enumerate(("real", "fake"))}
        for split, labels in ((split, rows["label"][rows["split"] == split]) for split in SPLITS)
    }


def _require_both_classes(rows: "pandas.DataFrame", cache: str | os.PathLike[str]) -> None:
    for split, counts in _counts(rows).items():
        if not all(counts.values()):
            raise DatasetError(
                f"{os.fspath(cache)}: the {split} part has {counts['real']} real and {counts['fake']} fake images;"
                " every part needs both: give more groups of images"
            )


def _calibrate(trees: Trees, part: Part) -> tuple[Calibration, OperatingPoints]:
    scores = trees.scores(part.values)
    calibration = Calibration.fit(scores, part.labels)
    return calibration, OperatingPoints.fit(calibration.probability(scores), part.labels)


def _record(data: _Data, fitted: Fitted, params: BoosterParams, seed: int) -> dict[str, Any]:
    """Say what the detector was trained on and how, with nothing that tells time or place."""
    images = data.rows[data.rows["variant"] == ""]
    variants = data.rows["variant"][data.rows["variant"] != ""].value_counts().sort_index()
    counts = _counts(images)
    return {
        "data_digest": _digest(data.rows),
        "sources": {str(source): int(n) for source, n in images["source"].value_counts().sort_index().items()},
        "rows": counts,
        "faces": data.faces,
        "variants": {str(variant): int(n) for variant, n in variants.items()},
        "groups": {split: int(data.rows["group"][data.rows["split"] == split].nunique()) for split in SPLITS},
        "left_out": dict(data.left_out),
        "priors": {"training_fake": counts["train"]["fake"] / sum(counts["train"].values()), "calibrated_fake": 0.5},
        "params": asdict(params),
        "seed": seed,
        "best_iteration": fitted.best_iteration,
        "validation_auc": fitted.validation_auc,
    }


def _digest(rows: "pandas.DataFrame") -> str:
    """Sha256 over the images, their labels and parts, in order of their digests."""
    table = sorted([str(value) for value in row] for row in rows[_IDENTITY].itertuples(index=False))
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()


def _test(
    trees: Trees, calibration: Calibration, points: OperatingPoints, data: _Data, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Measure on the test part: all of it, and as many fakes as reals."""
    part, rows = data.part("test"), data.rows[data.mask("test")]
    probabilities = calibration.probability(trees.scores(part.values))
    groups, digests = rows["group"].to_numpy(), rows["sha256"].to_numpy()
    chosen = {"test_balanced": balanced(part.labels, digests), "test": np.arange(len(rows))}
    return {
        name: evaluate(part.labels[at], probabilities[at], groups[at], points, resamples=resamples, seed=seed)
        for name, at in chosen.items()
    }
