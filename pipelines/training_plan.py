"""Where the trees of a detector grow: on values in memory, on values in their store, or on a cluster.

Memory is estimated first, from rows and features, and stands beside what there is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from features.rows import Rows, open_rows
from features.store import FeatureStore
from models.booster import SAMPLE_BYTES, Grow, fit
from pipelines.engine_choice import Setup, open_engine
from pipelines.engine_dask import Cluster
from pipelines.train_dask import Together

__all__ = ["Opened", "Plan", "Way", "available", "choose_way"]

_GIGABYTE: Final = 1e9
_IN_MEMORY: Final = 9  # bytes a value: all rows and those of each part as float32, and the bins
_STORED: Final = 1  # bytes a value: the bins
_OF_A_ROW: Final = 220  # bytes: its key, group and label, its gradient and score
_FIXED: Final = 1_000_000_000  # bytes: libraries, what is read at once
_CGROUP: Final = Path("/sys/fs/cgroup")
_MEMINFO: Final = Path("/proc/meminfo")


@dataclass(frozen=True)
class Plan:
    """How much memory a training takes.

    Attributes
    ----------
    rows, features : int
        Of the store.
    limit : float
        Bytes that it may take; infinite where nothing is known.
    """

    rows: int
    features: int
    limit: float

    @classmethod
    def of(cls, rows: Rows, limit: float | None = None) -> "Plan":
        """Plan for a store; within what is available unless told."""
        return cls(len(rows), len(rows.names), available() if limit is None else limit)

    @property
    def in_memory(self) -> int:
        """Bytes where values are held as float32."""
        return self.rows * (self.features * _IN_MEMORY + _OF_A_ROW) + _FIXED

    @property
    def stored(self) -> int:
        """Bytes where values stay in the store and bins are held."""
        return self.rows * (self.features * _STORED + _OF_A_ROW) + _FIXED + 2 * SAMPLE_BYTES

    @property
    def fits(self) -> bool:
        """Whether values may be held in memory."""
        return self.in_memory <= self.limit

    def tell(self, stored: bool) -> str:
        """Say it in a sentence, and what was chosen."""
        known = "" if self.limit == float("inf") else f", where {_show(self.limit)} may be used"
        chosen = f"values stay in the store: about {_show(self.stored)}" if stored else "values are held in memory"
        needed = f"about {_show(self.in_memory)} in memory{known}"
        return f"{self.rows:,} rows of {self.features:,} features: {needed}; {chosen}"


@dataclass(frozen=True)
class Opened:
    """What fits boosters, and how it divides rows.

    Attributes
    ----------
    grow : callable
        As `models.booster.fit`.
    engine : str
        `local` or `dask`.
    shares : callable
        Gives, for a number of rows, the range that each worker fits; None where values are in memory.
    """

    grow: Grow
    engine: str = "local"
    shares: Callable[[int], list[slice]] | None = None

    def record(self, rows: int) -> dict[str, Any]:
        """Say, for a fit on that many rows, who fitted; nothing where it was done in memory."""
        if self.shares is None:
            return {}
        shares = [len(range(rows)[share]) for share in self.shares(rows)]
        return {"engine": {"name": self.engine, "workers": len(shares), "rows": shares}}


@dataclass(frozen=True)
class Way:
    """Where the trees grow, and whether values stay in the store."""

    engine: Setup
    stored: bool

    @contextmanager
    def open(self, threads: int = 0) -> Iterator[Opened]:
        """Make ready what fits boosters; `threads` are the workers where a cluster is started here.

        Raises
        ------
        MissingExtraError, WorkerError
            As `open_engine` raises them.
        """
        with open_engine(self.engine, threads or None) as opened:
            if isinstance(opened, Cluster):
                together = Together(opened)
                yield Opened(together, "dask", together.shares)
            else:
                yield Opened(fit, shares=(lambda rows: [slice(rows)]) if self.stored else None)


def choose_way(
    store: FeatureStore, engine: Setup, memory: float | None = None, say: Callable[[str], None] | None = None
) -> Way:
    """Choose where the trees grow: on a cluster if that is asked for, else in memory if the values fit.

    Parameters
    ----------
    store : FeatureStore
        The store.
    engine : Setup
        What is asked for.
    memory : float, optional
        Bytes that the training may take; what is available unless given.
    say : callable, optional
        Takes the estimate as a sentence.

    Raises
    ------
    StoreError, FeatureMismatchError
        As `open_rows` raises them.
    """
    plan = Plan.of(open_rows(store), memory)
    stored = engine.engine != "local" or not plan.fits
    if say:
        say(plan.tell(stored))
    return Way(engine, stored)


def _show(size: float) -> str:
    return f"{size / _GIGABYTE:.1f} GB"


def available() -> float:
    """Bytes of memory that may be taken, by the machine and by the control group (Linux); infinity if unknown."""
    found = [_of_machine(), _of_group()]
    return min((size for size in found if size is not None), default=float("inf"))


def _of_machine() -> float | None:
    lines = _MEMINFO.read_text().splitlines() if _MEMINFO.is_file() else []
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return float(sizes[0]) * 1024 if sizes else None


def _of_group() -> float | None:
    files = (_CGROUP / name for name in ("memory.max", "memory/memory.limit_in_bytes"))  # of version 2, and 1
    texts = [path.read_text().strip() for path in files if path.is_file()]
    return float(texts[0]) if texts and texts[0].isdigit() else None
