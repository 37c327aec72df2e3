"""Images for the network: which rows it may learn from, and how they are loaded."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.architecture import LOCATOR_SIDE
from features.augment import augment, augment_both
from features.decode import Pixels
from features.errors import DatasetError, ImageError
from features.frame import WORKING_SIZE, Frame
from features.source import read_bytes
from features.storage import absolute
from pipelines.dataset import HELD_BACK_PERCENT, LABELS, Sample, held_back
from pipelines.engine_choice import Engine, Local
from pipelines.engine_faults import Work, halve
from pipelines.kinds import FORGED, family_of, head_of, heads_of, lesson_of, lessons

__all__ = [
    "PARTS",
    "Loaded",
    "Picture",
    "Rows",
    "Sound",
    "load_batches",
    "read_rows",
    "sound_images",
]

PARTS: Final = ("train", "validation")
"""The parts of the split that a network's training looks at."""

_READ_AT_ONCE: Final = 64
_LOST: Final = "lost"  # in place of a sha256: the image ended the process that decoded it
_AHEAD: Final = 2  # batches that are loaded before they are asked for
_Cells = npt.NDArray[np.float32]
_UNKNOWN: Final = np.full((LOCATOR_SIDE, LOCATOR_SIDE), np.nan, np.float32)


class Picture(NamedTuple):
    """The path of an image, the seed of its augmentation, None for the image as it is, and the path of its mask."""

    path: str
    seed: tuple[int, ...] | None = None
    mask: str = ""


