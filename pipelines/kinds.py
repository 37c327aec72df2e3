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

__all__ = ["FORGED", "FOUND", "HEADS", "family_of", "head_of", "heads_of", "leave_out", "lesson_of", "lessons"]

(FOUND,) = PLAIN
FORGED: Final = "forged"

HEADS: Final = (FOUND, FORGED)
"""The heads that a network may have, in their order."""


def head_of(sample: Sample) -> str:
    """Name the head that learns a fake; empty for a real image."""
    if not sample.label:
        return ""
    return FORGED if sample.kind.startswith(f"{FORGED}.") else FOUND


def family_of(sample: Sample) -> str:
    """Name the family of a fake, `found` or `forged.FAMILY`; empty for a real image."""
    head = head_of(sample)
    return sample.kind if head == FORGED else head


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
    """Leave out the fakes of some kinds: `found`, `forged`, a family or any other kind that the data name.

    Raises
    ------
    UnknownNameError
        There are no such fakes.
    """
    names = [{head_of(sample), family_of(sample), sample.kind} if sample.label else set() for sample in samples]
    known = sorted(set().union(*names) - {""})
    for kind in kinds:
        if kind not in known:
            raise UnknownNameError("kind", kind, known)
    return [sample for sample, own in zip(samples, names, strict=True) if own.isdisjoint(kinds)]
