"""A block, a store and a detector small enough for tests of everything behind the features.

    python -m tests.toy tests/archives/format-2

makes the archived bundle of the format version in force, and `format-2.json` beside it with rows and their
probabilities. Run it once for a new version, under a new name; what is archived is never made again.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features import spec
from features.frame import Frame
from features.spec import BlockSpec, FeatureSet, Params, Values, block
from features.store import MANIFEST_COLUMNS, FeatureStore
from models.booster import BoosterParams
from models.bundle import load
from pipelines.dataset import split_of
from pipelines.train import train

__all__ = ["QUICK", "ROWS", "fill", "registered", "table", "toy_set", "vectors"]

QUICK: Final = BoosterParams(learning_rate=0.2, num_leaves=7, min_child_samples=5, feature_fraction=0.5, max_trees=40)
"""Parameters that fit a toy in a moment."""

ROWS: Final = 600
"""How many images a toy store has unless told."""

_BLOCK: Final = "toy.moments"


@contextmanager
def registered() -> Iterator[None]:
    """Register the toy's block, and take it away again, so that no other test meets it."""
    block(_BLOCK, version=1, names=lambda params: [f"value.{i}" for i in range(params["n"])], n=8)(_moments)
    try:
        yield
    finally:
        del spec._REGISTRY[_BLOCK]


def _moments(frame: Frame, params: Params) -> Values:
    return np.array([(frame.luma_float ** (i / 4)).mean() for i in range(params["n"])], np.float32)


def toy_set(n: int = 8) -> FeatureSet:
    """Make a feature set of the one block, `n` values long."""
    return FeatureSet("toy", (BlockSpec.of(_BLOCK, n=n),))


def table(rows: int = ROWS) -> dict[str, list[Any]]:
    """List a manifest of images that do not exist: two fakes and a real one in each group."""
    names = MANIFEST_COLUMNS[:-1]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for i in range(rows):
        group, label = f"group{i // 3}", int(i % 3 > 0)
        digest = hashlib.sha256(f"image {i}".encode()).hexdigest()
        row = (f"{label}/{i:05d}.jpg", digest, label, group, "toy", "toys", split_of(group))
        for name, value in zip(names, row, strict=True):
            columns[name].append(value)
    return {**columns, "error": [""] * rows}


def vectors(labels: Sequence[int], n: int = 8, seed: int = 0) -> npt.NDArray[np.float32]:
    """Draw (len(labels), n) vectors whose first columns lean with the label."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(labels), n))
    values[:, :3] += 0.7 * np.asarray(labels)[:, None]
    return values.astype(np.float32)


def fill(root: Path, columns: Mapping[str, list[Any]], n: int = 8, shards: int = 2) -> Path:
    """Write a store that holds a manifest and a vector for each of its images; return `root`."""
    store, feature_set = FeatureStore(root), toy_set(n)
    store.prepare()
    store.write_manifest(columns)
    values = vectors(columns["label"], n)
    for part in range(shards):
        keys = [(digest, "") for digest in columns["sha256"][part::shards]]
        store.write_shard(feature_set, keys, values[part::shards])
    return root


def _archive(path: Path) -> None:
    cache = path.with_suffix(".cache")
    with registered():
        train(fill(cache, table(2400)), path, name="toy", params=QUICK, resamples=20, threads=1)
        values = vectors([0, 1] * 8, seed=1)
        rows = {"values": values.tolist(), "probabilities": load(path).probability(values).tolist()}
    path.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    for file in sorted(cache.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    cache.rmdir()


if __name__ == "__main__":
    _archive(Path(sys.argv[1]))
