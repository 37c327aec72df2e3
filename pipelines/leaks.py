"""Findings on what leaks between the parts of a data set, and on how it is balanced."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from pipelines.dataset import LABELS, Sample
from pipelines.duplicates import DISTANCE, near_pairs

__all__ = ["LEVELS", "Finding", "count_balance", "find_balance", "find_leaks", "find_near"]

LEVELS: Final = ("ok", "warning", "problem")
"""How grave a finding is, from the least."""

_EXAMPLES = 5
_MAJORITY = 0.9  # the share of one label from which on accuracy says little
_ONE_SIDED = 0.05  # the share of the images from which on a source of one label is worth a warning
_DOMINANT = 0.8  # the share of one kind among several


@dataclass(frozen=True)
class Finding:
    """One result of an audit.

    Attributes
    ----------
    check : str
        What was looked for.
    level : str
        One of `LEVELS`.
    text : str
        What was found, and what to do about it.
    examples : tuple
        The first cases, as paths or names or pairs of paths.
    """

    check: str
    level: str
    text: str
    examples: tuple[Any, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {**asdict(self), "examples": [list(case) if isinstance(case, tuple) else case for case in self.examples]}


def _part_of(sample: Sample) -> str:
    """Name the part of the split that an image counts to: that its data set came with, else that of its group."""
    return sample.own_split or sample.split


def find_leaks(samples: Sequence[Sample], digests: Sequence[str]) -> Iterator[Finding]:
    """Look for groups, origins and bytes that are in two parts of the split, and for bytes with both labels.

    Parameters
    ----------
    samples : sequence of Sample
        The data set.
    digests : sequence of str
        The sha256 of each image, empty where it cannot be read.
    """
    whose = "the data set's own splits" if any(sample.own_split for sample in samples) else "splits by group"
    torn = _torn([(sample.group, _part_of(sample)) for sample in samples])
    yield _finding(
        "groups",
        torn,
        "problem",
        f"groups in two parts: {{}} ({whose}); what was learnt is tested there, split anew with `dataset split`",
        f"no group is in two parts ({whose})",
    )
    origins = [(origin, _part_of(sample)) for sample in samples for origin in sample.origins]
    if origins:
        yield _finding(
            "origins",
            _torn(origins),
            "warning",
            "people or videos that images in two parts were made from: {}; figures flatter, say so beside them",
            "no person or video that an image was made from is in two parts",
        )
    yield from _find_exact(samples, digests)


def _find_exact(samples: Sequence[Sample], digests: Sequence[str]) -> Iterator[Finding]:
    known = [(digest, sample) for digest, sample in zip(digests, samples, strict=True) if digest]
    checks: dict[str, tuple[Callable[[Sample], str], str, str]] = {
        "splits": (_part_of, "files in two parts: {}; drop them with `dataset dedupe`", "no file is in two parts"),
        "labels": (
            _label_of,
            "files that are real and fake: {}; drop them with `dataset dedupe`",
            "no file has both labels",
        ),
    }
    for name, (value, text, fine) in checks.items():
        torn = _torn([(digest, value(sample)) for digest, sample in known])
        first = {digest: sample.path for digest, sample in reversed(known)}
        paths = [first[digest] for digest in torn]
        yield _finding(f"duplicates across {name}", paths, "problem", text, fine)


def find_near(samples: Sequence[Sample], hashes: Sequence[bytes], distance: int = DISTANCE) -> Iterator[Finding]:
    """Look for pictures that look the same across parts of the split, and across labels in different groups.

    Parameters
    ----------
    samples : sequence of Sample
        Images of different bytes.
    hashes : sequence of bytes
        Their perceptual hashes.
    distance : int
        The most bits in which those of one picture differ.
    """
    codes = [_code(values) for values in (map(_part_of, samples), map(_label_of, samples), (s.group for s in samples))]
    part, label, group = codes
    pairs = near_pairs(
        hashes, distance, lambda i, j: (part[i] != part[j]) | ((label[i] != label[j]) & (group[i] != group[j]))
    )
    texts = {
        "splits": (
            part,
            "pairs in different parts that look the same: {}; compare them, then drop them with `dataset dedupe`",
        ),
        "labels": (
            label,
            "pairs of real and fake, of different groups, that look the same: {}; see which label is true",
        ),
    }
    for name, (code, text) in texts.items():
        torn = [(i, j) for i, j in zip(pairs.first, pairs.second, strict=True) if code[i] != code[j]]
        shown = [(samples[i].path, samples[j].path) for i, j in torn]
        fine = f"no two pictures in different {name} look the same, of {len(samples):,} compared"
        yield _finding(f"near duplicates across {name}", shown, "warning", text, fine)


def _code(values: Iterable[str]) -> Any:
    return np.unique(np.array(list(values), dtype=np.str_), return_inverse=True)[1]


def _label_of(sample: Sample) -> str:
    return LABELS[sample.label]


def _torn(pairs: Iterable[tuple[Hashable, str]]) -> list[Any]:
    """List the keys that come with two values or more."""
    values: dict[Hashable, set[str]] = defaultdict(set)
    for key, value in pairs:
        values[key].add(value)
    return [key for key, found in values.items() if len(found) > 1]


def _finding(check: str, cases: Collection[Any], level: str, text: str, fine: str) -> Finding:
    """Make a finding of cases: of none, that all is well."""
    if not cases:
        return Finding(check, "ok", fine)
    return Finding(check, level, text.format(f"{len(cases):,}"), tuple(cases)[:_EXAMPLES])


def count_balance(samples: Sequence[Sample]) -> dict[str, Any]:
    """Count images by label, and by label within each kind, source and part of the split."""
    by: dict[str, Callable[[Sample], str]] = {
        "kinds": lambda sample: sample.kind,
        "sources": lambda sample: sample.source,
        "parts": _part_of,
    }
    tables = {
        name: _count_labels((value(sample) or "-", sample.label) for sample in samples) for name, value in by.items()
    }
    labels = Counter(map(_label_of, samples))
    return {"labels": {label: labels[label] for label in LABELS}, **tables}


def _count_labels(pairs: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LABELS, 0))
    for name, label in pairs:
        counts[name][LABELS[label]] += 1
    return dict(sorted(counts.items()))


def find_balance(balance: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the counts that `count_balance` gives."""
    labels = balance["labels"]
    total = sum(labels.values())
    name, most = max(labels.items(), key=lambda item: item[1])
    if most == total:
        yield Finding("labels", "problem", f"all images are {name}: nothing can be learnt or judged from one class")
        return
    level = "warning" if most / total > _MAJORITY else "ok"
    yield Finding("labels", level, f"{most / total:.0%} are {name}: the accuracy of always saying so")
    yield from _one_sided(balance["sources"], total)
    for label in LABELS:
        yield from _dominant(label, {kind: counts[label] for kind, counts in balance["kinds"].items()})


