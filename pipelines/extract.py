"""Measures every image of a data set once and keeps the vectors in a feature store.

All inputs are hashed, and only those whose bytes the store does not know are measured, in jobs whose shards the
workers write themselves; so a run that was killed goes on where it was, and memory does not grow with the set. The
network measures no image that it may have learnt from.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, Final

from features.device import choose_device
from features.embedding import network_of
from features.errors import BundleError, StoreError, UnknownNameError
from features.framing import FRAMING
from features.lock import hold
from features.profiles import PROFILES, feature_set, forensic
from features.repair import set_aside
from features.spec import BlockSpec, FeatureSet, blocks
from features.storage import absolute
from features.store import FeatureStore, Key, Shard
from features.variants import check_variant
from models.bundle import resolve
from models.weights import Weights
from pipelines.dataset import Sample, held_back
from pipelines.engine_choice import LOCAL, Engine, Setup, open_engine
from pipelines.engine_faults import Work
from pipelines.hashing import Hashed, hash_all
from pipelines.measure import LEAST_ROWS, Job, anywhere, blame, divide, halve, measure, open_own_network

__all__ = ["Summary", "extract", "failures"]

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
    engine: Setup = LOCAL,
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
    engine : Setup
        Where images are hashed and measured.
    progress : callable, optional
        Called with the number of rows that are finished and that there are.
    say : callable, optional
        Takes sentences: which device `auto` took, which shard was damaged.

    Raises
    ------
    UnknownNameError
        An unknown profile, variant, device or way to find faces.
    BundleError
        `network` is none, or the profile needs one and none ships.
    DeviceError, MissingExtraError
        `cuda` without a GPU; no torch, where the network computes there or comes from a training.
    StoreError, OutputError
        Where `out` is something else, holds what was measured with other `faces`, or is being filled by another run;
        where it cannot be written (what was measured so far stays).
    WorkerError, FeatureMismatchError
        No worker of a cluster is left, or one does not see the files or measures otherwise.
    """
    started = time.monotonic()
    _check(variants, faces)
    weights = _weights(profile, network)
    framing, store = _RECORDED[faces], FeatureStore(out)
    with _prepared(store, say), open_engine(engine, workers) as opened:
        shards = store.shards()
        _require_same(shards, framing, out)
        hashes = hash_all([sample.path for sample in samples], opened)
        target = _target(feature_set(profile, weights.params if weights else None), shards)
        _prepare_network(store, target, weights, device, say)
        missing, known = _missing(samples, hashes, shards, target, variants)
        if not store.has_manifest:
            _write_manifest(store, samples, hashes, {})
        whole = Job(store.root, target, framing, device)
        errors = _measure_all(whole, missing, shards, opened, known, progress)
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


@contextmanager
def _prepared(store: FeatureStore, say: Callable[[str], None] | None) -> Iterator[None]:
    """Have a store to oneself, without what a killed run left half written and what was damaged since."""
    with hold(store.root):
        store.prepare()
        for path in set_aside(store):
            if say:
                say(f"{path}: was damaged; its rows are measured again")
        yield


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


def _missing(
    samples: Sequence[Sample],
    hashes: Sequence[Hashed],
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


def _measure_all(
    whole: Job,
    missing: Sequence[tuple[FeatureSet, Mapping[Key, str]]],
    shards: Sequence[Shard],
    engine: Engine,
    cached: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, str]:
    """Measure what is missing; returns the errors by sha256."""
    errors: dict[str, str] = {}
    total = sum(len(rows) for _, rows in missing)
    report, finished = progress or (lambda done, total: None), cached
    report(finished, cached + total)
    with ExitStack() as stack:
        needs = (absolute(stack.enter_context(FeatureStore(whole.store).probe())),) if engine.shared else ()
        jobs: Iterator[Job] = chain.from_iterable(
            divide(replace(whole, features=part), rows, shards, engine.workers) for part, rows in missing
        )
        work = Work(measure, halve, blame, needs)
        jobs = map(anywhere, jobs) if engine.shared else jobs
        for outcome in engine.map(work, jobs, at_most=None if total > LEAST_ROWS else 1):
            errors.update(outcome.errors)
            finished += outcome.images
            report(finished, cached + total)
    return errors


def _write_manifest(
    store: FeatureStore, samples: Sequence[Sample], hashes: Sequence[Hashed], errors: Mapping[str, str]
) -> int:
    """Write one row a sample; returns how many carry an error."""
    rows = [hashed.error or errors.get(hashed.sha256, "") for hashed in hashes]
    columns: dict[str, list[object]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in ("path", "label", "group", "kind", "source", "split")
    }
    store.write_manifest({**columns, "sha256": [hashed.sha256 for hashed in hashes], "error": rows})
    return sum(map(bool, rows))
