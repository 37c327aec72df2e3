"""Measures every image of a data set once and keeps the vectors in a feature store.

All inputs are hashed, and only those whose bytes the store does not know are measured, in jobs whose shards the
workers write themselves; so a run that was killed goes on where it was, and memory does not grow with the set. The
network measures no image that it may have learnt from.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from features.device import choose_device
from features.embedding import network_of
from features.errors import BundleError, ImageError, StoreError, UnknownNameError
from features.framing import FRAMING
from features.profiles import PROFILES, feature_set, forensic
from features.source import read_bytes
from features.spec import BlockSpec, FeatureSet, blocks
from features.store import FeatureStore, Key, Shard
from features.variants import check_variant
from models.bundle import resolve
from models.weights import Weights
from pipelines.dataset import Sample, held_back
from pipelines.engine import cores, map_jobs
from pipelines.measure import Job, cause_of, measure, open_own_network

__all__ = ["SHARD_ROWS", "Summary", "extract", "failures"]

SHARD_ROWS: Final = 1000
"""The most rows of a shard."""

_LEAST_ROWS = 32
_HASHED_AT_ONCE = 256
_RECORDED: Final = {"off": "off", "auto": FRAMING}  # what a store says of how faces were found


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


def extract(
    samples: Sequence[Sample],
    out: str,
    *,
    profile: str = "fast",
    network: str | None = None,
    device: str = "cpu",
    faces: str = "off",
    variants: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
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
    network : str, optional
        The network of profile `full`: the folder of a training, a bundle that has one, or the name of one that ships;
        that of the detector `full` unless given. The store keeps a copy.
    device : str
        Where the network computes: `cpu`, `cuda` or `auto`.
    faces : str
        `off` measures every image whole, `auto` the largest face in it, brought to the one framing.
    variants : sequence of str
        Names of `VARIANTS`, measured of the training images too, as rows of their own.
    workers : int, optional
        Processes; one a core by default.
    progress : callable, optional
        Called with the number of rows that are finished and that there are.
    say : callable, optional
        Takes the sentence that tells which device `auto` took.

    Raises
    ------
    UnknownNameError
        An unknown profile, variant, device or way to find faces.
    BundleError
        `network` is none, or the profile needs one and none ships.
    DeviceError, MissingExtraError
        `cuda` without a GPU; no torch, where the network computes there or comes from a training.
    StoreError, OutputError
        Where `out` is damaged or something else, or holds what was measured with other `faces`; where it cannot be
        written (what was measured so far stays).
    """
    started = time.monotonic()
    workers = workers or cores()
    _check(variants, faces)
    weights = _weights(profile, network)
    framing, store = _RECORDED[faces], FeatureStore(out)
    store.prepare()
    shards = store.shards()
    _require_same(shards, framing, out)
    hashes = _hash_all([sample.path for sample in samples], workers)
    target = _target(feature_set(profile, weights.params if weights else None), shards)
    _prepare_network(store, target, weights, device, say)
    missing, known = _missing(samples, hashes, shards, target, variants)
    if not store.has_manifest:
        _write_manifest(store, samples, hashes, {})
    jobs = chain.from_iterable(
        _jobs(Job(store.root, part, framing, device), rows, shards, workers) for part, rows in missing
    )
    errors = _measure_all(jobs, workers, sum(len(rows) for _, rows in missing), known, progress)
    store.tidy(target)
    failed = _write_manifest(store, samples, hashes, errors)
    measured = set(chain.from_iterable(rows for _, rows in missing))
    done = sum((sha256, "") in measured and sha256 not in errors for sha256, _ in hashes)
    cached = len(samples) - done - failed
    seconds = round(time.monotonic() - started, 3)
    return Summary(len(samples), done, cached, failed, seconds, target.profile, target.digest)


def failures(out: str) -> Iterator[dict[str, str]]:
    """List the images of a store's manifest that could not be measured: `path` and `error`, in order."""
    manifest = FeatureStore(out).manifest()
    for path, error in zip(manifest["path"], manifest["error"], strict=True):
        if error:
            yield {"path": path, "error": error}


def _check(variants: Sequence[str], faces: str) -> None:
    for variant in variants:
        check_variant(variant)
    if faces not in _RECORDED:
        raise UnknownNameError("way to find faces", faces, _RECORDED)


