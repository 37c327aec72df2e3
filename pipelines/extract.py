"""Measures every image of a data set once and keeps the vectors in a feature store.

All inputs are hashed, and only those whose bytes the store does not know are measured, in jobs whose shards the
workers write themselves; so a run that was killed goes on where it was, and memory does not grow with the set.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from features.errors import ImageError, UnknownNameError, UnreadableFileError
from features.frame import Frame
from features.profiles import feature_set
from features.source import read_bytes
from features.spec import BlockSpec, FeatureSet, Values
from features.store import Columns, FeatureStore, Key, Shard
from features.variants import VARIANTS, vary
from pipelines.dataset import Sample
from pipelines.engine import cores, map_jobs

__all__ = ["SHARD_ROWS", "Summary", "extract", "failures"]

SHARD_ROWS: Final = 1000
"""The most rows of a shard."""

_LEAST_ROWS = 32
_HASHED_AT_ONCE = 256


@dataclass(frozen=True)
class Summary:
    """What a run of `extract` did.

    Attributes
    ----------
    total, done, cached, failed : int
        Images of the data set: all, measured by this run, found in the store, without a vector.
    seconds : float
        From the first hash to the manifest.
    profile : str
        The profile of the store's feature set.
    digest : str
        Its digest.
    """

    total: int
    done: int
    cached: int
    failed: int
    seconds: float
    profile: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


class _Hashed(NamedTuple):
    """The sha256 of an input, or why there is none."""

    sha256: str
    error: str


@dataclass(frozen=True)
class _Job:
    """Images that become one shard; `old` holds rows of another feature set for all of them."""

    store: Path
    features: FeatureSet
    images: tuple[tuple[str, Key], ...]  # path, key
    old: Path | None = None


@dataclass(frozen=True)
class _Outcome:
    """How many rows a job took, and why some failed, by sha256."""

    images: int
    errors: dict[str, str] = field(default_factory=dict)


def extract(
    samples: Sequence[Sample],
    out: str,
    *,
    profile: str = "fast",
    variants: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Measure the images of a data set once; go on where an earlier run was stopped.

    Parameters
    ----------
    samples : sequence of Sample
        The data set, as `read_dataset` gives it.
    out : str
        The folder of the store, made where it is missing.
    profile : str
        What to measure. A store that holds more keeps holding more.
    variants : sequence of str
        Names of `VARIANTS`, measured of the training images too, as rows of their own.
    workers : int, optional
        Processes; one a core by default.
    progress : callable, optional
        Called with the number of rows that are finished and that there are.

    Raises
    ------
    UnknownNameError
        An unknown profile or variant.
    StoreError, OutputError
        Where `out` is damaged or something else; where it cannot be written (what was measured so far stays).
    """
    started = time.monotonic()
    workers = workers or cores()
    for variant in set(variants) - set(VARIANTS):
        raise UnknownNameError("variant", variant, VARIANTS)
    store = FeatureStore(out)
    store.prepare()
    hashes = _hash_all([sample.path for sample in samples], workers)
    shards = store.shards()
    target = _target(feature_set(profile), shards)
    missing, known = _missing(samples, hashes, shards, target, variants)
    if not store.has_manifest:
        _write_manifest(store, samples, hashes, {})
    errors = _measure_all(_jobs(store, target, missing, shards, workers), workers, len(missing), known, progress)
    store.tidy(target.digest)
    failed = _write_manifest(store, samples, hashes, errors)
    done = sum((sha256, "") in missing and sha256 not in errors for sha256, _ in hashes)
    cached = len(samples) - done - failed
    seconds = round(time.monotonic() - started, 3)
    return Summary(len(samples), done, cached, failed, seconds, target.profile, target.digest)


def failures(out: str) -> Iterator[dict[str, str]]:
    """List the images of a store's manifest that could not be measured: `path` and `error`, in order."""
    manifest = FeatureStore(out).manifest()
    for path, error in zip(manifest["path"], manifest["error"], strict=True):
        if error:
            yield {"path": path, "error": error}


def _target(wanted: FeatureSet, shards: Sequence[Shard]) -> FeatureSet:
    """Choose the set to fill: the store's own, brought up to date, where it holds all that is wanted; else `wanted`."""
    needed = {spec.digest for spec in wanted.blocks}
    records = {shard.digest: shard.record for shard in shards}
    for record in (records[digest] for digest, _ in Counter(shard.digest for shard in shards).most_common()):
        try:
            own = tuple(BlockSpec.of(entry["name"], **entry["params"]) for entry in record["blocks"])
        except UnknownNameError:  # a block that is gone
            continue
        if needed <= {spec.digest for spec in own}:
            return FeatureSet(record["profile"], own)
    return wanted


