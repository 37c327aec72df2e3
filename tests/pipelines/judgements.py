"""Judged rows small enough to count by hand."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.intervals import Resamples
from pipelines.evaluation_figures import Judged

__all__ = ["judgements"]


def judgements(
    labels: Sequence[int],
    probabilities: Sequence[float],
    verdicts: Sequence[str],
    *,
    kinds: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    facts: Mapping[str, Sequence[float]] | None = None,
    resamples: int = 20,
) -> Judged:
    """Make rows whose groups are their own, in order of their digests."""
    number = len(labels)
    names = np.array([f"{at:03d}" for at in range(number)])
    return Judged(
        labels=np.array(labels, np.int64),
        probabilities=np.array(probabilities, np.float64),
        verdicts=np.array(verdicts, np.str_),
        digests=names,
        groups=names,
        kinds=np.array(kinds or ["a kind"] * number),
        sources=np.array(sources or ["a set"] * number),
        facts={name: np.array(values, np.float64) for name, values in (facts or {}).items()},
        drawn=Resamples.draw(names, resamples),
    )