class Loaded(NamedTuple):
    """A batch: (n, 224, 224, 3) uint8 BGR, and (n, 7, 7) float32, the share of each cell that was forged.

    That share is NaN where a picture has no mask.
    """

    pixels: Pixels
    cells: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a network is trained and judged on.

    Attributes
    ----------
    parts : mapping
        The images of each of PARTS, each once, by sha256 ascending; training groups that are held back are not there.
    digests : mapping
        The sha256 of each of these images and of their masks, by its path.
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
        """Sha256 over the images, their labels, groups and parts, and what forgeries are, with their masks."""
        rows = [
            (self.digests[s.path], s.label, s.group, s.split, *self._forgery(s))
            for part in PARTS
            for s in self.parts[part]
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def _forgery(self, sample: Sample) -> tuple[str, ...]:
        mask = (self.digests[sample.mask],) if sample.mask else ()
        return (sample.kind, *mask) if head_of(sample) == FORGED else mask

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The heads that these images need."""
        return heads_of(self.parts["train"])

    @cached_property
    def located(self) -> bool:
        """Whether there are masks to learn from."""
        return any(sample.mask for sample in self.parts["train"])

    @cached_property
    def lessons(self) -> dict[str, tuple[str, ...]]:
        """The heads that the reals of each data set teach."""
        return lessons([sample for part in PARTS for sample in self.parts[part]])

    def sample(self, part: str, most: int | None = None) -> list[Sample]:
        """Choose for each head equally many fakes and reals that teach it, at most `most`, those of lowest sha256."""
        chosen: dict[Sample, None] = {}
        for head in self.heads:
            own = [sample for sample in self.parts[part] if head in lesson_of(sample, self.lessons)]
            classes = [[sample for sample in own if sample.label == label] for label in (0, 1)]
            size = min(len(own) if most is None else most, *map(len, classes))
            chosen |= dict.fromkeys(chain.from_iterable(members[:size] for members in classes))
        return sorted(chosen, key=lambda sample: sample.label)

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
            **self._kinds(),
        }

    def _kinds(self) -> dict[str, Any]:
        """Count forgeries by family and found fakes, where there are any forgeries."""
        if FORGED not in self.heads:
            return {}
        counts = {part: Counter(filter(None, map(family_of, self.parts[part]))) for part in PARTS}
        return {"kinds": {part: dict(sorted(counted.items())) for part, counted in counts.items()}}


def read_rows(
    samples: Sequence[Sample], *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Rows:
    """Decode every image that the network would see once, so that nothing can fail in the middle of a training.

    Raises
    ------
    DatasetError
        Training or validation lacks a class, or one of them what a head is to learn.
    """
    held = [sample for sample in samples if sample.split == "train" and held_back(sample.group)]
    kept_back = set(held)
    wanted = [sample for sample in samples if sample.split in PARTS and sample not in kept_back]
    sound = sound_images(wanted, workers=workers, progress=progress)
    parts = {part: [sample for sample in sound.images if sample.split == part] for part in PARTS}
    _require_both_classes(parts)
    _require_heads(parts)
    held_facts = len({sample.group for sample in held}), len(held)
    return Rows(parts, sound.digests, held_facts, sound.left_out)


class Sound(NamedTuple):
    """Images that decode, each once, by sha256 ascending; their sha256 by path; the number of others, by reason.

    `lost` are the paths of those that ended the process which decoded them.
    """

    images: Sequence[Sample]
    digests: Mapping[str, str]
    left_out: Mapping[str, int]
    lost: frozenset[str] = frozenset()


def sound_images(
    samples: Sequence[Sample],
    *,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sound:
    """Decode every image and mask once; leave out images that fail, that repeat another, or carry both labels.

    `engine` says where, else it is done in `workers` processes of this machine.
    """
    engine = engine or Local(workers)
    places = [tuple(absolute(path) if path and engine.shared else path for path in (s.path, s.mask)) for s in samples]
    chunks = [places[at : at + _READ_AT_ONCE] for at in range(0, len(places), _READ_AT_ONCE)]
    results: list[tuple[str, str]] = []
    for found in engine.map(Work(_digests, _halve, _blame), chunks, ordered=True, at_most=len(chunks) or 1):
        results += found
        if progress:
            progress(len(results), len(samples))
    lost = frozenset(sample.path for sample, (own, _) in zip(samples, results, strict=True) if own == _LOST)
    digests = {
        sample.path: own for sample, (own, _) in zip(samples, results, strict=True) if own and sample.path not in lost
    }
    images, left_out = _once([sample for sample in samples if sample.path in digests], digests)
    masks = {sample.mask: mask for sample, (_, mask) in zip(samples, results, strict=True) if mask}
    return Sound(images, {**digests, **masks}, {"failed": len(samples) - len(digests), **left_out}, lost)


def _halve(paths: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    return halve(list(paths))


def _blame(paths: Sequence[tuple[str, ...]], _: str) -> list[tuple[str, str]]:
    return [(_LOST, "") for _ in paths]


def _digests(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    """Take the sha256 of images and masks; that of an image is empty where it or its mask does not decode."""
    found = [(_digest(path), _digest(mask) if mask else "") for path, mask in paths]
    return [("" if named and not mask else own, mask) for (own, mask), (_, named) in zip(found, paths, strict=True)]


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


def _require_heads(parts: Mapping[str, Sequence[Sample]]) -> None:
    heads = {part: heads_of(rows) for part, rows in parts.items()}
    for head in chain(*heads.values()):
        for part in PARTS:
            if head not in heads[part]:
                raise DatasetError(
                    f"the {part} part has no {head} fakes, which another part has: give more groups of them, or"
                    f" --without {head}"
                )


def load_batches(batches: Iterable[Sequence[Picture]], *, threads: int = 1) -> Iterator[Loaded]:
    """Load batches in other threads while the caller is busy with the one before.

    Raises
    ------
    ImageError
        An image or a mask can no longer be read.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[list[Future[tuple[Pixels, _Cells]]]] = deque()
    try:
        for batch in batches:
            waiting.append([pool.submit(_load, picture) for picture in batch])
            if len(waiting) > _AHEAD:
                yield _stack(waiting.popleft())
        while waiting:
            yield _stack(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _stack(pictures: Sequence[Future[tuple[Pixels, _Cells]]]) -> Loaded:
    pixels, cells = zip(*(picture.result() for picture in pictures), strict=True)
    return Loaded(np.stack(pixels), np.stack(cells))


def _load(picture: Picture) -> tuple[Pixels, _Cells]:
    bgr = Frame.load(picture.path).bgr
    rng = None if picture.seed is None else np.random.default_rng(picture.seed)
    if not picture.mask:
        return bgr if rng is None else augment(bgr, rng), _UNKNOWN
    mask = np.ascontiguousarray(Frame.load(picture.mask).bgr[..., 0])
    if rng is not None:
        bgr, mask = augment_both(bgr, mask, rng)
    side = WORKING_SIZE // LOCATOR_SIDE
    shares = mask.reshape(LOCATOR_SIDE, side, LOCATOR_SIDE, side).mean(axis=(1, 3)) / 255
    return bgr, shares.astype(np.float32)
