"""Images for the network: which rows it may learn from, which come together in a batch, and how they are loaded."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.augment import augment
from features.decode import Pixels
from features.errors import DatasetError, ImageError
from features.frame import Frame
from features.source import read_bytes
from pipelines.dataset import HELD_BACK_PERCENT, LABELS, Sample, held_back
from pipelines.engine import map_jobs

__all__ = ["PARTS", "Picture", "Rows", "Sound", "draw_batches", "load_batches", "read_rows", "sound_images"]

PARTS: Final = ("train", "validation")
"""The parts of the split that a network's training looks at."""

_READ_AT_ONCE: Final = 64
_AHEAD: Final = 2  # batches that are loaded before they are asked for

Picture = tuple[str, tuple[int, ...] | None]
"""The path of an image, and the seed of its augmentation; None for the image as it is."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What a network is trained and judged on.

    Attributes
    ----------
    parts : mapping
        The images of each of PARTS, each once, by sha256 ascending; training groups that are held back are not there.
    digests : mapping
        The sha256 of each of these images, by its path.
    held_back : (int, int)
        Groups and images of the training part that are held back.
    left_out : mapping
        How many images cannot be used, by reason.
    """

    parts: Mapping[str, Sequence[Sample]]
    digests: Mapping[str, str]
    held_back: tuple[int, int]
    left_out: Mapping[str, int]

    @cached_property
    def digest(self) -> str:
        """Sha256 over the images, their labels, groups and parts."""
        rows = [(self.digests[s.path], s.label, s.group, s.split) for part in PARTS for s in self.parts[part]]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def sample(self, part: str, most: int | None = None) -> list[Sample]:
        """Choose equally many images of both classes, those of lowest sha256, at most `most` of each."""
        classes = [[sample for sample in self.parts[part] if sample.label == label] for label in (0, 1)]
        size = min(map(len, classes)) if most is None else min(most, *map(len, classes))
        return [sample for members in classes for sample in members[:size]]

    def to_json(self) -> dict[str, Any]:
        """Say what the rows are, with nothing that tells time or place."""
        sources = Counter(sample.source for part in PARTS for sample in self.parts[part])
        return {
            "data_digest": self.digest,
            "sources": dict(sorted(sources.items())),
            "rows": {
                part: {name: sum(s.label == label for s in self.parts[part]) for label, name in enumerate(LABELS)}
                for part in PARTS
            },
            "groups": {part: len({sample.group for sample in self.parts[part]}) for part in PARTS},
            "held_back": dict(
                zip(("percent", "groups", "rows"), (HELD_BACK_PERCENT, *self.held_back), strict=True),
            ),
            "left_out": dict(self.left_out),
        }


