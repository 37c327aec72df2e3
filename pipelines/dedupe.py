"""Finds what a data set should not hold: a picture twice, or under both labels, and files that do not decode."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from features.device import require
from features.frame import load_pixels
from pipelines.collect import digest, regroup
from pipelines.dataset import LABELS, Sample
from pipelines.duplicates import DISTANCE, Pairs, leaders, near_pairs
from pipelines.image_facts import over_images, perceptual_hash
from pipelines.progress import Progress
from pipelines.ties import tie

__all__ = ["DATA", "Broken", "Deduplicated", "Dropped", "check", "dedupe"]

DATA: Final = ("imagehash",)
"""What the extra `data` brings, by module."""

_Tie = tuple[str, str]


class Dropped(NamedTuple):
    """An image that a manifest without duplicates leaves out.

    Attributes
    ----------
    path, label, group, source : str
        As its data set has them.
    reason : str
        `exact` (the same bytes), `near` (it looks like another of its label), `conflict` (it is, or looks like, one of
        the other label) or `unreadable`.
    like : str
        The path of that other image, or the error.
    distance : int, optional
        In how many of 256 bits their perceptual hashes differ.
    """

    path: str
    label: str
    group: str
    source: str
    reason: str
    like: str
    distance: int | None = None


class Broken(NamedTuple):
    """An image that cannot be decoded, and why."""

    path: str
    source: str
    error: str


@dataclass(frozen=True)
class Deduplicated:
    """A data set without duplicates.

    Attributes
    ----------
    samples : list of Sample
        What is left, sorted by path; groups that held the same picture are one.
    dropped : list of Dropped
        What was left out.
    joined : int
        Groups that became part of another.
    """

    samples: list[Sample]
    dropped: list[Dropped] = field(default_factory=list)
    joined: int = 0

    def count(self) -> dict[str, int]:
        """Count what was dropped by reason."""
        return dict(sorted(Counter(row.reason for row in self.dropped).items()))


def dedupe(
    samples: Sequence[Sample],
    *,
    distance: int = DISTANCE,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Deduplicated:
    """Keep one of all images that are or look the same, and none that is or looks the same under both labels.

    A fake that looks like a real image of its own group is neither: it was made from it.

    Parameters
    ----------
    samples : sequence of Sample
        A data set.
    distance : int
        The most bits of 256 in which the perceptual hashes of images that look the same differ.
    workers : int, optional
        Processes that read the images; one a core by default.
    progress : callable, optional
        Told how many images are read.

    Raises
    ------
    MissingExtraError
        Where ImageHash is not installed.
    """
    require("data", DATA)
    read = over_images(_identify, [sample.path for sample in samples], workers=workers, progress=progress)
    dropped = {at: _drop(samples[at], "unreadable", error) for at, (_, error) in enumerate(read) if error}
    known = {at: found for at, (found, _) in enumerate(read) if found}
    ties = list(_drop_exact(samples, {at: sha256 for at, (sha256, _) in known.items()}, dropped))
    left = [at for at in known if at not in dropped]
    ties += _drop_near(samples, left, near_pairs([known[at][1] for at in left], distance), ties, dropped)
    names = tie(ties)
    kept = [regroup(s, names.get(s.group, s.group)) for at, s in enumerate(samples) if at not in dropped]
    return Deduplicated(sorted(kept), [dropped[at] for at in sorted(dropped)], len(names) - len(set(names.values())))


def _identify(data: bytes) -> tuple[str, bytes]:
    return digest(data), perceptual_hash(load_pixels(data))


def _drop(sample: Sample, reason: str, like: str, distance: int | None = None) -> Dropped:
    return Dropped(sample.path, LABELS[sample.label], sample.group, sample.source, reason, like, distance)


def _drop_exact(samples: Sequence[Sample], digests: Mapping[int, str], dropped: dict[int, Dropped]) -> Iterator[_Tie]:
    """Drop all but the first of equal bytes, or all where the labels differ; yields the groups that share an image."""
    sets: dict[str, list[int]] = defaultdict(list)
    for at, sha256 in digests.items():
        sets[sha256].append(at)
    for alike in sets.values():
        first = alike[0]
        others = [at for at in alike if samples[at].label != samples[first].label]
        for at in alike if others else alike[1:]:
            like = others[0] if at == first or (others and samples[at].label == samples[first].label) else first
            dropped[at] = _drop(samples[at], "conflict" if others else "exact", samples[like].path, 0)
            if not others:
                yield samples[first].group, samples[at].group


def _drop_near(
    samples: Sequence[Sample], left: Sequence[int], pairs: Pairs, ties: Sequence[_Tie], dropped: dict[int, Dropped]
) -> list[_Tie]:
    """Drop what looks like an earlier image of its label, and what looks like one of the other label elsewhere."""
    labels = np.array([samples[at].label for at in left], int)
    same = labels[pairs.first] == labels[pairs.second]
    leading = leaders(Pairs(*(part[same] for part in pairs)), len(left))
    found = [(left[at], left[leader]) for at, leader in enumerate(leading) if at != leader]
    apart = {(left[i], left[j]): int(d) for i, j, d in zip(*pairs, strict=True)}
    for at, leader in found:
        dropped[at] = _drop(samples[at], "near", samples[leader].path, apart[leader, at])
    fresh = [(samples[leader].group, samples[at].group) for at, leader in found]
    names = tie([*ties, *fresh])
    for pair in ((left[i], left[j]) for i, j in zip(pairs.first[~same], pairs.second[~same], strict=True)):
        one, two = (samples[at] for at in pair)
        if names.get(one.group, one.group) != names.get(two.group, two.group):
            for at, other in (pair, pair[::-1]):
                dropped[at] = _drop(samples[at], "conflict", samples[other].path, apart[pair])
    return fresh


def check(samples: Sequence[Sample], *, workers: int | None = None, progress: Progress | None = None) -> list[Broken]:
    """Decode every image and list those that cannot be.

    Parameters
    ----------
    samples : sequence of Sample
        A data set.
    workers : int, optional
        Processes; one a core by default.
    progress : callable, optional
        Told how many images are decoded.
    """
    read = over_images(_decode, [sample.path for sample in samples], workers=workers, progress=progress)
    return [Broken(s.path, s.source, error) for s, (_, error) in zip(samples, read, strict=True) if error]


def _decode(data: bytes) -> bool:
    return load_pixels(data).size > 0
