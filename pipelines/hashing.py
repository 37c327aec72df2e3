"""Hashes the inputs of an extraction, wherever jobs run."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from features.errors import ImageError, WorkerError
from features.source import read_bytes
from features.storage import absolute
from pipelines.engine_choice import Engine
from pipelines.engine_faults import Work, halve
from pipelines.measure import SHARD_ROWS, cause_of

__all__ = ["Hashed", "hash_all"]

_LEAST: Final = 256  # inputs that are worth a job, where there are enough of them


class Hashed(NamedTuple):
    """The sha256 of an input, or why there is none."""

    sha256: str
    error: str


def hash_all(paths: Sequence[str], engine: Engine) -> list[Hashed]:
    """Hash every input, in order."""
    if engine.shared:
        paths = [absolute(path) for path in paths]
    size = min(SHARD_ROWS, max(_LEAST, len(paths) // (4 * engine.workers)))
    chunks = [paths[at : at + size] for at in range(0, len(paths), size)]
    work = Work(_hash, halve, _blame, tuple(paths[:1]))
    return [hashed for chunk in engine.map(work, chunks, ordered=True, at_most=len(chunks) or 1) for hashed in chunk]


def _hash(paths: Sequence[str]) -> list[Hashed]:
    return [_hash_one(path) for path in paths]


def _hash_one(path: str) -> Hashed:
    try:
        return Hashed(hashlib.sha256(read_bytes(path)).hexdigest(), "")
    except ImageError as error:
        return Hashed("", cause_of(error))


def _blame(paths: Sequence[str], reason: str) -> list[Hashed]:
    return [Hashed("", cause_of(WorkerError(reason))) for _ in paths]