def read_rows(
    samples: Sequence[Sample], *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Rows:
    """Decode every image that the network would see once, so that nothing can fail in the middle of a training.

    Raises
    ------
    DatasetError
        Training or validation lacks a class.
    """
    held = [sample for sample in samples if sample.split == "train" and held_back(sample.group)]
    kept_back = set(held)
    wanted = [sample for sample in samples if sample.split in PARTS and sample not in kept_back]
    sound = sound_images(wanted, workers=workers, progress=progress)
    parts = {part: [sample for sample in sound.images if sample.split == part] for part in PARTS}
    _require_both_classes(parts)
    held_facts = len({sample.group for sample in held}), len(held)
    return Rows(parts, sound.digests, held_facts, sound.left_out)


class Sound(NamedTuple):
    """Images that decode, each once, by sha256 ascending; their sha256 by path; the number of others, by reason."""

    images: Sequence[Sample]
    digests: Mapping[str, str]
    left_out: Mapping[str, int]


def sound_images(
    samples: Sequence[Sample], *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Sound:
    """Decode every image once; leave out those that fail, that repeat another, or that carry both labels."""
    chunks = [
        [sample.path for sample in samples[at : at + _READ_AT_ONCE]] for at in range(0, len(samples), _READ_AT_ONCE)
    ]
    results: list[str] = []
    for found in map_jobs(_digests, chunks, workers=min(workers, len(chunks)) or 1, ordered=True):
        results += found
        if progress:
            progress(len(results), len(samples))
    digests = {sample.path: sha256 for sample, sha256 in zip(samples, results, strict=True) if sha256}
    images, left_out = _once([sample for sample in samples if sample.path in digests], digests)
    return Sound(images, digests, {"failed": len(samples) - len(digests), **left_out})


def _digests(paths: Sequence[str]) -> list[str]:
    return [_digest(path) for path in paths]


def _digest(path: str) -> str:
    """Take the sha256 of an image; empty where it does not decode."""
    try:
        data = read_bytes(path)
        Frame.load(data)
    except ImageError:
        return ""
    return hashlib.sha256(data).hexdigest()


def _once(samples: Sequence[Sample], digests: Mapping[str, str]) -> tuple[list[Sample], dict[str, int]]:
    """Keep each image once, and none that is labelled both; returns them by sha256, and counts the others."""
    labels: dict[str, set[int]] = {}
    for sample in samples:
        labels.setdefault(digests[sample.path], set()).add(sample.label)
    clear = [sample for sample in samples if len(labels[digests[sample.path]]) == 1]
    kept = {digests[sample.path]: sample for sample in reversed(clear)}
    torn, repeated = len(samples) - len(clear), len(clear) - len(kept)
    return [kept[sha256] for sha256 in sorted(kept)], {"labelled_both": torn, "repeated": repeated}


def _require_both_classes(parts: Mapping[str, Sequence[Sample]]) -> None:
    for part, rows in parts.items():
        reals, fakes = (sum(sample.label == label for sample in rows) for label in (0, 1))
        if not reals or not fakes:
            raise DatasetError(
                f"the {part} part has {reals} real and {fakes} fake images for the network; it needs both:"
                " give more groups of images"
            )


def draw_batches(rows: Sequence[Sample], size: int, seed: int) -> Iterator[list[int]]:
    """Draw batches without end: half real, half fake, no group twice, each class shuffled anew whenever it is through.

    Parameters
    ----------
    rows : sequence of Sample
        Both classes.
    size : int
        Images in a batch; where there are too few groups, a batch has fewer.
    seed : int
        Of the order.

    Yields
    ------
    list of int
        Positions in `rows`: the reals, then the fakes.

    Raises
    ------
    DatasetError
        A class has fewer than two groups.
    """
    decks = [_Deck(rows, label, seed) for label in (0, 1)]
    half = min(size // 2, *(deck.groups // 2 for deck in decks))
    if half < 1:
        raise DatasetError("a batch needs real and fake images, of two groups each at least")
    while True:
        taken: set[str] = set()
        yield [row for deck in decks for row in deck.draw(half, taken)]


class _Deck:
    """The rows of one class, shuffled; a row that has to wait, because its group is there, comes as soon as it can."""

    def __init__(self, rows: Sequence[Sample], label: int, seed: int) -> None:
        own = [position for position, sample in enumerate(rows) if sample.label == label]
        self.groups = len({rows[position].group for position in own})
        self._rows = rows
        self._waiting: list[int] = []
        orders = (np.random.default_rng([seed, label, epoch]).permutation(own) for epoch in count())
        self._stream = chain.from_iterable(order.tolist() for order in orders)

    def draw(self, number: int, taken: set[str]) -> list[int]:
        """Take rows of groups not in `taken`, and add these to it."""
        drawn: list[int] = []
        passed: list[int] = []
        waiting = iter(self._waiting)
        for position in chain(waiting, self._stream):
            group = self._rows[position].group
            (passed if group in taken else drawn).append(position)
            taken.add(group)
            if len(drawn) == number:
                break
        self._waiting = [*passed, *waiting]
        return drawn


def load_batches(batches: Iterable[Sequence[Picture]], *, threads: int = 1) -> Iterator[Pixels]:
    """Load batches in other threads while the caller is busy with the one before.

    Yields
    ------
    (n, 224, 224, 3) uint8 array, BGR

    Raises
    ------
    ImageError
        An image can no longer be read.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[list[Future[Pixels]]] = deque()
    try:
        for batch in batches:
            waiting.append([pool.submit(_load, *picture) for picture in batch])
            if len(waiting) > _AHEAD:
                yield _stack(waiting.popleft())
        while waiting:
            yield _stack(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _stack(pictures: Sequence[Future[Pixels]]) -> npt.NDArray[np.uint8]:
    return np.stack([picture.result() for picture in pictures])


def _load(path: str, seed: tuple[int, ...] | None) -> Pixels:
    bgr = Frame.load(path).bgr
    return bgr if seed is None else augment(bgr, np.random.default_rng(seed))
