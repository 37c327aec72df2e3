"""Values that stay in a feature store: chosen rows of it, read by ranges where a fit or a score needs them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import DatasetError
from features.rows import Rows

__all__ = ["Batches", "Stored", "Values", "in_ranges", "leading", "require_finite"]

Values = npt.NDArray[np.float32]
"""Features in memory, a row each."""

Numbers = npt.NDArray[np.floating[Any]]

_BYTES: Final = 1 << 26  # of the store's rows that are read at once


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows of a store, not read yet.

    Attributes
    ----------
    rows : Rows
        The rows of the store.
    places : (n,) int64 array
        The numbers of the chosen rows, ascending.
    """

    rows: Rows
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: npt.NDArray[Any] | slice) -> "Stored":
        """Choose among the rows: by a mask, a range, or ascending positions."""
        return replace(self, places=self.places[chosen])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.places), len(self.rows.names)

    @property
    def at_once(self) -> int:
        """How many rows of the store are read at once."""
        return max(1, _BYTES // (4 * len(self.rows.names)))

    def read(self, start: int = 0, stop: int | None = None) -> Values:
        """Read the chosen rows from `start` up to `stop`: (stop - start, d) float32, C order; as `Rows.read` raises."""
        places = self.places[start:stop]
        values = np.empty((len(places), self.shape[1]), np.float32)
        for first, last in self._cut(places):
            low, high = int(places[first]), int(places[last - 1]) + 1
            found = self.rows.read(low, high)
            values[first:last] = found if high - low == last - first else found[places[first:last] - low]
        return values

    def ranges(self) -> Iterator[Values]:
        """Read the chosen rows in order, some at a time."""
        for first, last in self._cut(self.places):
            yield self.read(first, last)

    def _cut(self, places: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Divide ascending numbers so that those of one part lie close together in the store."""
        if len(places):
            lows = np.arange(places[0], places[-1] + 1, self.at_once)
            ends = np.unique([*np.searchsorted(places, lows), len(places)]).tolist()
            yield from pairwise(ends)


class Batches:
    """Stored rows as LightGBM takes them (`lightgbm.Sequence`): a slice of rows, or one row of its sample for bins."""

    def __init__(self, values: Stored) -> None:
        """Take rows; nothing is read yet."""
        self.values, self.batch_size = values, values.at_once
        self._first, self._held = 0, np.empty((0, values.shape[1]), np.float32)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int | slice) -> npt.NDArray[Any]:
        """Read a slice, (n, d) float32, or one row, (d,) float64; one row after another is read as a slice."""
        if isinstance(index, slice):
            values = self.values.read(index.start, index.stop)
            require_finite(values, self.values.rows.names, index.start)
            return values
        if not 0 <= index - self._first < len(self._held):
            self._first, self._held = index, self.values.read(index, index + self._ahead(index))
        row: npt.NDArray[np.float64] = self._held[index - self._first].astype(np.float64)
        return row

    def _ahead(self, index: int) -> int:
        """Count the rows that are read together with one."""
        last = self.values.places[index] + self.batch_size
        return int(np.searchsorted(self.values.places, last)) - index


def require_finite(values: Values, names: Sequence[str], first: int = 0) -> None:
    """Raise DatasetError where a value is not finite; `first` is the number of the first row."""
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DatasetError(f"feature {names[column]} is not finite in row {first + row}; extract the features anew")


def in_ranges(function: Callable[[Values], Numbers], values: Values | Stored) -> Numbers:
    """Apply what gives a number or more for each row: at once to values in memory, else range by range."""
    if not isinstance(values, Stored):
        return function(values)
    found = [function(some) for some in values.ranges()]
    return np.concatenate(found) if found else function(values.read())


def leading(values: Values | Stored, width: int) -> Values | Stored:
    """Keep the first features only."""
    if isinstance(values, Stored):
        return replace(values, rows=replace(values.rows, names=values.rows.names[:width]))
    return np.ascontiguousarray(values[:, :width])
