"""Makes one manifest of several data sets.

A manifest is a table of `COLUMNS` that `read_dataset` reads again. Its rows say what else is known of their images
where the data sets tell: the size before resizing, what a fake was made from, and the mask of what was
forged.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

from features.errors import DatasetError
from pipelines.dataset import LABELS, SPLITS, Sample, read_apart, split_of
from pipelines.image_facts import over_images
from pipelines.layouts import ORIGIN_MARK
from pipelines.progress import Progress
from pipelines.ties import tie

__all__ = ["COLUMNS", "Merged", "columns_of", "count_splits", "digest", "manifest_rows", "merge", "regroup"]

COLUMNS: Final = ("path", "label", "group", "kind", "source", "split")
"""The columns of every manifest."""

_KNOWN = ("original_width", "original_height", "origins", "mask")
_UNIVERSAL = re.compile(r"[a-z]{10}\.mp4|(celeb-df|ff\+\+)/.+")  # names that mean the same in every data set


@dataclass(frozen=True)
class Merged:
    """Several data sets as one.

    Attributes
    ----------
    samples : list of Sample
        Sorted by path.
    renamed : int
        Groups that bore the name of a group of another data set, and were given another one.
    joined : int
        Groups that became part of another, because they hold the same bytes.
    unreadable : int
        Images whose bytes cannot be had.
    """

    samples: list[Sample]
    renamed: int
    joined: int
    unreadable: int


def columns_of(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Name the columns of a manifest: `COLUMNS`, and what else is known of any of its images."""
    known: set[str] = set()
    for sample in samples:
        known.update(_KNOWN[:2] if sample.original_size else (), _KNOWN[2:3] if sample.origins else ())
        known.update(_KNOWN[3:] if sample.mask else ())
    return (*COLUMNS, *(name for name in _KNOWN if name in known))


def manifest_rows(samples: Iterable[Sample], beside: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a manifest.

    Parameters
    ----------
    samples : iterable of Sample
        The images.
    beside : str, optional
        The manifest; paths below its folder are given from there, so that both can move. Others are absolute.
    """
    folder = _absolute(str(Path(beside).parent)) if beside else None
    for sample in samples:
        row = {name: getattr(sample, name) for name in COLUMNS}
        size = sample.original_size or (None, None)
        mask = _seen_from(folder, sample.mask) if sample.mask else ""
        known = dict(zip(_KNOWN, (*size, ORIGIN_MARK.join(sample.origins), mask), strict=True))
        yield {**row, **known, "path": _seen_from(folder, sample.path), "label": LABELS[sample.label]}


def _absolute(path: str) -> Path:
    return Path(os.path.normpath(Path(path).absolute()))


def _seen_from(folder: Path | None, path: str) -> str:
    full = _absolute(path)
    return str(full.relative_to(folder) if folder and full.is_relative_to(folder) else full)


def count_splits(samples: Sequence[Sample]) -> Iterator[str]:
    """Say of each part of a split how many images and groups it has."""
    for split in SPLITS:
        part = [sample for sample in samples if sample.split == split]
        fakes, groups = sum(sample.label for sample in part), len({sample.group for sample in part})
        yield f"{split}: {len(part) - fakes:,} real, {fakes:,} fake, {groups:,} groups"


def merge(
    sources: Sequence[str],
    *,
    real: Sequence[str] = (),
    fake: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Merged:
    """Make several data sets one, so that a group of one is no group of another unless they hold the same bytes.

    Names that mean the same everywhere (videos of DFDC, of FaceForensics++ and of Celeb-DF) stay one group. Of groups
    that only bear the same name, that of the data set given first keeps it, and with it its split.

    Parameters
    ----------
    sources : sequence of str
        Data sets as `read_dataset` takes them.
    real, fake : sequence of str
        Names of class folders, as `read_dataset` takes them.
    workers : int, optional
        Processes that read the images; one a core by default.
    progress : callable, optional
        Told how many images are read.

    Raises
    ------
    DatasetError
        As `read_dataset` raises it.
    """
    scoped = _scoped(read_apart(sources, real=real, fake=fake))
    paths = sorted({sample.path for _, sample in scoped})
    read = dict(zip(paths, over_images(digest, paths, workers=workers, progress=progress), strict=True))
    tied = tie((node, f"file:{read[sample.path][0] or sample.path}") for node, sample in scoped)
    once = {sample.path: (node, sample) for node, sample in reversed(scoped)}
    names, renamed = _name_groups([(tied[node], sample) for node, sample in scoped])
    merged = [regroup(sample, names[tied[node]]) for node, sample in once.values()]
    joined = len({node for node, _ in scoped}) - len(names)
    return Merged(sorted(merged), renamed, joined, sum(bool(error) for _, error in read.values()))


def _scoped(parts: Sequence[Sequence[Sample]]) -> list[tuple[str, Sample]]:
    """Give every image with a name of its group that no other data set uses unless it means the same."""
    scoped: list[tuple[str, Sample]] = []
    labels: dict[str, int] = {}
    for number, part in enumerate(parts):
        for sample in sorted(part):
            universal = _UNIVERSAL.fullmatch(sample.group)
            scoped.append((sample.group if universal else f"{number}:{sample.group}", sample))
            if labels.setdefault(sample.path, sample.label) != sample.label:
                raise DatasetError(f"{sample.path} is listed as real and as fake")
    return scoped


def digest(data: bytes) -> str:
    """Give the sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def _name_groups(members: Sequence[tuple[str, Sample]]) -> tuple[dict[str, str], int]:
    """Name each set of tied groups after its first image's group; returns the names, and how many had to change."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    changed = 0
    for root, sample in members:
        if root not in names:
            choices = chain([sample.group], (f"{sample.source}:{sample.group}{'~' * more}" for more in count()))
            names[root] = next(name for name in choices if name not in taken)
            taken.add(names[root])
            changed += names[root] != sample.group
    return names, changed


def regroup(sample: Sample, group: str) -> Sample:
    """Move an image to a group, and to the split that follows."""
    return sample if sample.group == group else replace(sample, group=group, split=split_of(group))