def _hash_all(paths: Sequence[str], workers: int) -> list[_Hashed]:
    """Hash every input, in order."""
    chunks = [paths[at : at + _HASHED_AT_ONCE] for at in range(0, len(paths), _HASHED_AT_ONCE)]
    results = map_jobs(_hash, chunks, workers=min(workers, len(chunks)) or 1, ordered=True)
    return [hashed for chunk in results for hashed in chunk]


def _hash(paths: Sequence[str]) -> list[_Hashed]:
    return [_hash_one(path) for path in paths]


def _hash_one(path: str) -> _Hashed:
    try:
        return _Hashed(hashlib.sha256(read_bytes(path)).hexdigest(), "")
    except ImageError as error:
        return _Hashed("", _describe(error))


def _describe(error: ImageError) -> str:
    return f"{error.code}: {error}"


def _missing(
    samples: Sequence[Sample],
    hashes: Sequence[_Hashed],
    shards: Sequence[Shard],
    target: FeatureSet,
    variants: Sequence[str],
) -> tuple[dict[Key, str], int]:
    """Find what the store lacks: the key of each row to the first path of its image, and how many rows it has."""
    wanted: dict[Key, str] = {}
    for sample, hashed in zip(samples, hashes, strict=True):
        for variant in ("", *(variants if sample.split == "train" else ())) if hashed.sha256 else ():
            wanted.setdefault((hashed.sha256, variant), sample.path)
    present = {key for shard in shards if shard.digest == target.digest for key in shard.keys}
    missing = {key: path for key, path in wanted.items() if key not in present}
    return missing, len(wanted) - len(missing)


def _jobs(
    store: FeatureStore, target: FeatureSet, missing: Mapping[Key, str], shards: Sequence[Shard], workers: int
) -> Iterator[_Job]:
    """Divide what is missing: rows of other feature sets shard by shard, then what was never measured."""
    left = dict(missing)
    for shard in shards:
        if shard.digest != target.digest:
            known = [(left.pop(key), key) for key in shard.keys if key in left]
            if known:
                yield _Job(store.root, target, tuple(known), shard.path)
    rows = min(SHARD_ROWS, max(_LEAST_ROWS, -(-len(left) // (4 * workers))))
    images = ((path, key) for key, path in left.items())
    while chunk := tuple(islice(images, rows)):
        yield _Job(store.root, target, chunk)


def _measure_all(
    jobs: Iterator[_Job], workers: int, missing: int, cached: int, progress: Callable[[int, int], None] | None
) -> dict[str, str]:
    """Run the jobs; returns the errors by sha256."""
    errors: dict[str, str] = {}
    finished = cached
    report = progress or (lambda done, total: None)
    report(finished, cached + missing)
    for outcome in map_jobs(_measure, jobs, workers=workers if missing > _LEAST_ROWS else 1):
        errors.update(outcome.errors)
        finished += outcome.images
        report(finished, cached + missing)
    return errors


def _measure(job: _Job) -> _Outcome:
    """Measure the images of a job and write their shard."""
    values, todo, columns = _begin(job)
    errors: dict[str, str] = {}
    for row, (path, key) in enumerate(job.images if todo.blocks else ()):
        try:
            values[row, columns] = _vector(path, key, todo)
        except ImageError as error:
            errors[key[0]] = _describe(error)
        except Exception as error:  # a fault of a block, not of the image
            error.add_note(f"while measuring {path}")
            raise
    kept = [row for row, (_, (sha256, _)) in enumerate(job.images) if sha256 not in errors]
    if kept:
        FeatureStore(job.store).write_shard(job.features, [job.images[row][1] for row in kept], values[kept])
    return _Outcome(len(job.images), errors)


def _begin(job: _Job) -> tuple[Values, FeatureSet, slice | Columns]:
    """Make the rows of a job, filled with what an older shard lends; what is left to measure, and its columns."""
    if job.old is None:
        return np.empty((len(job.images), len(job.features.names)), np.float32), job.features, slice(None)
    return Shard.open(job.old).lend(job.features, [key for _, key in job.images])


def _vector(path: str, key: Key, features: FeatureSet) -> Values:
    sha256, variant = key
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UnreadableFileError("the file changed while it was read")
    return features.compute(vary(Frame.load(data), variant))


def _write_manifest(
    store: FeatureStore, samples: Sequence[Sample], hashes: Sequence[_Hashed], errors: Mapping[str, str]
) -> int:
    """Write one row a sample; returns how many carry an error."""
    rows = [hashed.error or errors.get(hashed.sha256, "") for hashed in hashes]
    columns: dict[str, list[object]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in ("path", "label", "group", "kind", "source", "split")
    }
    store.write_manifest({**columns, "sha256": [hashed.sha256 for hashed in hashes], "error": rows})
    return sum(map(bool, rows))
