"""One booster of many: its rows, its fit, its AUC. A module of its own, since worker processes import it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from features.embedding import network_of
from features.spec import FeatureSet, Values
from features.store import FeatureStore
from models.booster import BoosterParams, Fitted, Part, fit
from models.metrics import roc_auc
from models.tree_text import to_onnx
from models.trees import Trees
from pipelines.dataset import held_back
from pipelines.training_rows import for_forgeries

if TYPE_CHECKING:
    import pandas

__all__ = ["FOLDS", "PARTS", "VALIDATION", "Data", "Job", "auc_of", "gains_of", "read"]

PARTS: Final = (("fit", 70), ("stop", 80), ("judge", 100))
"""The parts of the training groups, and the per cent of the groups up to which each goes."""

VALIDATION: Final = "validation"
"""The part beside these: the validation groups, which nothing is fitted on or chosen by."""

FOLDS: Final = 4
"""Into how many folds the groups of the first part fall."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of training and validation groups, whether each is there for forgeries, its part, and its fold."""

    features: FeatureSet
    values: Values
    labels: npt.NDArray[np.int64]
    forged: Bools
    parts: npt.NDArray[np.str_]
    folds: npt.NDArray[np.int64]

    def part(self, name: str, columns: Bools, without: int | None = None) -> Part:
        """Take some columns of one part, of all folds but one."""
        rows = (self.parts == name) & (self.folds != (-1 if without is None else without))
        return Part(np.ascontiguousarray(self.values[rows][:, columns]), self.labels[rows], forged=self.forged[rows])

    def columns(self, job: "Job") -> Bools:
        """Mark the columns that a job sees."""
        of_blocks = np.concatenate([np.full(len(spec.names), spec.name in job.blocks) for spec in self.features.blocks])
        return of_blocks & np.isin(self.features.names, job.features) if job.features else of_blocks


@dataclass(frozen=True)
class Job:
    """One booster.

    Attributes
    ----------
    cache : Path
        A feature store.
    rows : int
        Images of the training groups to use.
    params : BoosterParams
        Of the fit.
    blocks : tuple of str
        The blocks that it sees.
    seed : int
        Of the fit.
    features : tuple of str
        Those that it sees of these blocks; all of them where empty.
    judged : str
        The part that judges it.
    without : int, optional
        A fold that it is fitted without.
    """

    cache: Path
    rows: int
    params: BoosterParams
    blocks: tuple[str, ...]
    seed: int
    features: tuple[str, ...] = ()
    judged: str = PARTS[-1][0]
    without: int | None = None

    def fit(self, data: Data) -> Fitted:
        """Fit on the first part; the second says when to stop."""
        columns = data.columns(self)
        names = [name for name, used in zip(data.features.names, columns, strict=True) if used]
        fitting, stopping = data.part(PARTS[0][0], columns, self.without), data.part(PARTS[1][0], columns)
        return fit(fitting, stopping, names, params=self.params, seed=self.seed, threads=1)


def auc_of(job: Job) -> float:
    """Fit a booster, and judge it on groups that neither fitted nor stopped it, forgeries weighed as in the fit."""
    data = read(job.cache, job.rows)
    fitted, judging = job.fit(data), data.part(job.judged, data.columns(job))
    scores = Trees(to_onnx(fitted.text)).scores(judging.held).astype(np.float64)
    return roc_auc(judging.labels, scores, judging.weights)


def gains_of(job: Job) -> dict[str, float]:
    """Fit a booster, and give what its splits gained by each feature that it sees."""
    import lightgbm

    booster = lightgbm.Booster(model_str=job.fit(read(job.cache, job.rows)).text)
    return dict(zip(booster.feature_name(), booster.feature_importance("gain").tolist(), strict=True))


@lru_cache(maxsize=1)
def read(cache: Path, rows: int) -> Data:
    """Read the training groups of a store, equally many real and fake images, those of lowest sha256, and validation's.

    Where a network measured some of the features, only the groups that were held back from it.
    """
    store = FeatureStore(cache)
    manifest = store.manifest()
    sound = manifest[manifest["error"].fillna("") == ""].drop_duplicates("sha256").sort_values("sha256")
    images = sound[sound["split"] == "train"]
    if network_of(store.feature_set) is not None:
        images = images[images["group"].map(held_back)]
    each = min(rows // 2, *(int((images["label"] == label).sum()) for label in (0, 1)))
    parts = {
        **{sha256: _part(group) for sha256, group in _pairs(images.groupby("label").head(each))},
        **{sha256: VALIDATION for sha256, _ in _pairs(sound[sound["split"] == "validation"])},
    }
    known = sound.assign(forged=for_forgeries(sound)).set_index("sha256")
    features = store.load()
    at = [i for i, key in enumerate(features.sha256) if key in parts and not features.variant[i]]
    keys = [features.sha256[i] for i in at]
    return Data(
        store.feature_set,
        features.values[at],
        known.loc[keys, "label"].to_numpy(np.int64),
        known.loc[keys, "forged"].to_numpy(np.bool_),
        np.array([parts[key] for key in keys]),
        np.array([_percent("fold", group) % FOLDS for group in known.loc[keys, "group"]]),
    )


def _pairs(images: "pandas.DataFrame") -> Iterator[tuple[str, str]]:
    return zip(images["sha256"], images["group"], strict=True)


def _part(group: str) -> str:
    percent = _percent("ablation", group)
    return next(name for name, upper in PARTS if percent < upper)


def _percent(purpose: str, group: str) -> int:
    digest = hashlib.sha256(f"{purpose} of {group}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % 100
