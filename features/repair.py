"""Finds the shards of a store that are cut short or altered, and sets them aside: their rows are measured anew."""

from typing import Final

from features.errors import OutputError, StoreError, reason_of
from features.parquet import read_floats, read_names
from features.storage import Place, list_files, rename
from features.store import FeatureStore, Shard

__all__ = ["DAMAGED", "set_aside"]

DAMAGED: Final = ".damaged"
"""How the name of a shard ends that was set aside."""

_SHARDS: Final = (".parquet", ".stale")
_KEYS: Final = 2  # columns that are no features


def set_aside(store: FeatureStore) -> list[Place]:
    """Read every value of every shard, and rename those whose content is not what was written.

    Returns
    -------
    list of Path or Remote
        What was set aside, by its new name.

    Raises
    ------
    StoreError
        A shard cannot be read at all: that is the disk's or the network's fault, not the shard's.
    OutputError
        A shard cannot be renamed.
    """
    paths = [path for path in list_files(store.root / "shards") if path.suffix in _SHARDS]
    return [_rename(path) for path in paths if not _is_whole(path)]


def _is_whole(path: Place) -> bool:
    try:
        Shard.open(path)
        read_floats(path, read_names(path)[_KEYS:])
    except StoreError:
        _require_readable(path)
        return False
    return True


def _require_readable(path: Place) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {reason_of(error)}") from error


def _rename(path: Place) -> Place:
    try:
        return rename(path, DAMAGED)
    except OSError as error:
        raise OutputError(f"cannot write {path.parent}: {reason_of(error)}") from error
