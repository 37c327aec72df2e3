"""One job of an extraction, in the process that does it: images are measured, and written as one shard."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Final

import numpy as np

from features.embedding import network_of, open_network
from features.errors import ImageError, NoFaceError, StoreError, UnreadableFileError, WorkerError
from features.frame import Frame, load_pixels
from features.framing import frame_faces
from features.source import read_bytes
from features.spec import FeatureSet, Session, Values
from features.storage import Place, absolute, locate
from features.store import Columns, FeatureStore, Key, Shard
from features.variants import vary
from models.weights import Weights
from pipelines.score import NO_FACE

__all__ = [
    "LEAST_ROWS",
    "SHARD_ROWS",
    "Job",
    "Outcome",
    "anywhere",
    "blame",
    "cause_of",
    "divide",
    "halve",
    "measure",
    "open_own_network",
]

LEAST_ROWS: Final = 32
"""Rows that are not worth another process."""

SHARD_ROWS: Final = 1000
"""The most rows of a shard."""


@dataclass(frozen=True)
class Job:
    """Images that become one shard.

    Attributes
    ----------
    store : Path or Remote
        The store, which keeps the network too, where one is needed.
    features : FeatureSet
        What is measured.
    faces : str
        How faces are found, as the store records it.
    device : str
        Where the network computes.
    images : tuple of (path, key)
        The rows.
    old : Path or Remote
        A shard of another feature set that has rows for all of them.
    """

    store: Place
    features: FeatureSet
    faces: str
    device: str
    images: tuple[tuple[str, Key], ...] = ()
    old: Place | None = None


@dataclass(frozen=True)
class Outcome:
    """How many rows a job took, and why some images failed, by sha256."""

    images: int
    errors: dict[str, str] = field(default_factory=dict)


def cause_of(error: ImageError | WorkerError) -> str:
    """Say for a manifest why an image could not be measured."""
    return f"{error.code}: {error}"


def divide(whole: Job, missing: Mapping[Key, str], shards: Sequence[Shard], workers: int) -> Iterator[Job]:
    """Divide what is missing: rows of other feature sets shard by shard, then what was never measured.

    Shards become smaller towards the end, so that all workers are done at about the same time (guided self-scheduling:
    Polychronopoulos and Kuck 1987, doi:10.1109/TC.1987.5009495).
    """
    left = dict(missing)
    for shard in shards:
        if shard.digest != whole.features.digest:
            known = [(left.pop(key), key) for key in shard.keys if key in left]
            if known:
                yield replace(whole, images=tuple(known), old=shard.path)
    images, at = [(path, key) for key, path in left.items()], 0
    while at < len(images):
        rows = min(SHARD_ROWS, max(LEAST_ROWS, (len(images) - at) // (2 * workers)))
        yield replace(whole, images=tuple(images[at : at + rows]))
        at += rows


def anywhere(job: Job) -> Job:
    """Make the paths of a job absolute, so that it means the same on another machine."""
    images = tuple((absolute(path), key) for path, key in job.images)
    return replace(job, store=locate(absolute(job.store)), images=images, old=job.old and locate(absolute(job.old)))


def halve(job: Job) -> tuple[Job, ...]:
    """Divide a job in two; none of one image."""
    middle = len(job.images) // 2
    return tuple(replace(job, images=part) for part in (job.images[:middle], job.images[middle:])) if middle else ()


def blame(job: Job, reason: str) -> Outcome:
    """Say of a job of one image that there is no vector, and why."""
    ((_, (sha256, _)),) = job.images
    return Outcome(1, {sha256: cause_of(WorkerError(reason))})


@lru_cache(maxsize=1)
def open_own_network(root: Place, sha256: str, device: str) -> Session:
    """Open the network that a store keeps.

    Raises
    ------
    BundleError, StoreError
        It keeps none, or not the one of that sha256.
    DeviceError, MissingExtraError
        As `open_network` raises them.
    """
    weights = Weights.read(root)
    if weights.sha256 != sha256:
        raise StoreError(f"{root} keeps another network than it was measured with; name that one with --network")
    return open_network(weights.onnx, device)


def measure(job: Job) -> Outcome:
    """Measure the images of a job and write their shard."""
    values, todo, columns = _begin(job)
    errors: dict[str, str] = {}
    network = open_own_network(job.store, sha256, job.device) if (sha256 := network_of(todo)) else None
    rows = iter(range(len(job.images) if todo.blocks else 0))
    while batch := tuple(islice(rows, network.batch if network else 1)):
        try:
            frames = {row: frame for row in batch if (frame := _read(job, row, errors))}
            measured = todo.measure(list(frames.values()), network)
        except Exception as error:  # a fault of a block, not of the image
            error.add_note(f"while measuring {', '.join(job.images[row][0] for row in batch)}")
            raise
        for row, vector in zip(frames, measured, strict=True):
            values[row, columns] = vector
    kept = [row for row, (_, (sha256, _)) in enumerate(job.images) if sha256 not in errors]
    if kept:
        keys = [job.images[row][1] for row in kept]
        FeatureStore(job.store).write_shard(job.features, keys, values[kept], job.faces)
    return Outcome(len(job.images), errors)


def _begin(job: Job) -> tuple[Values, FeatureSet, slice | Columns]:
    """Make the rows of a job, filled with what an older shard lends; what is left to measure, and its columns."""
    if job.old is None:
        return np.empty((len(job.images), len(job.features.names)), np.float32), job.features, slice(None)
    return Shard.open(job.old).lend(job.features, [key for _, key in job.images])


def _read(job: Job, row: int, errors: dict[str, str]) -> Frame | None:
    """Read what is measured for a row of a job; where that fails, note why in `errors`."""
    path, (sha256, variant) = job.images[row]
    try:
        return vary(_frame(path, sha256, job.faces), variant, sha256)
    except ImageError as error:
        errors[sha256] = cause_of(error)
        return None


def _frame(path: str, sha256: str, faces: str) -> Frame:
    """Read an image and take what is measured of it: all of it, or its largest face."""
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UnreadableFileError("the file changed while it was read")
    pixels = load_pixels(data)
    if faces == "off":
        return Frame.of(pixels)
    found = frame_faces(pixels)
    if not found:
        raise NoFaceError(NO_FACE)
    return found[0].frame
