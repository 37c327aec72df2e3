"""The store: what goes in comes out, files are whole or absent, and one store means one feature set."""

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import spec
from features.errors import FeatureMismatchError, OutputError, StoreError, UnknownNameError
from features.spec import BlockSpec, FeatureSet, Values
from features.store import MANIFEST_COLUMNS, FeatureStore, Key, Shard

COLOR = FeatureSet("fast", (BlockSpec.of("color.global"),))
BOTH = FeatureSet("fast", (BlockSpec.of("spectrum.peaks"), BlockSpec.of("color.global")))


def keys(*numbers: int, variant: str = "") -> list[Key]:
    return [(f"{number:064x}", variant) for number in numbers]


def rows(feature_set: FeatureSet, n: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=(n, len(feature_set.names))).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    made = FeatureStore(tmp_path / "cache")
    made.prepare()
    return made


def newer(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Raise the version of a registered block."""
    old = spec.blocks()[name]
    monkeypatch.setitem(spec._REGISTRY, name, replace(old, version=old.version + 1))


def test_rows_come_back_sorted_by_key_bit_for_bit(store: FeatureStore) -> None:
    values = rows(COLOR, 5)
    store.write_shard(COLOR, keys(9, 3, 7), values[:3])
    store.write_shard(COLOR, keys(1, 4), values[3:])
    loaded = store.load()
    assert loaded.sha256 == [key for key, _ in keys(1, 3, 4, 7, 9)]
    assert loaded.variant == [""] * 5
    assert loaded.names == COLOR.names
    assert loaded.values.dtype == np.float32
    assert loaded.values.flags.c_contiguous
    np.testing.assert_array_equal(loaded.values, values[[3, 1, 4, 2, 0]])


def test_extreme_values_survive(store: FeatureStore) -> None:
    values = np.array([[0.0, -0.0, 1e-45, -3.4e38, np.pi, 1.0]], np.float32)
    store.write_shard(COLOR, keys(1), values)
    assert store.load().values.tobytes() == values.tobytes()


def test_a_key_in_two_shards_counts_once(store: FeatureStore) -> None:
    values = rows(COLOR, 3)
    store.write_shard(COLOR, keys(1, 2), values[:2])
    store.write_shard(COLOR, keys(2, 3), values[1:])
    loaded = store.load()
    assert loaded.sha256 == [key for key, _ in keys(1, 2, 3)]
    np.testing.assert_array_equal(loaded.values, values)


def test_variants_of_an_image_are_rows_of_their_own(store: FeatureStore) -> None:
    store.write_shard(COLOR, [*keys(1, variant="jpeg-50"), *keys(1)], rows(COLOR, 2))
    assert store.load().variant == ["", "jpeg-50"]


def test_chosen_features_come_in_the_order_of_asking(store: FeatureStore) -> None:
    values = rows(COLOR, 2)
    store.write_shard(COLOR, keys(1, 2), values)
    chosen = (COLOR.names[4], COLOR.names[1])
    loaded = store.load(chosen)
    assert loaded.names == chosen
    np.testing.assert_array_equal(loaded.values, values[:, [4, 1]])


def test_an_unknown_feature_gets_a_hint(store: FeatureStore) -> None:
    store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    with pytest.raises(UnknownNameError, match="did you mean"):
        store.load([COLOR.names[0] + "x"])


def test_the_feature_set_is_read_from_the_shards(store: FeatureStore) -> None:
    store.write_shard(BOTH, keys(1), rows(BOTH, 1))
    assert FeatureStore(store.root).feature_set == BOTH


def test_a_changed_block_is_named(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_shard(BOTH, keys(1), rows(BOTH, 1))
    newer(monkeypatch, "color.global")
    with pytest.raises(FeatureMismatchError, match=r"color\.global"):
        store.load()


def test_a_shard_lends_the_blocks_that_did_not_change(store: FeatureStore) -> None:
    values = rows(COLOR, 3)
    shard = Shard.open(store.write_shard(COLOR, keys(1, 2, 3), values))
    lent, todo, columns = shard.lend(BOTH, keys(3, 1))
    assert todo.blocks == BOTH.blocks[:1]
    assert [BOTH.names[column] for column in columns] == list(todo.names)
    np.testing.assert_array_equal(lent[:, len(todo.names) :], values[[2, 0]])
    assert not lent[:, columns].any()


@pytest.mark.parametrize("make", [False, True])
def test_nothing_to_read_says_how_to_get_it(tmp_path: Path, make: bool) -> None:
    store = FeatureStore(tmp_path / "cache")
    if make:
        store.prepare()
    for read in (store.load, store.manifest):
        with pytest.raises(StoreError, match="extract"):
            read()


def test_two_feature_sets_in_one_store_are_refused(store: FeatureStore) -> None:
    store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    store.write_shard(BOTH, keys(1), rows(BOTH, 1))
    with pytest.raises(StoreError, match="interrupted"):
        store.load()


def test_a_store_says_how_faces_were_found(store: FeatureStore) -> None:
    shard = Shard.open(store.write_shard(COLOR, keys(1), rows(COLOR, 1)))
    assert (shard.faces, store.faces) == ("off", "off")
    other = FeatureStore(Path(store.root).with_name("faces"))
    other.prepare()
    other.write_shard(COLOR, keys(1), rows(COLOR, 1), faces="framing/1")
    assert other.faces == "framing/1"
    assert other.feature_set == COLOR


def test_a_store_from_before_faces_were_searched_is_of_whole_images(store: FeatureStore) -> None:
    path = store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"fauxface": json.dumps(COLOR.to_json())}), path)
    assert store.faces == "off"
    assert store.load().sha256 == [keys(1)[0][0]]


def test_rows_of_faces_and_of_whole_images_are_refused_together(store: FeatureStore) -> None:
    store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    store.write_shard(COLOR, keys(2), rows(COLOR, 1), faces="framing/1")
    with pytest.raises(StoreError, match="mixes rows of faces framing/1 and off"):
        store.load()
    with pytest.raises(StoreError, match="mixes"):
        _ = store.faces


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def no_parquet(path: Path) -> None:
    path.write_bytes(b"not a table")


def no_keys(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path)


def no_metadata(path: Path) -> None:
    pq.write_table(pa.table({"sha256": ["a"], "variant": [""]}), path)


@pytest.mark.parametrize("damage", [cut, no_parquet, no_keys, no_metadata])
def test_a_damaged_shard_is_named(store: FeatureStore, damage: object) -> None:
    path = store.write_shard(COLOR, keys(1, 2), rows(COLOR, 2))
    assert callable(damage)
    damage(path)
    with pytest.raises(StoreError, match=f"{path.name} is damaged.*run extract again"):
        store.load()


def test_shards_are_compressed_without_dictionaries_or_statistics(store: FeatureStore) -> None:
    path = store.write_shard(COLOR, keys(*range(100)), rows(COLOR, 100))
    with pq.ParquetFile(path) as file:
        assert file.schema_arrow.names == ["sha256", "variant", *COLOR.names]
        columns = [file.metadata.row_group(0).column(index) for index in range(2 + len(COLOR.names))]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert not any(column.is_stats_set or column.has_dictionary_page for column in columns)
    assert all("BYTE_STREAM_SPLIT" in column.encodings for column in columns[2:])


def test_the_same_rows_give_the_same_file(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        store = FeatureStore(tmp_path / name)
        store.prepare()
        made.append(store.write_shard(COLOR, keys(1, 2), rows(COLOR, 2)))
    assert made[0].name == made[1].name
    assert made[0].read_bytes() == made[1].read_bytes()
    other = FeatureStore(tmp_path / "a").write_shard(COLOR, keys(1, 3), rows(COLOR, 2))
    assert other.name != made[0].name


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_an_error_and_leaves_what_was_there(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_manifest(manifest(["a.jpg"]))
    store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OutputError, match="no space left"):
        store.write_shard(COLOR, keys(2), rows(COLOR, 1))
    with pytest.raises(OutputError, match=r"manifest.parquet: no space left"):
        store.write_manifest(manifest(["b.jpg"]))
    assert store.manifest()["path"].tolist() == ["a.jpg"]
    assert store.load().sha256 == [keys(1)[0][0]]
    assert not list(Path(store.root).rglob("*.tmp"))


def manifest(paths: Sequence[str]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [name] * len(paths) for name in MANIFEST_COLUMNS}
    return columns | {"path": list(paths), "label": [1] * len(paths)}


def test_a_manifest_comes_back_and_is_replaced(store: FeatureStore) -> None:
    assert not store.has_manifest
    store.write_manifest(manifest(["a.jpg", "b.jpg"]))
    store.write_manifest(manifest(["c.jpg"]))
    assert store.has_manifest
    frame = store.manifest()
    assert tuple(frame.columns) == MANIFEST_COLUMNS
    assert frame.to_dict("records") == [{name: name for name in MANIFEST_COLUMNS} | {"path": "c.jpg", "label": 1}]


def test_a_name_that_is_not_utf_8_is_written_with_escapes(store: FeatureStore) -> None:
    store.write_manifest(manifest(["é\udcff.jpg"]))
    assert store.manifest()["path"].tolist() == ["é\\xff.jpg"]


def test_preparing_removes_what_was_half_written(store: FeatureStore) -> None:
    shard = store.write_shard(COLOR, keys(1), rows(COLOR, 1))
    half = [Path(store.root) / "manifest.parquet.77.tmp", Path(shard).with_name("x.parquet.77.tmp")]
    for path in half:
        path.write_bytes(b"half")
    store.prepare()
    assert not any(path.exists() for path in half)
    assert shard.exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("private")
    with pytest.raises(StoreError, match="choose another"):
        FeatureStore(tmp_path).prepare()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(OutputError, match="cache"):
        FeatureStore(tmp_path / "cache").prepare()


def test_tidying_drops_what_is_held_twice_and_sets_the_rest_aside(store: FeatureStore) -> None:
    covered = store.write_shard(COLOR, keys(1, 2), rows(COLOR, 2))
    partly = store.write_shard(COLOR, keys(2, 9), rows(COLOR, 2))
    live = store.write_shard(BOTH, keys(1, 2, 3), rows(BOTH, 3))
    twice = store.write_shard(BOTH, keys(3), rows(BOTH, 1))
    store.tidy(BOTH)
    assert not covered.exists()
    assert partly.with_suffix(".stale").exists()
    assert (live.exists(), twice.exists()) == (True, False)
    assert store.feature_set == BOTH
    assert store.load().sha256 == [key for key, _ in keys(1, 2, 3)]


def test_stale_rows_come_back_when_their_feature_set_does(store: FeatureStore) -> None:
    store.write_shard(COLOR, keys(1, 2), rows(COLOR, 2))
    store.tidy(BOTH)
    with pytest.raises(StoreError):
        store.load()
    store.tidy(COLOR)
    assert len(store.load().sha256) == 2
