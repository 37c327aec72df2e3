"""A list of a store's shards, so that a large store opens without a look into every file.

catalogue.json        name, rows, digest and faces of each shard, and the feature set behind each digest

A shard's name follows from its rows, so an entry stays true as long as a file of that name is there. The catalogue
only saves time: what it does not list is looked up in the shard, what is gone counts no longer, and it may be deleted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from features.checksum import agrees, of_bytes
from features.errors import OutputError, StoreError, reason_of
from features.parquet import damaged
from features.storage import Place, Remote, list_files, write_whole
from features.store import FeatureStore

__all__ = ["Catalogue", "Entry", "read_catalogue", "write_catalogue"]

_LIVE: Final = ".parquet"
_METADATA: Final = b"fauxface"
_FORMAT: Final = 1


@dataclass(frozen=True)
class Entry:
    """A shard: its file name, how many rows it holds, the digest of their feature set, and as `Shard.faces`."""

    name: str
    rows: int
    digest: str
    faces: str


@dataclass(frozen=True)
class Catalogue:
    """The live shards of a store, sorted by file name, and the records of their feature sets by digest."""

    entries: tuple[Entry, ...]
    records: Mapping[str, Mapping[str, Any]]


def read_catalogue(store: FeatureStore) -> Catalogue:
    """List the live shards, by the catalogue where it knows them and by their own metadata otherwise.

    Parameters
    ----------
    store : FeatureStore
        The store; no value and no key of it is read.

    Raises
    ------
    StoreError
        A shard is damaged.
    """
    known, records = _kept(store.root / "catalogue.json")
    entries = []
    for path in list_files(store.root / "shards"):
        if path.suffix == _LIVE:
            entry = known.get(path.name)
            if entry is None:
                entry, record = _look(path)
                records.setdefault(entry.digest, record)
            entries.append(entry)
    return Catalogue(tuple(entries), records)


def write_catalogue(store: FeatureStore) -> Catalogue:
    """Bring the catalogue up to date; raises StoreError as `read_catalogue`, OutputError where it cannot be written."""
    catalogue = read_catalogue(store)
    used = {entry.digest: catalogue.records[entry.digest] for entry in catalogue.entries}
    record = {"format": _FORMAT, "records": used, "shards": [asdict(entry) for entry in catalogue.entries]}
    path = store.root / "catalogue.json"
    try:
        write_whole(path, json.dumps(record).encode())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error
    return Catalogue(catalogue.entries, used)


def _kept(path: Place) -> tuple[dict[str, Entry], dict[str, Mapping[str, Any]]]:
    """Read what the catalogue lists; nothing where it is absent, of another format or cut short."""
    try:
        record = json.loads(path.read_bytes())
        if record["format"] != _FORMAT:
            return {}, {}
        entries: Iterable[Entry] = [Entry(**entry) for entry in record["shards"]]
        return {entry.name: entry for entry in entries if entry.digest in record["records"]}, dict(record["records"])
    except (OSError, KeyError, TypeError, ValueError):
        return {}, {}


def _look(path: Place) -> tuple[Entry, Mapping[str, Any]]:
    """Read a shard's metadata: its entry and the record of its feature set."""
    try:
        with pq.ParquetFile(path.open() if isinstance(path, Remote) else path) as file:
            metadata, rows = file.schema_arrow.metadata or {}, file.metadata.num_rows
        if not agrees(metadata, of_bytes(metadata[_METADATA])):
            raise damaged(path, "a checksum differs")
        record = json.loads(metadata[_METADATA])
        return Entry(path.name, rows, str(record["digest"]), str(record.get("faces", "off"))), record
    except StoreError:
        raise
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise damaged(path, str(error)) from error
