"""The cache of feature vectors: a folder with a manifest and Parquet shards.

manifest.parquet      one row an image of the data set: path, sha256, label, group, kind, source, split, error
shards/*.parquet      up to 1,000 rows each: sha256, variant, then one float32 column a feature
shards/*.stale        rows of an earlier feature set that the last run did not ask for; may be deleted at any time
shards/*.damaged      what `extract` found cut short or altered, and measured again (`features.repair`); may be deleted
network.onnx, .json   the network that some features were measured with, and its record (`models.weights`)

A store holds one feature set. Where a network measures some of it, rows that the network may have learnt from hold only
the others, in shards of their own: nothing may be fitted on how a network sees what it knows.

Every shard carries its feature set in the Parquet metadata, with `faces`: `off` where images were measured whole (so
too where it is absent), else the framing of their largest faces. Rows are keyed by (sha256, variant), so that paths,
labels and splits may change without a vector being measured again. Each file is written under a temporary name and
renamed: whatever happens, a file is whole or absent.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.checksum import KEY, agrees, of_bytes, of_texts, of_values
from features.errors import OutputError, StoreError, UnknownNameError, reason_of
from features.parquet import damaged, read_columns, read_floats, write_table
from features.profiles import forensic  # and registers every block
from features.spec import FeatureSet, Values
from features.storage import TEMPORARY, Place, Remote, list_files, locate, rename

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MANIFEST_COLUMNS", "Columns", "FeatureStore", "Features", "Key", "Shard"]

MANIFEST_COLUMNS: Final = ("path", "sha256", "label", "group", "kind", "source", "split", "error")
"""The columns of a manifest; `error` is empty where the image was measured."""

Key = tuple[str, str]
"""The sha256 of an image's bytes, in hex, and the name of its variant (empty for the image as it is)."""

Columns = npt.NDArray[np.intp]
"""Positions in a feature vector."""

_KEY_COLUMNS = ("sha256", "variant")
_METADATA = b"fauxface"
_LIVE, _STALE, _KEEP = ".parquet", ".stale", ".keep"


@dataclass(frozen=True, eq=False)
class Features:
    """Feature vectors in memory.

    Attributes
    ----------
    sha256, variant : list of str
        The keys, sorted and unique.
    values : (n, d) float32 array
        One row a key, C order.
    names : tuple of str
        The names of the columns.
    """

    sha256: list[str]
    variant: list[str]
    values: Values
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shard:
    """A file of feature vectors: the feature set as its metadata record it, and the keys of its rows in order."""

    path: Place
    record: Mapping[str, Any]
    keys: tuple[Key, ...]

    @classmethod
    def open(cls, path: Place) -> "Shard":
        """Read a shard's metadata and keys; raise StoreError where it is damaged or no shard."""
        table = read_columns(path, _KEY_COLUMNS)
        try:
            record = (table.schema.metadata or {})[_METADATA]
            columns = [table.column(name).to_pylist() for name in _KEY_COLUMNS]
            found = [(table.schema.metadata, of_bytes(record))]
            found += [(field.metadata, of_texts(texts)) for field, texts in zip(table.schema, columns, strict=True)]
            if all(agrees(metadata, sum_) for metadata, sum_ in found):
                return cls(path, json.loads(record), tuple(zip(*columns, strict=True)))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, "it is no shard of a feature store") from error
        raise damaged(path, "a checksum differs")

    @property
    def digest(self) -> str:
        """The digest of the feature set that its rows were measured by."""
        return str(self.record["digest"])

    @property
    def faces(self) -> str:
        """The framing of the faces that its rows are of, or `off` where they are of whole images."""
        return str(self.record.get("faces", "off"))

    def lend(self, feature_set: FeatureSet, keys: Sequence[Key]) -> tuple[Values, FeatureSet, Columns]:
        """Give another feature set what it shares with this shard.

        Parameters
        ----------
        feature_set : FeatureSet
            The set to fill.
        keys : sequence of Key
            Rows of this shard.

        Returns
        -------
        (len(keys), len(feature_set.names)) float32 array
            The values of the blocks whose digests agree; zero elsewhere.
        FeatureSet
            The blocks that are left to measure.
        (len(that.names),) intp array
            The columns where their values belong.
        """
        held = {entry["digest"] for entry in self.record["blocks"]}
        todo = FeatureSet(feature_set.profile, tuple(spec for spec in feature_set.blocks if spec.digest not in held))
        names, lacking = np.array(feature_set.names), set(todo.names)
        lacks = np.array([name in lacking for name in feature_set.names])
        rows = {key: row for row, key in enumerate(self.keys)}
        values = np.zeros((len(keys), len(names)), np.float32)
        values[:, ~lacks] = read_floats(self.path, names[~lacks].tolist())[[rows[key] for key in keys]]
        return values, todo, np.flatnonzero(lacks)