def _weights(profile: str, network: str | None) -> Weights | None:
    """Read the network of a profile: the one that is named, else the one that ships."""
    known = blocks()
    if not any(known[name].batched for name in PROFILES.get(profile, ())):
        if network:
            raise BundleError(f"profile {profile} measures without a network; --network goes with --profile full")
        return None
    try:
        return Weights.read(resolve(network or "full"))
    except UnknownNameError as error:
        if network:
            raise
        raise BundleError(f"profile {profile} needs a network, and none ships; name one with --network") from error


def _prepare_network(
    store: FeatureStore,
    target: FeatureSet,
    weights: Weights | None,
    device: str,
    say: Callable[[str], None] | None,
) -> None:
    """Put the network beside what it measures, and see that it computes; a store's own may stay."""
    if (wanted := network_of(target)) is None:
        return
    if weights is not None and weights.sha256 == wanted:
        weights.write(store.root)
    open_own_network(store.root, wanted, device)
    if device == "auto":
        choose_device(device, say)


def _require_same(shards: Sequence[Shard], faces: str, out: str) -> None:
    for other in {shard.faces for shard in shards} - {faces}:
        raise StoreError(f"{out} holds {_subject(other)}, not {_subject(faces)}; choose another folder")


def _subject(faces: str) -> str:
    """Say in words what a store recorded."""
    return "whole images (--faces off)" if faces == "off" else f"faces cropped to {faces} (--faces auto)"


def _target(wanted: FeatureSet, shards: Sequence[Shard]) -> FeatureSet:
    """Choose the set to fill: the store's own, brought up to date, where it holds all that is wanted; else `wanted`."""
    needed = {spec.digest for spec in wanted.blocks}
    records = {shard.digest: shard.record for shard in shards}
    counts = Counter(shard.digest for shard in shards)
    for record in sorted(records.values(), key=lambda record: (-len(record["blocks"]), -counts[record["digest"]])):
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
        return _Hashed("", cause_of(error))


def _missing(
    samples: Sequence[Sample],
    hashes: Sequence[_Hashed],
    shards: Sequence[Shard],
    target: FeatureSet,
    variants: Sequence[str],
) -> tuple[list[tuple[FeatureSet, dict[Key, str]]], int]:
    """Find what the store lacks of the target and of its forensic part, and count the rows it has.

    Returns
    -------
    list of (FeatureSet, dict)
        What to measure, and the rows: the key of each to the first path of its image.
    int
        The rows that are there.
    """
    parts = [target, forensic(target)] if network_of(target) else [target]
    wanted: list[dict[Key, str]] = [{} for _ in parts]
    for sample, hashed in zip(samples, hashes, strict=True):
        learnt = sample.split == "train" and not held_back(sample.group)
        for variant in ("", *(variants if sample.split == "train" else ())) if hashed.sha256 else ():
            wanted[-1 if learnt else 0].setdefault((hashed.sha256, variant), sample.path)
    total = len(set(chain.from_iterable(wanted)))
    missing: list[tuple[FeatureSet, dict[Key, str]]] = []
    present: set[Key] = set()
    for features, rows in zip(parts, wanted, strict=True):
        present |= {key for shard in shards if shard.digest == features.digest for key in shard.keys}
        missing.append((features, {key: path for key, path in rows.items() if key not in present}))
        present |= rows.keys()
    return missing, total - sum(len(rows) for _, rows in missing)


def _jobs(whole: Job, missing: Mapping[Key, str], shards: Sequence[Shard], workers: int) -> Iterator[Job]:
    """Divide what is missing: rows of other feature sets shard by shard, then what was never measured."""
    left = dict(missing)
    for shard in shards:
        if shard.digest != whole.features.digest:
            known = [(left.pop(key), key) for key in shard.keys if key in left]
            if known:
                yield replace(whole, images=tuple(known), old=shard.path)
    rows = min(SHARD_ROWS, max(_LEAST_ROWS, -(-len(left) // (4 * workers))))
    images = ((path, key) for key, path in left.items())
    while chunk := tuple(islice(images, rows)):
        yield replace(whole, images=chunk)


def _measure_all(
    jobs: Iterator[Job], workers: int, missing: int, cached: int, progress: Callable[[int, int], None] | None
) -> dict[str, str]:
    """Run the jobs; returns the errors by sha256."""
    errors: dict[str, str] = {}
    finished = cached
    report = progress or (lambda done, total: None)
    report(finished, cached + missing)
    for outcome in map_jobs(measure, jobs, workers=workers if missing > _LEAST_ROWS else 1):
        errors.update(outcome.errors)
        finished += outcome.images
        report(finished, cached + missing)
    return errors


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
