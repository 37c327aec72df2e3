"""A large store of made-up values: what it costs to open it and to read a part of it, in small shards and in large."""

import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar

from benchmarks.record import judge, scratch, spread
from benchmarks.synthetic import fill
from features.rows import Rows, open_rows
from features.store import FeatureStore
from pipelines.compact import compact

__all__ = ["COLUMNS", "LONGEST", "store"]

COLUMNS: Final = 300
"""The least number of columns."""

LONGEST: Final = 1.0
"""Seconds that a compacted store takes to open at most."""

_SMALL: Final = 1000  # rows of a shard that extract writes
_SOME: Final = 10  # columns that are read of all
_REPEATS: Final = 5

R = TypeVar("R")


def store(size: int) -> dict[str, Any]:
    """Fill, open, read, compact, open and read again; JSON values, times in seconds, files in the system's memory."""
    with scratch() as folder:
        root = folder / "store"
        (made, filling) = _timed(lambda: fill(str(root), size, COLUMNS, shard=_SMALL, manifest=False))
        small = _measure(root)
        (summary, compacting) = _timed(lambda: compact(str(root)))
        large = _measure(root)
        columns, total = len(made.feature_set.names), _bytes(root)
    same = small.pop("sum") == large.pop("sum")
    opened = judge(large.pop("open"), at_most=LONGEST)
    small["open"] = spread(small["open"])
    return {
        "rows": size,
        "columns": columns,
        "bytes": total,
        "seconds_to_fill": filling,
        "seconds_to_compact": compacting,
        "shards": {"small": summary.shards_before, "large": summary.shards_after},
        "small": small,
        "large": {"open": opened, **large},
        "same": same,
    }


def _measure(root: Path) -> dict[str, Any]:
    """Open the store several times, then read a few columns of all rows, and of a thousand rows in the middle."""
    opening = [_timed(lambda: open_rows(FeatureStore(root)))[1] for _ in range(_REPEATS)]
    names = open_rows(FeatureStore(root)).names
    some = open_rows(FeatureStore(root), names[:: max(1, len(names) // _SOME)][:_SOME])
    middle = len(some) // 2
    stop = min(middle + _SMALL, len(some))
    return {
        "open": opening,
        "open_bytes": _read_by(lambda: open_rows(FeatureStore(root)))[1],
        "columns": _cost(some, 0, len(some)),
        "rows": _cost(some, middle, stop),
        "sum": float(some.read(0, len(some)).sum(dtype="float64")),
    }


def _cost(rows: Rows, start: int, stop: int) -> dict[str, float]:
    (_, seconds) = _timed(lambda: rows.read(start, stop))
    return {
        "rows": stop - start,
        "columns": len(rows.names),
        "seconds": seconds,
        "bytes": _read_by(lambda: rows.read(start, stop))[1],
    }


def _timed(run: Callable[[], R]) -> tuple[R, float]:
    started = perf_counter()
    result = run()
    return result, perf_counter() - started


def _read_by(run: Callable[[], R]) -> tuple[R, int]:
    """Run, and count the bytes that this process asked files for (Linux)."""
    before = _asked_for()
    result = run()
    return result, _asked_for() - before


def _asked_for() -> int:
    return int(Path(f"/proc/{os.getpid()}/io").read_text().split()[1])


def _bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.parquet"))