def _one_sided(sources: Mapping[str, Mapping[str, int]], total: int) -> Iterator[Finding]:
    """Find the larger sources of one label among several: what sets them apart gives the label away."""
    found = [
        (source, label, counts[label])
        for source, counts in sources.items()
        for label in LABELS
        if counts[label] == sum(counts.values()) > _ONE_SIDED * total and len(sources) > 1
    ]
    for source, label, count in found:
        text = f"source {source}, {count / total:.0%} of the images, is all {label}: what sets it apart tells the label"
        yield Finding("sources", "warning", f"{text}; add the other label from there, or leave it out")
    if not found:
        text = "every larger source has both labels" if len(sources) > 1 else "there is one source, with both labels"
        yield Finding("sources", "ok", text)


def _dominant(label: str, kinds: Mapping[str, int]) -> Iterator[Finding]:
    """Find a kind that leaves little of the others."""
    present = {kind: count for kind, count in kinds.items() if count}
    kind, most = max(present.items(), key=lambda item: item[1])
    share = most / sum(present.values())
    if len(present) == 1:
        yield Finding(f"kinds of {label}", "ok", f"all are of one kind, {kind}: figures hold for that kind")
    elif share > _DOMINANT:
        text = f"{share:.0%} are {kind}: figures over all hide how the other {len(present) - 1} fare; look at each"
        yield Finding(f"kinds of {label}", "warning", text)
    else:
        yield Finding(f"kinds of {label}", "ok", f"{len(present)} kinds, the most frequent {kind} with {share:.0%}")
