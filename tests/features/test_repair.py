"""Whatever happens to a shard, its values are those that were written or it is set aside."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.checksum import KEY
from features.errors import OutputError, StoreError
from features.parquet import read_floats, read_names
from features.repair import DAMAGED, set_aside
from features.spec import BlockSpec, FeatureSet
from features.store import FeatureStore, Key, Shard

COLOR = FeatureSet("fast", (BlockSpec.of("color.global"),))
KEYS: list[Key] = [(f"{number:064x}", "") for number in range(40)]
VALUES = np.random.default_rng(0).normal(size=(len(KEYS), len(COLOR.names))).astype(np.float32)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """The one shard of a store."""
    store = FeatureStore(tmp_path / "cache")
    store.prepare()
    return Path(store.write_shard(COLOR, KEYS, VALUES))


def store_of(shard: Path) -> FeatureStore:
    return FeatureStore(shard.parents[1])


def test_what_is_whole_stays(shard: Path) -> None:
    assert set_aside(store_of(shard)) == []
    assert shard.exists()


def test_no_damage_goes_unseen(shard: Path) -> None:
    data, rng, seen = shard.read_bytes(), np.random.default_rng(1), 0
    for at in rng.integers(0, len(data), 300):
        altered = bytearray(data)
        altered[at] ^= 1 << int(rng.integers(8))
        shard.write_bytes(altered)
        if set_aside(store_of(shard)):
            shard.with_suffix(DAMAGED).unlink()
            seen += 1
        else:  # a bit that means nothing
            found = Shard.open(shard)
            assert found.keys == tuple(KEYS)
            assert found.digest == COLOR.digest
            assert np.array_equal(read_floats(shard, COLOR.names), VALUES)
    assert seen > 200


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_what_was_cut_short_is_set_aside(shard: Path, share: float) -> None:
    data = shard.read_bytes()
    shard.write_bytes(data[: int(share * len(data))])
    assert set_aside(store_of(shard)) == [shard.with_suffix(DAMAGED)]
    assert set_aside(store_of(shard)) == []


def rewrite(shard: Path, table: pa.Table) -> None:
    pq.write_table(table, shard)


def test_an_altered_value_is_seen_where_it_is_read(shard: Path) -> None:
    table = pq.read_table(shard)
    name = COLOR.names[3]
    column = table.column(name).to_numpy().copy()
    column[7] = np.nextafter(column[7], np.float32(9))
    rewrite(shard, table.set_column(5, table.schema.field(name), pa.array(column)))
    assert store_of(shard).load(COLOR.names[:3]).values.shape == (40, 3)
    with pytest.raises(StoreError, match=f"the checksum of {name} differs.*run extract again"):
        store_of(shard).load()


@pytest.mark.parametrize("part", ["key", "record"])
def test_an_altered_key_or_record_is_seen(shard: Path, part: str) -> None:
    table = pq.read_table(shard)
    if part == "key":
        keys = table.column("sha256").to_pylist()
        table = table.set_column(0, table.schema.field("sha256"), pa.array(["f" * 64, *keys[1:]]))
    else:
        metadata = dict(table.schema.metadata)
        metadata[b"fauxface"] = metadata[b"fauxface"].replace(b'"off"', b'"ofg"')
        table = table.replace_schema_metadata(metadata)
    rewrite(shard, table)
    with pytest.raises(StoreError, match="a checksum differs"):
        store_of(shard).load()
    assert set_aside(store_of(shard)) == [shard.with_suffix(DAMAGED)]


def test_a_shard_from_before_there_were_checksums_is_read(shard: Path) -> None:
    table = pq.read_table(shard)
    assert all(field.metadata[KEY] for field in table.schema)
    plain = [pa.field(field.name, field.type, nullable=False) for field in table.schema]
    record = {b"fauxface": table.schema.metadata[b"fauxface"]}
    rewrite(shard, pa.Table.from_arrays(table.columns, schema=pa.schema(plain, metadata=record)))
    assert set_aside(store_of(shard)) == []
    assert np.array_equal(store_of(shard).load().values, VALUES)
    assert read_names(shard) == ["sha256", "variant", *COLOR.names]


def test_a_disk_that_cannot_be_read_is_no_damage(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bytes:
        raise OSError(5, os.strerror(5))

    shard.write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(StoreError, match="cannot be read: input/output error"):
        set_aside(store_of(shard))
    assert shard.exists()


def test_a_folder_that_cannot_be_changed_is_said(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, target: Path) -> Path:
        raise OSError(30, os.strerror(30))

    shard.write_bytes(b"x")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="read-only file system"):
        set_aside(store_of(shard))
