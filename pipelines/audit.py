"""Audits a data set before anything is learnt from it: what leaks between its parts, what gives the label away.

Two probes are trained for the shortcuts, one on facts of the files alone, one on what any eye sees of the pixels; each
is judged on groups that it was not trained on. An AUC above 0.6 is a warning, above 0.8 a problem, unless its 95 %
interval reaches down to a coin's 0.5.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.device import require
from pipelines.dataset import LABELS, Sample
from pipelines.dedupe import DATA
from pipelines.image_facts import CONTAINER, STATISTICS, Container, Look, look_at, over_images, read_container
from pipelines.leaks import LEVELS, Finding, count_balance, find_balance, find_leaks, find_near
from pipelines.probes import LEAST, probe
from pipelines.progress import Progress

__all__ = ["LIMIT", "SHOWN", "WARNING", "Follow", "audit"]

Follow = Callable[[str], AbstractContextManager[Progress]]
"""Shows progress of the task that it is given the name of."""

LIMIT: Final = 5000
"""The most images of each class that are decoded unless told, those of lowest sha256."""

WARNING: Final = 0.6
"""The AUC of a probe from which on it is a warning."""

SHOWN: Final = {"check": 30, "level": 8, "text": 100}
"""The columns of the table of findings, and how wide they are."""

_SEVERE = 0.8
_TELLING = 0.55  # the AUC from which on a single fact is named
_NAMED = 3
_ORIGINAL = ("original_width", "original_height")
_SAID = {"container": "facts of the files", "statistics": "brightness, sharpness and colour"}
_ENCODER = "save both classes with the same encoder, format and quality"
_SIZE = "take both classes from pictures of the same sizes, or report figures by size"
_LIGHT = "vary brightness, contrast and colour of both classes alike in training"
_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("format", "quality", "chroma_quality", "subsampling", "progressive"), _ENCODER),
    "bytes_per_pixel": "where both are saved alike, fewer bytes a pixel mean that one class is smoother",
    "metadata": "strip the metadata of both classes",
    **dict.fromkeys(("width", "height", *_ORIGINAL), _SIZE),
    "sharpness": "blur, rescale and compress both classes alike in training, and test robustness with `evaluate`",
    **dict.fromkeys(("brightness", "contrast", "red", "green", "blue", "saturation", "saturation_spread"), _LIGHT),
}


def audit(
    samples: Sequence[Sample], *, limit: int = LIMIT, workers: int | None = None, follow: Follow
) -> dict[str, Any]:
    """Audit a data set.

    Parameters
    ----------
    samples : sequence of Sample
        The data set; where it came with a split of its own, that is what is audited.
    limit : int
        The most images of each class that are decoded, for statistics and perceptual hashes.
    workers : int, optional
        Processes; one a core by default.
    follow : callable
        Shows progress of the task that it is given the name of.

    Returns
    -------
    dict
        JSON values: `images`, `looked_at` (with `limit`, and how many of each class were decoded), `findings`,
        `levels` (how many findings of each), `shortcuts` (what each probe measured) and `balance`.

    Raises
    ------
    MissingExtraError
        Where ImageHash is not installed.
    """
    require("data", DATA)
    samples = sorted(samples)
    with follow("read files") as progress:
        paths = [sample.path for sample in samples]
        files = [file for file, _ in over_images(read_container, paths, workers=workers, progress=progress)]
    chosen = _choose(samples, files, limit)
    with follow("look at pictures") as progress:
        paths = [samples[at].path for at in chosen]
        seen = [look for look, _ in over_images(look_at, paths, workers=workers, progress=progress)]
    looks = {at: look for at, look in zip(chosen, seen, strict=True) if look}
    shortcuts = {
        "container": _probe_files(samples, files, chosen),
        "statistics": _probe(samples, list(looks), STATISTICS, [look.values for look in looks.values()]),
    }
    balance = count_balance(samples)
    findings = [
        *find_leaks(samples, [file.sha256 if file else "" for file in files]),
        *find_near([samples[at] for at in looks], [look.hash for look in looks.values()]),
        *(_judge(name, found) for name, found in shortcuts.items()),
        *find_balance(balance),
        *_unreadable(files, seen),
    ]
    levels = Counter(finding.level for finding in findings)
    return {
        "images": len(samples),
        "looked_at": {"limit": limit, **_per_label(samples, looks)},
        "levels": {level: levels[level] for level in LEVELS},
        "findings": [finding.to_json() for finding in findings],
        "shortcuts": shortcuts,
        "balance": balance,
    }


def _choose(samples: Sequence[Sample], files: Sequence[Container | None], limit: int) -> list[int]:
    """Choose the images of lowest sha256, `limit` of each class, none of the same bytes twice; in their order."""
    chosen: dict[tuple[int, str], int] = {}
    for at, file in enumerate(files):
        if file:
            chosen.setdefault((samples[at].label, file.sha256), at)
    ranked = [[chosen[key] for key in sorted(chosen) if key[0] == label][:limit] for label in range(len(LABELS))]
    return sorted(at for part in ranked for at in part)


def _per_label(samples: Sequence[Sample], positions: Mapping[int, Look]) -> dict[str, int]:
    counts = Counter(samples[at].label for at in positions)
    return {name: counts[label] for label, name in enumerate(LABELS)}


def _probe_files(
    samples: Sequence[Sample], files: Sequence[Container | None], chosen: Sequence[int]
) -> dict[str, Any] | None:
    """Probe the facts of files, and the sizes before resizing where a data set tells."""
    nowhere = (float("nan"),) * len(_ORIGINAL)
    known = [(file.values, samples[at].original_size or nowhere) for at in chosen if (file := files[at])]
    return _probe(samples, chosen, (*CONTAINER, *_ORIGINAL), [(*own, *size) for own, size in known])


def _probe(
    samples: Sequence[Sample], positions: Sequence[int], names: Sequence[str], values: Sequence[Sequence[float]]
) -> dict[str, Any] | None:
    labels = np.array([samples[at].label for at in positions], np.int64)
    table: npt.NDArray[np.float64] = np.array(values, np.float64).reshape(-1, len(names))
    return probe(names, table, labels, [samples[at].group for at in positions])


def _judge(name: str, found: Mapping[str, Any] | None) -> Finding:
    """Say what a probe found, what carries it, and what to do."""
    check = f"shortcut by {name}"
    if found is None:
        return Finding(check, "warning", f"not measured: that takes {LEAST} images of each class and {LEAST} groups")
    value, low, high = (found["auc"][key] for key in ("value", "low", "high"))
    figure = f"{_SAID[name]} alone tell the label with AUC {value:.2f} [{low:.2f}, {high:.2f}]"
    if value <= WARNING or low <= 0.5:
        return Finding(check, "ok", figure)
    telling = [fact for fact, auc in found["facts"].items() if auc > _TELLING][:_NAMED]
    carried = ", ".join(f"{fact} {found['facts'][fact]:.2f}" for fact in telling) or "no single fact"
    advice = dict.fromkeys(_ADVICE[fact] for fact in telling)
    text = f"{figure}, carried by {carried}: a detector may learn this instead; {'; '.join(advice)}"
    return Finding(check, "problem" if value > _SEVERE else "warning", text.removesuffix("; "))


def _unreadable(files: Sequence[Container | None], looks: Sequence[Look | None]) -> Iterator[Finding]:
    failed = sum(file is None for file in files) + sum(look is None for look in looks)
    if failed:
        yield Finding("files", "warning", f"{failed:,} images cannot be read; `dataset check` names them")
    else:
        yield Finding("files", "ok", "every file that was opened could be read")
