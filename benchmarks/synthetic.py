"""Feature stores of any size with made-up values: for what they cost to keep, to open and to learn from, no more.

Values are multiples of 1/16 with 256 levels, so that they compress as if of 8 bits; in the first columns the fakes
lie a little higher.
"""

import hashlib
from itertools import combinations
from typing import Any, Final

import numpy as np
import pyarrow as pa

from features.parquet import write_table
from features.profiles import feature_set
from features.spec import FeatureSet, Values
from features.store import MANIFEST_COLUMNS, FeatureStore, Key
from pipelines.dataset import split_of

__all__ = ["fill", "narrow"]

_SPEAKING: Final = 20  # columns that tell fakes
_GROUP: Final = 50  # images of a group
_PIECE: Final = 100_000  # rows of the manifest that are made at once
_KINDS: Final = ("real", "fake")


def narrow(columns: int) -> FeatureSet:
    """Choose blocks of the profile `fast` that have together that many columns, or few more; all at most."""
    specs = feature_set("fast").blocks
    sizes = [len(spec.names) for spec in specs]
    ways = [some for count in range(1, len(specs) + 1) for some in combinations(range(len(specs)), count)]
    totals = [sum(sizes[at] for at in some) for some in ways]
    _, index = min((total, at) for at, total in enumerate(totals) if total >= min(columns, sum(sizes)))
    return FeatureSet("fast", tuple(specs[at] for at in ways[index]))


def fill(root: str, rows: int, columns: int, *, shard: int, manifest: bool = True, seed: int = 0) -> FeatureStore:
    """Make a store of made-up values, half of it fakes, in groups of 50 images.

    Parameters
    ----------
    root : str
        A new folder.
    rows : int
        Images.
    columns : int
        The least number of features; whole blocks are taken.
    shard : int
        Rows of a shard.
    manifest : bool
        Whether training needs it.
    seed : int
        Of the values.
    """
    store, features, rng = FeatureStore(root), narrow(columns), np.random.default_rng(seed)
    store.prepare()
    for start in range(0, rows, shard):
        stop = min(start + shard, rows)
        store.write_shard(features, _keys(start, stop), _values(rng, start, stop, len(features.names)))
    if manifest:
        _write_manifest(store, rows)
    return store


def _keys(start: int, stop: int) -> list[Key]:
    return [(hashlib.sha256(b"%d" % index).hexdigest(), "") for index in range(start, stop)]


def _values(rng: np.random.Generator, start: int, stop: int, columns: int) -> Values:
    values = rng.integers(0, 256, (stop - start, columns), np.uint8).astype(np.float32)
    values[:, :_SPEAKING] += 16 * (np.arange(start, stop) % 2)[:, None]
    values /= 16
    return values


def _write_manifest(store: FeatureStore, rows: int) -> None:
    """Write what `FeatureStore.write_manifest` would, without a Python object for each text of all rows at once."""
    pieces = [_manifest(start, min(start + _PIECE, rows)) for start in range(0, rows, _PIECE)]
    write_table(store.root / "manifest.parquet", pa.concat_tables(pieces))


def _manifest(start: int, stop: int) -> pa.Table:
    groups = [f"synthetic/{index // _GROUP}" for index in range(start, stop)]
    columns: dict[str, list[Any]] = {
        "path": [f"{index}.png" for index in range(start, stop)],
        "sha256": [key for key, _ in _keys(start, stop)],
        "label": [index % 2 for index in range(start, stop)],
        "group": groups,
        "kind": [_KINDS[index % 2] for index in range(start, stop)],
        "source": ["synthetic"] * len(groups),
        "split": [split_of(group) for group in groups],
        "error": [""] * len(groups),
    }
    return pa.table({name: columns[name] for name in MANIFEST_COLUMNS})
