"""What a detector is trained and judged on: the rows of a feature store, joined with its manifest."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from features.embedding import network_of
from features.errors import DatasetError
from features.profiles import forensic
from features.store import FeatureStore
from models.booster import Part
from models.sequence import Stored
from pipelines.dataset import LABELS, SPLITS, held_back
from pipelines.kinds import chosen
from pipelines.training_rows import Choose, for_forgeries, join, packed

if TYPE_CHECKING:
    import pandas

__all__ = ["Data", "read_data", "read_learnt"]

_JUDGING: Final = ("calibration", "test")
_AT_ONCE: Final = 1 << 16  # rows whose texts are held as objects
_IDENTITY: Final = ["sha256", "variant", "label", "group", "split"]  # what makes training data the same data


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled rows, and what is left out of them.

    Attributes
    ----------
    rows : DataFrame
        `sha256`, `variant`, `label`, `group`, `source`, `split` and `forged`, as `for_forgeries` has it, at least.
    values : (n, d) float32 array, or Stored
        The features of each row, in memory or in the store.
    left_out : mapping
        How many images cannot be used, by reason.
    """

    rows: "pandas.DataFrame"
    values: npt.NDArray[np.float32] | Stored
    left_out: Mapping[str, int]

    def mask(self, split: str) -> npt.NDArray[np.bool_]:
        """Choose the rows of one part."""
        return (self.rows["split"] == split).to_numpy()

    def judging(self, split: str) -> npt.NDArray[np.bool_]:
        """Choose the rows of one part that calibrate or test: not what is there for forgeries, where fakes were found.

        Forgeries teach. How many of each kind there are, and how subtle they are, was our choice: no rate of error
        that anybody meets follows from it.
        """
        rows = self.mask(split)
        found = rows & ~self.rows["forged"].to_numpy(np.bool_)
        return found if self.rows["label"][found].nunique() == len(LABELS) else rows

    def part(self, split: str) -> Part:
        """Take the values and labels of one part."""
        return self.take(self.mask(split))

    def take(self, rows: npt.NDArray[np.bool_]) -> Part:
        """Take the values and labels of some rows."""
        labels, forged = self.rows["label"].to_numpy(np.int64), self.rows["forged"].to_numpy(np.bool_)
        return Part(self.values[rows], labels[rows], forged=forged[rows])

    @property
    def images(self) -> "pandas.DataFrame":
        """The rows of images as they are, not of their variants."""
        return self.rows[self.rows["variant"] == ""]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each part by class; of calibration and test those that judge."""
        plain, labels = (self.rows["variant"] == "").to_numpy(), self.rows["label"].to_numpy(np.int64)
        return {
            split: {name: int(np.sum(labels[used] == label)) for label, name in enumerate(LABELS)}
            for split, used in ((split, plain & self._used(split)) for split in SPLITS)
        }

    @property
    def variants(self) -> dict[str, int]:
        """Rows of each variant."""
        found = self.rows["variant"][self.rows["variant"] != ""].value_counts().sort_index()
        return {str(variant): int(n) for variant, n in found.items()}

    @property
    def groups(self) -> dict[str, int]:
        """Groups of each part; of calibration and test those of images that judge."""
        return {split: int(self.rows["group"][self._used(split)].nunique()) for split in SPLITS}

    def _used(self, split: str) -> npt.NDArray[np.bool_]:
        return self.judging(split) if split in _JUDGING else self.mask(split)

    @property
    def digest(self) -> str:
        """Sha256 over the rows: their keys, labels, groups and parts, in order of their keys."""
        variants = self.rows["variant"].astype("category").cat.codes.to_numpy()
        order = np.lexsort((variants, packed(self.rows["sha256"])))
        table, digest, separator = self.rows[_IDENTITY], hashlib.sha256(b"["), ""
        for first in range(0, len(table), _AT_ONCE):
            for row in table.iloc[order[first : first + _AT_ONCE]].itertuples(index=False):
                digest.update((separator + json.dumps([str(value) for value in row])).encode())
                separator = ", "
        digest.update(b"]")
        return digest.hexdigest()


def read_data(store: FeatureStore, without: Sequence[str] = (), *, stored: bool = False) -> Data:
    """Read what a booster may be fitted and judged on.

    Each image is there once, whatever the number of paths it was found under; variants serve training only. Where a
    network measured some features, the training part holds only groups that were held back from it. Fakes of the kinds
    `without` are left out of every part, as `pipelines.kinds` has it. Rows come in the order of their keys; with
    `stored`, which leaves the values where they are, in the order of the store.

    Raises
    ------
    UnknownNameError
        There are no fakes of a kind that is to be left out.
    DatasetError
        `extract` has not finished, or a part lacks a class.
    StoreError
        The store cannot be read.
    """
    network = network_of(store.feature_set) is not None
    data = _read(store, None, lambda learnt: ~learnt if network else learnt | True, without, stored)
    for split in SPLITS:
        _require_both_classes(store, data, split)
    return data


def read_learnt(store: FeatureStore, without: Sequence[str] = (), *, stored: bool = False) -> Data:
    """Read the forensic features of what the network of a store may have learnt from, as `read_data` does."""
    data = _read(store, forensic(store.feature_set).names, lambda learnt: learnt, without, stored)
    _require_both_classes(store, data, "train", " for the forensic trees")
    return data


def _require_both_classes(store: FeatureStore, data: Data, split: str, purpose: str = "") -> None:
    count = data.counts[split]
    if not all(count.values()):
        raise DatasetError(
            f"{store.root}: the {split} part has {count['real']} real and {count['fake']} fake images{purpose};"
            " both are needed: give more groups of images"
        )


def _read(
    store: FeatureStore,
    names: Sequence[str] | None,
    choose: Choose,
    without: Sequence[str],
    stored: bool,
) -> Data:
    """Join features and manifest, where `choose` says so of an image that a network may have learnt from."""
    import pandas

    if stored:
        joined = join(store, names, choose, without)
        _require_features(joined.missing, joined.images)
        return Data(joined.rows, joined.values, joined.left_out)
    images, left_out = _images(store, without)
    learnt = (images["split"] == "train") & ~images["group"].fillna("").map(held_back).astype(bool)
    images = images[choose(learnt)]
    features = store.load(names)
    _require_features(len(images.index.difference(pandas.Index(features.sha256))), len(images))
    rows = pandas.DataFrame({"sha256": features.sha256, "variant": features.variant}).join(images, on="sha256")
    used = (rows["split"].notna() & ((rows["split"] == "train") | (rows["variant"] == ""))).to_numpy()
    values = features.values if used.all() else features.values[used]
    return Data(rows[used].reset_index(drop=True).astype({"label": int, "forged": bool}), values, left_out)


def _require_features(missing: int, images: int) -> None:
    if missing:
        raise DatasetError(f"{missing} of {images} images have no features yet; run the same extract again")


def _images(store: FeatureStore, without: Sequence[str]) -> tuple["pandas.DataFrame", dict[str, int]]:
    """List the images of a manifest, each once, by sha256; count what is left out, by reason."""
    manifest = store.manifest()
    sound = manifest[manifest["error"].fillna("") == ""].sort_values("path")
    torn = sound.groupby("sha256")["label"].transform("nunique") > 1
    single = sound[~torn].drop_duplicates("sha256").set_index("sha256")
    labels, kinds, sources = (single[name].fillna("").tolist() for name in ("label", "kind", "source"))
    unwanted = chosen(labels, kinds, sources, without)
    images = single[~np.array(unwanted, bool)]
    images = images.assign(forged=for_forgeries(images))
    left_out = {
        "failed": len(manifest) - len(sound),
        "labelled_both": int(torn.sum()),
        "repeated": len(sound) - int(torn.sum()) - len(single),
        **({"kinds": sum(unwanted)} if without else {}),
    }
    return images, left_out
