"""Ranges of rows and chosen columns, without a byte of the rest."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features import parquet
from features.catalogue import write_catalogue
from features.errors import FeatureMismatchError, StoreError, UnknownNameError
from features.rows import open_rows
from features.spec import Values
from features.store import FeatureStore
from tests.features.test_store import BOTH, COLOR, keys, rows


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Three shards, of 5, 12 and 3 rows, in row groups of 4."""
    monkeypatch.setattr(parquet, "_GROUP", 4)
    made = FeatureStore(tmp_path / "cache")
    made.prepare()
    for start, count in ((0, 5), (100, 12), (200, 3)):
        made.write_shard(COLOR, keys(*range(start, start + count)), rows(COLOR, count, seed=start))
    return made


def everything(store: FeatureStore) -> Values:
    """All values, shard by shard, by another way."""
    names = [*COLOR.names]
    tables = [pq.read_table(path) for path in sorted(Path(store.root, "shards").glob("*.parquet"))]
    return np.concatenate([np.stack([table[name].to_numpy() for name in names], axis=1) for table in tables])


def test_every_range(store: FeatureStore) -> None:
    opened, expected = open_rows(store), everything(store)
    assert len(opened) == len(expected) == 20
    assert opened.names == COLOR.names
    for start in range(21):
        for stop in range(start, 21):
            found = opened.read(start, stop)
            assert found.dtype == np.float32
            assert found.flags.c_contiguous
            np.testing.assert_array_equal(found, expected[start:stop])


def test_chosen_columns_in_the_order_of_asking(store: FeatureStore) -> None:
    names = (COLOR.names[3], COLOR.names[1])
    np.testing.assert_array_equal(open_rows(store, names).read(2, 15), everything(store)[2:15, [3, 1]])


def test_keys_go_with_values(store: FeatureStore) -> None:
    opened, loaded = open_rows(store), store.load()
    place = {key: row for row, key in enumerate(zip(loaded.sha256, loaded.variant, strict=True))}
    found = opened.keys(1, 19)
    np.testing.assert_array_equal(loaded.values[[place[key] for key in found]], opened.read(1, 19))


def test_other_columns_and_row_groups_are_not_read(store: FeatureStore) -> None:
    opened, expected = open_rows(store, COLOR.names[1:2]), everything(store)
    at = next(at for at, part in enumerate(opened.parts) if part.rows == 12)
    first = sum(part.rows for part in opened.parts[:at])
    spoil(Path(opened.parts[at].path), group=1, column=2 + 1)
    np.testing.assert_array_equal(opened.read(first + 4, first + 8), expected[first + 4 : first + 8, 1:2])
    with pytest.raises(StoreError):
        opened.read(first + 3, first + 8)
    with pytest.raises(StoreError):
        open_rows(store, COLOR.names[:1]).read(first + 4, first + 8)


def spoil(path: Path, *, group: int, column: int) -> None:
    """Overwrite every chunk of a shard but one."""
    metadata, data = pq.read_metadata(path), bytearray(path.read_bytes())
    for row_group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            chunk = metadata.row_group(row_group).column(at)
            if (row_group, at) != (group, column):
                start = chunk.data_page_offset
                data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)


def test_with_a_catalogue_nothing_is_opened_before_it_is_read(store: FeatureStore) -> None:
    write_catalogue(store)
    for path in Path(store.root, "shards").iterdir():
        path.write_bytes(b"gone")
    opened = open_rows(store)
    assert len(opened) == 20
    with pytest.raises(StoreError, match="damaged"):
        opened.read(0, 1)


def test_a_whole_shard_is_checked(store: FeatureStore) -> None:
    values = rows(COLOR, 5)
    path = store.write_shard(COLOR, keys(300, 301, 302, 303, 304), values)
    table = pq.read_table(path)
    changed = table.set_column(2, table.schema.field(2), [table.column(2).to_numpy() + np.float32(1)])
    pq.write_table(changed, path)
    opened = open_rows(store)
    first = sum(part.rows for part in opened.parts[: [part.path for part in opened.parts].index(path)])
    with pytest.raises(StoreError, match="checksum"):
        opened.read(first, first + 5)


def test_features_that_some_shards_lack_leave_those_out(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    store.prepare()
    store.write_shard(COLOR, keys(1, 2), rows(COLOR, 2))
    store.write_shard(BOTH, keys(3), rows(BOTH, 1))
    with pytest.raises(FeatureMismatchError, match="two feature sets"):
        open_rows(store)


def test_what_is_not_there(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no feature store"):
        open_rows(FeatureStore(tmp_path / "none"))
    with pytest.raises(UnknownNameError, match="color"):
        open_rows(store, ["color.global.nothing"])
    for start, stop in ((-1, 2), (3, 2), (0, 21)):
        with pytest.raises(IndexError):
            open_rows(store).read(start, stop)
