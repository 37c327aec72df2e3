"""Makes few large shards of many small ones.

A large shard is written, read back and compared before the small ones go, and rows that are held twice meanwhile count
once. So a run may be killed at any moment: no row is lost, none counts double, and the next run finishes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from features.catalogue import write_catalogue
from features.errors import OutputError, StoreError, reason_of
from features.lock import hold
from features.parquet import read_floats
from features.profiles import forensic
from features.spec import FeatureSet, Values
from features.store import FeatureStore, Key, Shard

__all__ = ["ROWS", "Summary", "compact"]

ROWS: Final = 20_000
"""The most rows of a large shard unless told; of 1,900 columns they take 150 MB in memory."""


@dataclass(frozen=True)
class Summary:
    """What a run of `compact` did: the rows of the store, and its shards before and after."""

    rows: int
    shards_before: int
    shards_after: int

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def compact(out: str, *, rows: int = ROWS, progress: Callable[[int, int], None] | None = None) -> Summary:
    """Make few large shards of many small ones, and a catalogue of them; go on where a run was stopped.

    Parameters
    ----------
    out : str
        The folder of the store.
    rows : int
        The most rows that small shards are gathered to; larger shards stay as they are.
    progress : callable, optional
        Called with the number of shards that are gathered and that are to be.

    Raises
    ------
    StoreError
        The store is absent, empty, damaged, held by another run, or in the middle of a change of feature set.
    OutputError
        It cannot be written.
    """
    store = FeatureStore(out)
    features = store.feature_set
    with hold(store.root):
        before = len(_live(store))
        store.prepare()
        store.tidy(features)
        _gather_all(store, features, rows, progress or (lambda done, total: None))
        entries = write_catalogue(store).entries
    return Summary(sum(entry.rows for entry in entries), before, len(entries))


def _live(store: FeatureStore) -> list[Shard]:
    return [shard for shard in store.shards() if shard.path.suffix == ".parquet"]


def _gather_all(store: FeatureStore, whole: FeatureSet, rows: int, report: Callable[[int, int], None]) -> None:
    """Gather the shards of the whole feature set, then those of its forensic part."""
    live, parts = _live(store), {part.digest: part for part in (whole, forensic(whole))}
    own = {digest: [shard for shard in live if shard.digest == digest] for digest in parts}
    plan = {digest: _groups(shards, rows) for digest, shards in own.items()}
    moved = {shard.path for groups in plan.values() for group in groups for shard in group}
    held: set[Key] = set()
    done = 0
    report(done, len(moved))
    for digest, part in parts.items():  # the whole set first: its rows say more
        held.update(key for shard in own[digest] if shard.path not in moved for key in shard.keys)
        for group in plan[digest]:
            _gather(store, part, group, held)
            done += len(group)
            report(done, len(moved))


def _groups(shards: Sequence[Shard], rows: int) -> list[list[Shard]]:
    """Put shards into groups of at most `rows` rows, the smallest first, so that no two groups would fit together."""
    groups: list[list[Shard]] = []
    room = 0
    for shard in sorted(shards, key=lambda shard: (len(shard.keys), shard.path.name)):
        if len(shard.keys) > room:
            groups.append([])
            room = rows
        groups[-1].append(shard)
        room -= len(shard.keys)
    return [group for group in groups if len(group) > 1]


def _gather(store: FeatureStore, features: FeatureSet, group: Sequence[Shard], held: set[Key]) -> None:
    """Write the rows of a group that nothing else holds as one shard, then remove the group."""
    keys: list[Key] = []
    values = np.empty((sum(len(shard.keys) for shard in group), len(features.names)), np.float32)
    for shard in group:
        fresh = [row for row, key in enumerate(shard.keys) if key not in held]
        values[len(keys) : len(keys) + len(fresh)] = read_floats(shard.path, features.names)[fresh]
        keys += [shard.keys[row] for row in fresh]
        held.update(shard.keys)
    written = store.write_shard(features, keys, values[: len(keys)], group[0].faces) if keys else None
    old = [shard.path for shard in group if shard.path != written]
    if written is not None and not _reads_back(Shard.open(written), features, keys, values[: len(keys)]):
        if len(old) == len(group):
            written.unlink()
        raise StoreError(f"{written} does not read back as it was written; the disk may be failing")
    try:
        for path in old:
            path.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {store.root}: {reason_of(error)}") from error


def _reads_back(shard: Shard, features: FeatureSet, keys: Sequence[Key], values: Values) -> bool:
    found = read_floats(shard.path, features.names)
    return shard.keys == tuple(keys) and bool(np.array_equal(found.view(np.uint32), values.view(np.uint32)))
