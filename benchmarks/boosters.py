"""One booster of an ablation: its rows, its fit, its AUC. A module of its own, since worker processes import it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from features.embedding import network_of
from features.spec import FeatureSet, Values
from features.store import FeatureStore
from models.booster import BoosterParams, Part, fit
from models.metrics import roc_auc
from models.tree_text import to_onnx
from models.trees import Trees
from pipelines.dataset import held_back

__all__ = ["PARTS", "Data", "Job", "auc_of", "read"]

PARTS: Final = (("fit", 70), ("stop", 80), ("judge", 100))
"""The parts of the training groups, and the per cent of the groups up to which each goes."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of the training groups, and the part that each belongs to."""

    features: FeatureSet
    values: Values
    labels: npt.NDArray[np.int64]
    parts: npt.NDArray[np.str_]

    def part(self, name: str, columns: Bools) -> Part:
        """Take some columns of one part."""
        rows = self.parts == name
        return Part(np.ascontiguousarray(self.values[rows][:, columns]), self.labels[rows])

    def columns(self, blocks: Sequence[str]) -> Bools:
        """Mark the columns of some blocks."""
        return np.concatenate([np.full(len(spec.names), spec.name in blocks) for spec in self.features.blocks])


@dataclass(frozen=True)
class Job:
    """One booster: where its rows are, what it sees of them, its seed."""

    cache: Path
    rows: int
    params: BoosterParams
    blocks: tuple[str, ...]
    seed: int


def auc_of(job: Job) -> float:
    """Fit a booster, and judge it on groups that neither fitted nor stopped it."""
    data = read(job.cache, job.rows)
    columns = data.columns(job.blocks)
    names = [name for name, used in zip(data.features.names, columns, strict=True) if used]
    fitting, stopping, judging = (data.part(name, columns) for name, _ in PARTS)
    fitted = fit(fitting, stopping, names, params=job.params, seed=job.seed, threads=1)
    scores = Trees(to_onnx(fitted.text)).scores(judging.held).astype(np.float64)
    return roc_auc(judging.labels, scores, np.ones(len(scores)))


@lru_cache(maxsize=1)
def read(cache: Path, rows: int) -> Data:
    """Read the training groups of a store: equally many real and fake images, those of lowest sha256.

    Where a network measured some of the features, only the groups that were held back from it.
    """
    store = FeatureStore(cache)
    manifest = store.manifest()
    sound = manifest[(manifest["split"] == "train") & (manifest["error"].fillna("") == "")]
    if network_of(store.feature_set) is not None:
        sound = sound[sound["group"].map(held_back)]
    images = sound.drop_duplicates("sha256").sort_values("sha256")
    each = min(rows // 2, *(int((images["label"] == label).sum()) for label in (0, 1)))
    chosen = images.groupby("label").head(each).set_index("sha256")
    features = store.load()
    wanted = set(chosen.index)
    at = [i for i, key in enumerate(features.sha256) if key in wanted and not features.variant[i]]
    found = chosen.loc[[features.sha256[i] for i in at]]
    parts = np.array([_part(group) for group in found["group"]])
    return Data(store.feature_set, features.values[at], found["label"].to_numpy(np.int64), parts)


def _part(group: str) -> str:
    digest = hashlib.sha256(f"ablation of {group}".encode("utf-8", "surrogateescape")).digest()
    percent = int.from_bytes(digest[:8], "big") % 100
    return next(name for name, upper in PARTS if percent < upper)
