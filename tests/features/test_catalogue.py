"""The catalogue saves looking into shards, and is never believed against them."""

import json
from pathlib import Path

import pytest

from features.catalogue import Entry, read_catalogue, write_catalogue
from features.errors import StoreError
from features.store import FeatureStore
from tests.features.test_store import COLOR, keys, rows


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    made = FeatureStore(tmp_path / "cache")
    made.prepare()
    made.write_shard(COLOR, keys(1, 2), rows(COLOR, 2))
    made.write_shard(COLOR, keys(3), rows(COLOR, 1))
    return made


def test_without_a_catalogue_shards_speak_for_themselves(store: FeatureStore) -> None:
    found = read_catalogue(store)
    assert sorted(entry.rows for entry in found.entries) == [1, 2]
    assert {(entry.digest, entry.faces) for entry in found.entries} == {(COLOR.digest, "off")}
    assert found.records[COLOR.digest]["profile"] == "fast"
    assert not (Path(store.root) / "catalogue.json").exists()


def test_listed_shards_are_not_opened(store: FeatureStore) -> None:
    written = write_catalogue(store)
    for entry in written.entries:
        (Path(store.root) / "shards" / entry.name).write_bytes(b"not a shard any more")
    assert read_catalogue(store) == written


def test_new_shards_count_and_those_that_are_gone_do_not(store: FeatureStore) -> None:
    first, second = write_catalogue(store).entries
    (Path(store.root) / "shards" / first.name).unlink()
    new = store.write_shard(COLOR, keys(5, 6, 7), rows(COLOR, 3))
    entries = read_catalogue(store).entries
    assert {entry.name for entry in entries} == {second.name, new.name}
    assert Entry(new.name, 3, COLOR.digest, "off") in entries


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 2}', '{"format": 1, "records": {}, "shards": [{}]}'])
def test_a_catalogue_that_cannot_be_read_is_none(store: FeatureStore, text: str) -> None:
    expected = write_catalogue(store)
    (Path(store.root) / "catalogue.json").write_text(text)
    assert read_catalogue(store) == expected


def test_an_entry_without_its_record_is_looked_up(store: FeatureStore) -> None:
    expected = write_catalogue(store)
    path = Path(store.root) / "catalogue.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"records": {}}))
    assert read_catalogue(store) == expected


def test_a_shard_that_is_none(store: FeatureStore) -> None:
    (Path(store.root) / "shards" / "0.parquet").write_bytes(b"no shard")
    with pytest.raises(StoreError, match=r"0\.parquet"):
        read_catalogue(store)
