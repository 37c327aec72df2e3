"""The rows of a store in the order of its shards: chosen columns and ranges of rows, without reading the rest.

Unlike `FeatureStore.load`, nothing is sorted and nothing is held in memory but what was asked for.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue import read_catalogue
from features.errors import FeatureMismatchError, StoreError, UnknownNameError
from features.parquet import damaged, read_floats
from features.profiles import forensic
from features.spec import FeatureSet, Values
from features.storage import Place, Remote
from features.store import FeatureStore, Key

__all__ = ["Part", "Rows", "open_rows"]

_KEY_COLUMNS = ("sha256", "variant")


@dataclass(frozen=True)
class Part:
    """A shard, and how many rows it holds."""

    path: Place
    rows: int


@dataclass(frozen=True)
class Rows:
    """Rows of a store, numbered from 0.

    Attributes
    ----------
    names : tuple of str
        The features that are read, in this order.
    parts : tuple of Part
        The shards that hold all of them.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(part.rows for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self.parts else 0

    def read(self, start: int, stop: int) -> Values:
        """Read the values of the rows from `start` up to `stop`: (stop - start, len(names)) float32, C order.

        Only row groups that hold some of the rows are read, and of them only these columns. Checksums are of whole
        columns: they are compared where a shard is read whole.

        Raises
        ------
        IndexError
            There are no such rows.
        StoreError
            A shard is damaged.
        """
        pieces, at = self._cut(start, stop), 0
        values = np.empty((stop - start, len(self.names)), np.float32)
        for part, first, last in pieces:
            values[at : at + last - first] = _values(part, first, last, self.names)
            at += last - first
        return values

    def keys(self, start: int, stop: int) -> list[Key]:
        """Read the keys of the rows from `start` up to `stop`; raises as `read`."""
        found: list[Key] = []
        for part, first, last in self._cut(start, stop):
            table = _table(part.path, first, last, _KEY_COLUMNS)
            found += zip(*(table.column(name).to_pylist() for name in _KEY_COLUMNS), strict=True)
        return found

    def _cut(self, start: int, stop: int) -> Iterator[tuple[Part, int, int]]:
        """Give the shards of a range, each with its own first row and the one after its last."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"rows {start} to {stop} of {len(self)}")
        return self._pieces(start, stop)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[Part, int, int]]:
        index = bisect_right(self._ends, start)
        while start < stop:
            part, end = self.parts[index], min(stop, self._ends[index])
            offset = self._ends[index] - part.rows
            if end > start:
                yield part, start - offset, end - offset
            start, index = end, index + 1


def open_rows(store: FeatureStore, names: Sequence[str] | None = None) -> Rows:
    """Open a store for reading by rows; only a catalogue, or else the metadata of shards, is read.

    A row that two shards hold, as an interrupted run may leave it, comes twice; `compact` ends that.

    Parameters
    ----------
    store : FeatureStore
        The store.
    names : sequence of str, optional
        The features to read, in this order; all by default.

    Raises
    ------
    StoreError
        The store is absent, empty, damaged, or in the middle of a change of feature set.
    FeatureMismatchError
        This version measures otherwise.
    UnknownNameError
        A name is no feature of this store.
    """
    catalogue = read_catalogue(store)
    if not catalogue.entries:
        raise StoreError(f"{store.root} is no feature store, or empty; fill it with extract")
    used = {entry.digest for entry in catalogue.entries}
    whole = FeatureSet.from_json(
        max((catalogue.records[one] for one in used), key=lambda record: len(record["blocks"]))
    )
    if used - {whole.digest, forensic(whole).digest} or len({entry.faces for entry in catalogue.entries}) > 1:
        raise FeatureMismatchError(f"{store.root} holds rows of two feature sets; run extract again")
    chosen = whole.names if names is None else tuple(names)
    for name in set(chosen) - set(whole.names):
        raise UnknownNameError("feature", name, whole.names)
    digests = used if set(chosen) <= set(forensic(whole).names) else {whole.digest}
    shards = store.root / "shards"
    return Rows(
        chosen, tuple(Part(shards / entry.name, entry.rows) for entry in catalogue.entries if entry.digest in digests)
    )


def _values(part: Part, first: int, last: int, names: Sequence[str]) -> Values:
    if last - first == part.rows:
        return read_floats(part.path, names)
    table, values = _table(part.path, first, last, names), np.empty((last - first, len(names)), np.float32)
    try:
        for at, chunks in enumerate(table.columns):
            values[:, at] = chunks.combine_chunks().to_numpy()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise damaged(part.path, str(error)) from error
    return values


def _table(path: Place, first: int, last: int, names: Sequence[str]) -> pa.Table:
    """Read columns of the row groups that a range touches, and cut the range out."""
    try:
        with pq.ParquetFile(path.open() if isinstance(path, Remote) else path) as file:
            ends = list(accumulate(file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)))
            groups = range(bisect_right(ends, first), bisect_right(ends, last - 1) + 1)
            table = file.read_row_groups(list(groups), columns=list(names), use_threads=False).select(list(names))
    except (OSError, pa.ArrowException, IndexError, KeyError, ValueError) as error:
        raise damaged(path, str(error)) from error
    return table.slice(first - (ends[groups[0] - 1] if groups[0] else 0), last - first)
