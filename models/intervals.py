"""Figures with their 95 % intervals: percentiles of a bootstrap over groups.

Rows of one group are alike and are drawn together (Field and Welsh, 2007, DOI 10.1111/j.1467-9868.2007.00593.x).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.calibration import OperatingPoints
from models.metrics import METRICS, Floats, Labels, Metric, Names, verdict_metrics

__all__ = ["RESAMPLES", "Figure", "Resamples", "differences", "evaluate", "figures"]

RESAMPLES: Final = 1000
"""How many times groups are drawn unless told."""

Figure = dict[str, float | None]
"""`value`, `low` and `high`; None where undefined."""

_INTERVAL: Final = (0.025, 0.975)
_AT_ONCE: Final = 1 << 18  # weights that are held at a time: two megabytes stay in a processor's cache


@dataclass(frozen=True, eq=False)
class Resamples:
    """How often each row occurs in each resample.

    Attributes
    ----------
    counts : (resamples, groups) uint16 array
        How often each group is drawn.
    member : (n,) int array
        The group of each row.
    """

    counts: npt.NDArray[np.uint16]
    member: npt.NDArray[np.intp]

    @classmethod
    def draw(cls, groups: Names, resamples: int = RESAMPLES, seed: int = 0) -> "Resamples":
        """Draw as many groups as there are, with replacement, `resamples` times.

        Parameters
        ----------
        groups : sequence of n str
            Rows of one group come from one origin.
        resamples, seed : int
            How often, and what fixes the outcome, together with the names and not their order.
        """
        names, member = np.unique(np.asarray(groups), return_inverse=True)
        rng, shares = np.random.default_rng(seed), np.full(len(names), 1 / max(1, len(names)))
        counts = np.empty((resamples, len(names)), np.uint16)
        for row in counts if len(names) else ():
            row[:] = rng.multinomial(len(names), shares)
        return cls(counts, member)

    def of(self, rows: npt.NDArray[Any]) -> "Resamples":
        """Take the same draws for some of the rows, by their positions or a mask."""
        return Resamples(self.counts, self.member[rows])

    def weights(self) -> Iterator[Floats]:
        """Yield how often each row occurs: (k, n), for all resamples in turn."""
        step = max(1, _AT_ONCE // max(1, len(self.member)))
        for at in range(0, len(self.counts), step):
            yield self.counts[at : at + step, self.member].astype(np.float64)


def figures(
    metrics: Mapping[str, Metric], labels: Labels, probabilities: Floats, drawn: Resamples
) -> dict[str, Figure]:
    """Measure each figure with its interval; None where the rows do not define it.

    Parameters
    ----------
    metrics : mapping
        The figures by name.
    labels : (n,) int array
        0 real, 1 fake.
    probabilities : (n,) float64 array
        Of being fake.
    drawn : Resamples
        Of these rows.
    """
    if not len(labels) or not metrics:
        return {name: {"value": None, "low": None, "high": None} for name in metrics}
    order = np.argsort(-probabilities, kind="stable")  # once: every metric finds its rows in order from here on
    labels, probabilities, drawn = labels[order], probabilities[order], drawn.of(order)
    once = np.ones(len(labels))
    values = {name: metric(labels, probabilities, once) for name, metric in metrics.items()}
    blocks = [[metric.many(labels, probabilities, w) for metric in metrics.values()] for w in drawn.weights()]
    resampled = np.concatenate(blocks, axis=1) if blocks else np.empty((len(metrics), 0))
    return {name: _summary(values[name], found) for name, found in zip(metrics, resampled, strict=True)}


def evaluate(
    labels: Labels,
    probabilities: Floats,
    groups: Names,
    points: OperatingPoints,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a detector on rows it has not seen, each figure with its 95 % interval.

    Parameters
    ----------
    labels : (n,) int array
        0 real, 1 fake.
    probabilities : (n,) float64 array
        Of being fake, at equal priors.
    groups : sequence of n str
        Rows of one group come from one origin.
    points : OperatingPoints
        What names a verdict.
    resamples : int
        How many times the groups are drawn.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        `rows`, `real`, `fake`, `groups`, and for each figure `{"value", "low", "high"}`, None where it is undefined.
    """
    drawn = Resamples.draw(groups, resamples, seed)
    return {
        "rows": len(labels),
        "real": int(np.sum(labels == 0)),
        "fake": int(np.sum(labels == 1)),
        "groups": len(np.unique(np.asarray(groups))),
        **figures({**METRICS, **verdict_metrics(points)}, labels, probabilities, drawn),
    }


def differences(
    labels: Labels,
    first: Floats,
    second: Floats,
    groups: Names,
    names: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Figure]:
    """Measure by how much one detector is above another on the same rows, with 95 % intervals.

    Both are measured on the same resamples of the groups, so that what makes a resample hard for both cancels.

    Parameters
    ----------
    labels : (n,) int array
        0 real, 1 fake.
    first, second : (n,) float64 arrays
        The probabilities that each detector gives.
    groups : sequence of n str
        Rows of one group come from one origin.
    names : sequence of str
        Figures of METRICS.
    resamples, seed : int
        As `evaluate` takes them.

    Returns
    -------
    dict
        For each figure `{"value", "low", "high"}`, the first minus the second; None where it is undefined.
    """
    drawn = Resamples.draw(groups, resamples, seed)
    found: dict[str, Figure] = {}
    for name in names:
        apart = [
            METRICS[name].many(labels, first, weights) - METRICS[name].many(labels, second, weights)
            for weights in (np.ones((1, len(labels))), *drawn.weights())
        ]
        found[name] = _summary(float(apart[0][0]), np.concatenate(apart[1:]))
    return found


def _summary(value: float, drawn: Floats) -> Figure:
    """Give a figure with the percentiles of its resamples, those left out where a draw did not define it."""
    defined = drawn[np.isfinite(drawn)]
    low, high = np.quantile(defined, _INTERVAL).tolist() if defined.size else (None, None)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}
