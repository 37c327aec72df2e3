"""The kinds of fakes: which head of a network learns each, and which are left out of a training.

Forgeries, whose kind begins with `forged.`, teach the head `forged`, family by family; every other fake was found in a
data set and teaches the head `found`. The reals of a data set teach the heads that its fakes teach: a forgery and its
original were saved once more than what they were made of, and a head that saw them beside that would learn the saving.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from features.architecture import PLAIN
from features.errors import UnknownNameError
from pipelines.dataset import Sample

__all__ = [
    "FORGED",
    "FOUND",
    "HEADS",
    "chosen",
    "family_of",
    "head_of",
    "heads_of",
    "is_forged",
    "leave_out",
    "lesson_of",
    "lessons",
]

(FOUND,) = PLAIN
FORGED: Final = "forged"

HEADS: Final = (FOUND, FORGED)
"""The heads that a network may have, in their order."""


def is_forged(kind: str) -> bool:
    """Tell whether a kind of fake is one that `forge` makes."""
    return kind.startswith(f"{FORGED}.")


def head_of(sample: Sample) -> str:
    """Name the head that learns a fake; empty for a real image."""
    return _head_and_family(sample.kind)[0] if sample.label else ""


def family_of(sample: Sample) -> str:
    """Name the family of a fake, `found` or `forged.FAMILY`; empty for a real image."""
    return _head_and_family(sample.kind)[1] if sample.label else ""


def heads_of(samples: Sequence[Sample]) -> tuple[str, ...]:
    """List the heads that some images need."""
    needed = {head_of(sample) for sample in samples}
    return tuple(head for head in HEADS if head in needed)


def lessons(samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    """Name the heads that the reals of each data set teach: those of its fakes, or all where it has none."""
    every = heads_of(samples)
    sources = dict.fromkeys(sample.source for sample in samples)
    own = {source: heads_of([sample for sample in samples if sample.source == source]) for source in sources}
    return {source: heads or every for source, heads in own.items()}


def lesson_of(sample: Sample, table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Name the heads that an image teaches; `table` is what `lessons` gave."""
    return (head_of(sample),) if sample.label else table[sample.source]


def leave_out(samples: Sequence[Sample], kinds: Sequence[str]) -> list[Sample]:
    """Leave out the fakes of some kinds; raises as `chosen` does."""
    labels, own, sources = ([getattr(one, name) for one in samples] for name in ("label", "kind", "source"))
    left = chosen(labels, own, sources, kinds)
    return [sample for sample, gone in zip(samples, left, strict=True) if not gone]


def chosen(labels: Sequence[int], own: Sequence[str], sources: Sequence[str], kinds: Sequence[str]) -> list[bool]:
    """Tell which images to leave out with the fakes of some kinds: these, and the reals of a data set that loses all.

    Such reals would stand beside the forgeries of other data sets alone, and differ from them in how they were saved.

    Parameters
    ----------
    labels : sequence of int
        1 for fakes.
    own, sources : sequence of str
        The kind of each image, as its data set names it, and the data set.
    kinds : sequence of str
        `found`, `forged`, a family such as `forged.swap` or any other kind that the data name.

    Raises
    ------
    UnknownNameError
        There are no such fakes.
    """
    names = [{*_head_and_family(kind), kind} if label else set() for label, kind in zip(labels, own, strict=True)]
    known = sorted(set().union(*names) - {""})
    for kind in kinds:
        if kind not in known:
            raise UnknownNameError("kind", kind, known)
    gone = [not found.isdisjoint(kinds) for found in names]
    had = {source for source, label in zip(sources, labels, strict=True) if label}
    kept = {source for source, label, left in zip(sources, labels, gone, strict=True) if label and not left}
    return [left or source in had - kept for left, source in zip(gone, sources, strict=True)]


def _head_and_family(kind: str) -> tuple[str, str]:
    return (FORGED, kind) if is_forged(kind) else (FOUND, FOUND)
