"""Rows left in the store are those that are read into memory, whatever the manifest says of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from features.errors import DatasetError, UnknownNameError
from features.store import FeatureStore
from models.sequence import Stored
from pipelines import training_data, training_rows
from pipelines.training_data import Data, read_data
from pipelines.training_rows import for_forgeries
from tests import toy

Columns = dict[str, list[Any]]


@pytest.fixture(scope="module", autouse=True)
def _toy_block() -> Iterator[None]:
    with toy.registered():
        yield


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training_data, training_rows):
        monkeypatch.setattr(module, "_AT_ONCE", 64)


def both(root: Path, without: list[str] | None = None) -> tuple[Data, Data]:
    return read_data(FeatureStore(root), without or ()), read_data(FeatureStore(root), without or (), stored=True)


def assert_same(held: Data, stored: Data) -> None:
    for name in ("counts", "variants", "groups", "digest", "left_out"):
        assert getattr(stored, name) == getattr(held, name)
    assert stored.images["source"].value_counts().to_dict() == held.images["source"].value_counts().to_dict()
    assert isinstance(stored.values, Stored)
    assert np.all(np.diff(stored.values.places) > 0)
    order = stored.rows.sort_values(["sha256", "variant"]).index.to_numpy()
    np.testing.assert_array_equal(stored.values.read()[order], held.values)
    for name in ("sha256", "variant", "label", "group", "split", "forged"):
        assert stored.rows[name].astype(str).iloc[order].tolist() == held.rows[name].astype(str).tolist()


def fail(columns: Columns) -> None:
    columns["error"][7] = "corrupt_image: ends early"


def repeat(columns: Columns) -> None:
    """Twice found, with the same label and with another; of the former the first path counts, and its group."""
    for row, label, path, group in ((10, None, "0/first.jpg", "elsewhere"), (20, 1, "z.jpg", ""), (21, 1, "z.jpg", "")):
        for values in columns.values():
            values.append(values[row])
        columns["label"][-1] = columns["label"][row] if label is None else 1 - columns["label"][row]
        columns["path"][-1] = path
        columns["group"][-1] = group or columns["group"][row]


def forge(columns: Columns) -> None:
    for row in range(2, toy.ROWS, 3):
        columns["kind"][row] = "forged.swap"


def shorten(columns: Columns) -> None:
    for name, values in columns.items():
        columns[name] = values[90:]


@pytest.mark.parametrize("change", [lambda columns: None, fail, repeat, forge, shorten])
def test_the_rows_are_the_same(change: Callable[[Columns], None], tmp_path: Path) -> None:
    root, columns = toy.fill(tmp_path, toy.table(), shards=5), toy.table()
    change(columns)
    FeatureStore(root).write_manifest(columns)
    assert_same(*both(root))


def test_forgeries_and_the_reals_of_a_data_set_of_nothing_else_are_there_for_them() -> None:
    rows = [
        ("found", 0, None, False),
        ("found", 1, None, False),
        ("both", 0, None, False),
        ("both", 1, "Deepfakes", False),
        ("both", 1, "forged.swap", True),
        ("made", 0, None, True),
        ("made", 1, "forged.warp", True),
        ("reals", 0, None, False),
        (None, 0, None, False),
    ]
    images = pandas.DataFrame(rows, columns=["source", "label", "kind", "expected"])
    assert for_forgeries(images).tolist() == images.pop("expected").tolist()
    assert for_forgeries(images.astype({"source": "category", "kind": "category"})).sum() == 3


def test_kinds_are_left_out(tmp_path: Path) -> None:
    columns = toy.table()
    forge(columns)
    held, stored = both(toy.fill(tmp_path, columns), ["forged.swap"])
    assert_same(held, stored)
    assert stored.left_out["kinds"] == toy.ROWS // 3
    with pytest.raises(UnknownNameError, match=r"forged\.swap"):
        read_data(FeatureStore(tmp_path), ["forged.swop"], stored=True)


def test_variants_serve_training_only_and_a_row_of_two_shards_counts_once(tmp_path: Path) -> None:
    columns, store = toy.table(), FeatureStore(tmp_path)
    toy.fill(tmp_path, columns)
    for start in (0, 200):
        keys = [(digest, "blurred") for digest in columns["sha256"][start:]]
        store.write_shard(toy.toy_set(), keys, toy.vectors(columns["label"], seed=9)[start:])
    held, stored = both(tmp_path)
    assert_same(held, stored)
    assert set(stored.variants) == {"blurred"}


def test_missing_features_and_classes_are_refused_alike(tmp_path: Path) -> None:
    toy.fill(tmp_path, toy.table())
    store = FeatureStore(tmp_path)
    store.write_manifest(toy.table(toy.ROWS + 3))
    with pytest.raises(DatasetError, match="3 of 603 images have no features yet; run the same extract again"):
        read_data(store, stored=True)
    columns = toy.table()
    columns["label"] = [1] * toy.ROWS
    store.write_manifest(columns)
    with pytest.raises(DatasetError, match="the train part has 0 real"):
        read_data(store, stored=True)


def test_a_manifest_of_other_images_has_no_features(tmp_path: Path) -> None:
    toy.fill(tmp_path, toy.table())
    columns = toy.table()
    columns["sha256"] = [digest[::-1] for digest in columns["sha256"]]
    FeatureStore(tmp_path).write_manifest(columns)
    with pytest.raises(DatasetError, match="600 of 600 images have no features yet"):
        read_data(FeatureStore(tmp_path), stored=True)
    columns["error"] = ["broken"] * toy.ROWS
    FeatureStore(tmp_path).write_manifest(columns)
    with pytest.raises(DatasetError, match="part has 0 real and 0 fake images"):
        read_data(FeatureStore(tmp_path), stored=True)