class FeatureStore:
    """A folder of feature vectors, read by training and filled by `pipelines.extract`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Name the folder; nothing is read or written yet."""
        self.root = locate(root)

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.root)!r})"

    @cached_property
    def feature_set(self) -> FeatureSet:
        """What the store holds.

        Raises
        ------
        StoreError
            Where the store is absent, empty, damaged, or in the middle of a change of feature set.
        FeatureMismatchError, UnknownNameError
            Where this version measures a block otherwise, or not at all.
        """
        return FeatureSet.from_json(self._live_shards()[0].record)

    @property
    def faces(self) -> str:
        """As `Shard.faces`, of the whole store; raises StoreError as `feature_set` does."""
        return self._live_shards()[0].faces

    @property
    def has_manifest(self) -> bool:
        """Whether a run has begun to fill the store."""
        return self._manifest.is_file()

    @property
    def _manifest(self) -> Place:
        return self.root / "manifest.parquet"

    def manifest(self) -> "pd.DataFrame":
        """Read the manifest, one row an image of the data set, with the columns of `MANIFEST_COLUMNS`."""
        if not self.has_manifest:
            raise StoreError(self._advice)
        frame: pd.DataFrame = read_columns(self._manifest, MANIFEST_COLUMNS).to_pandas()
        return frame

    def load(self, names: Sequence[str] | None = None) -> Features:
        """Read all rows that hold some features, sorted by key, each key once.

        Parameters
        ----------
        names : sequence of str, optional
            The features to read, in this order; all by default.

        Raises
        ------
        StoreError
            As `feature_set`.
        UnknownNameError
            Where a name is no feature of this store.
        """
        shards = self._live_shards()
        known = FeatureSet.from_json(shards[0].record).names
        names = known if names is None else tuple(names)
        for name in set(names) - set(known):
            raise UnknownNameError("feature", name, known)
        if not set(names) <= set(forensic(self.feature_set).names):
            shards = [shard for shard in shards if shard.digest == self.feature_set.digest]
        order = {key: row for row, key in enumerate(sorted({key for shard in shards for key in shard.keys}))}
        values = np.empty((len(order), len(names)), np.float32)
        for shard in shards:
            values[[order[key] for key in shard.keys]] = read_floats(shard.path, names)
        return Features([key[0] for key in order], [key[1] for key in order], values, names)

    def shards(self) -> list[Shard]:
        """Open every shard, stale ones too, sorted by file name."""
        paths = list_files(self.root / "shards")
        return [Shard.open(path) for path in paths if path.suffix in (_LIVE, _STALE)]

    def prepare(self) -> None:
        """Make the folder where it is missing, and remove what a killed run left half written.

        Raises
        ------
        OutputError
            Where it cannot be made.
        StoreError
            Where it holds something else.
        """
        shards = self.root / "shards"
        if not shards.is_dir() and list_files(self.root):
            raise StoreError(f"{self.root} is not empty and no feature store; choose another folder")
        try:
            if isinstance(shards, Remote):  # a folder is what has something in it, and nothing is ever half written
                (shards / _KEEP).write_bytes(b"")
                return
            shards.mkdir(parents=True, exist_ok=True)
            for path in shards.parent.rglob("*" + TEMPORARY):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {self.root}: {reason_of(error)}") from error

    @contextmanager
    def probe(self) -> Iterator[Place]:
        """Lay a file of unique content into the folder for a while: who reads the same there, sees the same folder."""
        path = self.root / f"probe.{os.getpid()}{TEMPORARY}"
        try:
            path.write_bytes(os.urandom(16))
        except OSError as error:
            raise OutputError(f"cannot write {self.root}: {reason_of(error)}") from error
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def write_shard(self, feature_set: FeatureSet, keys: Sequence[Key], values: Values, faces: str = "off") -> Place:
        """Write rows as one shard, named by the feature set and the keys.

        Parameters
        ----------
        feature_set : FeatureSet
            What was measured.
        keys : sequence of Key
            One a row.
        values : (len(keys), len(feature_set.names)) float32 array
            One vector a row.
        faces : str
            The framing of the faces that were measured, or `off`.

        Raises
        ------
        OutputError
            Where the shard cannot be written.
        """
        name = hashlib.sha256(json.dumps([feature_set.digest, keys]).encode()).hexdigest()[:16]
        path = self.root / "shards" / (name + _LIVE)
        write_table(path, _shard_table(feature_set, keys, values, faces), use_byte_stream_split=list(feature_set.names))
        return path

    def write_manifest(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Replace the manifest by the columns of `MANIFEST_COLUMNS`; raise OutputError where it cannot be written."""
        table = pa.table({name: _plain(columns[name]) for name in MANIFEST_COLUMNS})
        write_table(self._manifest, table)

    def tidy(self, feature_set: FeatureSet) -> None:
        """Keep the rows of one feature set and of its forensic part live, and set aside what is left of others.

        A shard whose keys are all held by larger live shards is deleted; one of another feature set that still has
        rows of its own becomes stale. Raises OutputError where the folder cannot be changed.
        """
        try:
            self._tidy((feature_set.digest, forensic(feature_set).digest))
        except OSError as error:
            raise OutputError(f"cannot write {self.root}: {reason_of(error)}") from error

    def _tidy(self, digests: tuple[str, ...]) -> None:
        held: set[Key] = set()
        ranks = {digest: rank for rank, digest in reversed(list(enumerate(digests)))}
        for shard in sorted(self.shards(), key=lambda shard: (ranks.get(shard.digest, len(ranks)), -len(shard.keys))):
            if held.issuperset(shard.keys):
                shard.path.unlink()
            elif shard.digest in ranks:
                held.update(shard.keys)
                rename(shard.path, _LIVE)
            else:
                rename(shard.path, _STALE)

    def _live_shards(self) -> list[Shard]:
        """Open the shards that count, those of the whole feature set first; there is at least one."""
        if not (shards := [shard for shard in self.shards() if shard.path.suffix == _LIVE]):
            raise StoreError(self._advice)
        shards.sort(key=lambda shard: -len(shard.record["blocks"]))
        others = {shard.digest for shard in shards} - {shards[0].digest}
        if others and others != {forensic(FeatureSet.from_json(shards[0].record)).digest}:
            raise StoreError(f"{self.root} holds rows of two feature sets: extract was interrupted, run it again")
        if len(ways := {shard.faces for shard in shards}) > 1:
            raise StoreError(f"{self.root} mixes rows of faces {' and '.join(sorted(ways))}; extract to another folder")
        return shards

    @property
    def _advice(self) -> str:
        return f"no features in {self.root}; measure them with: python cli.py extract DATASET --out {self.root}"


def _shard_table(feature_set: FeatureSet, keys: Sequence[Key], values: Values, faces: str) -> pa.Table:
    """Lay rows out as a table; the float columns are views of one transposed copy."""
    columns = np.ascontiguousarray(values.T)
    texts = [[key[i] for key in keys] for i in range(len(_KEY_COLUMNS))]
    arrays = [pa.array(column, pa.string()) for column in texts]
    arrays += [pa.Array.from_buffers(pa.float32(), len(keys), [None, pa.py_buffer(column)]) for column in columns]
    sums = [*map(of_texts, texts), *map(of_values, feature_set.names, columns)]
    fields = [
        pa.field(name, array.type, nullable=False, metadata={KEY: sum_})
        for name, array, sum_ in zip((*_KEY_COLUMNS, *feature_set.names), arrays, sums, strict=True)
    ]
    record = json.dumps(feature_set.to_json() | {"faces": faces}, sort_keys=True).encode()
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={_METADATA: record, KEY: of_bytes(record)}))


def _plain(values: Sequence[object]) -> list[object]:
    """Make text valid UTF-8; stray bytes of a file name are written as escapes."""
    return [
        value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for value in values
    ]
