"""How good a detector is, with intervals: every figure weighs its rows, and whole groups are drawn again.

A weight counts how often a row occurs, so one set of functions serves the rows as they are and any resample of them.
A figure that its rows do not define (an AUC of one class) is NaN, and null in reports.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.calibration import OperatingPoints

__all__ = [
    "METRICS",
    "VERDICT_METRICS",
    "accuracy",
    "average_precision",
    "balanced",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "curves",
    "differences",
    "equal_error_rate",
    "evaluate",
    "f1",
    "precision",
    "recall",
    "roc_auc",
    "true_positive_rate",
]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]
Names = Sequence[str] | npt.NDArray[Any]
Metric = Callable[[Labels, Floats, Floats], float]

_BINS: Final = 15
_INTERVAL: Final = (0.025, 0.975)


def roc_auc(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Area under the ROC curve: how often a fake ranks above a real one, ties by half (Mann and Whitney, 1947)."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    if not fakes[-1] or not reals[-1]:
        return float("nan")
    steps = np.diff(reals)
    return float(np.sum(steps * (fakes[:-1] + fakes[1:])) / 2 / (fakes[-1] * reals[-1]))


def average_precision(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean over the fakes of the precision at their probability, not interpolated."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    if not fakes[-1]:
        return float("nan")
    gained = np.diff(fakes)
    hit = gained > 0  # elsewhere a resample may have no rows at all, and no precision
    return float(np.sum(gained[hit] * fakes[1:][hit] / (fakes + reals)[1:][hit]) / fakes[-1])


def equal_error_rate(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Where the ROC curve, points joined by lines, has as many reals called fake as fakes called real."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    if not fakes[-1] or not reals[-1]:
        return float("nan")
    accused, missed = reals / reals[-1], 1 - fakes / fakes[-1]
    return float(_crossing(accused, accused - missed))


def true_positive_rate(labels: Labels, probabilities: Floats, weights: Floats, *, at: float = 0.01) -> float:
    """Share of fakes above the lowest threshold that at most the share `at` of the reals reaches."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    if not fakes[-1] or not reals[-1]:
        return float("nan")
    within = np.flatnonzero(reals <= at * reals[-1])
    return float(fakes[within[-1]] / fakes[-1])


def accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Share of rows that probability >= 0.5 names rightly."""
    return _mean((probabilities >= 0.5) == labels, weights)


def balanced_accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean of the shares of reals and of fakes that probability >= 0.5 names rightly."""
    right = (probabilities >= 0.5) == labels
    return (_mean(right, weights * (labels == 0)) + _mean(right, weights * (labels == 1))) / 2


def precision(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Share of fakes among the rows of probability >= 0.5."""
    return _mean(labels == 1, weights * (probabilities >= 0.5))


def recall(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Share of fakes that have probability >= 0.5."""
    return _mean(probabilities >= 0.5, weights * (labels == 1))


def f1(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Harmonic mean of precision and recall at probability >= 0.5."""
    called = probabilities >= 0.5
    total = float(np.sum(weights * called) + np.sum(weights * (labels == 1)))
    return 2 * float(np.sum(weights * (called & (labels == 1)))) / total if total else float("nan")


def brier(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean square of probability minus label (Brier, 1950, DOI 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2)."""
    return _mean((probabilities - labels) ** 2, weights)


def calibration_error(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Sum the expected calibration error over fifteen bins of equal width (Guo et al., 2017, arXiv:1706.04599).

    Chance raises it: it is too high on few rows, and higher still on resamples of them.
    """
    cell = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    gap = np.bincount(cell, weights * (probabilities - labels), _BINS)
    return float(np.sum(np.abs(gap)) / np.sum(weights))


METRICS: Final[Mapping[str, Metric]] = {
    "auc": roc_auc,
    "average_precision": average_precision,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "eer": equal_error_rate,
    "tpr_at_fpr_1": true_positive_rate,
    "ece": calibration_error,
    "brier": brier,
}
"""The figures that need no operating points, by the names they have in reports."""


VERDICT_METRICS: Final = ("coverage", "verdict_accuracy", "reals_called_fake", "fakes_called_real")
"""The figures at the operating points: the share that gets a verdict, how often that is right, and both wrongs."""


def balanced(labels: Labels, digests: Names) -> npt.NDArray[np.intp]:
    """Choose equally many rows of both classes: the smaller class whole, of the other those of lowest sha256.

    Returns
    -------
    (m,) int array
        Positions of the chosen rows, ascending.
    """
    order = np.argsort(np.asarray(digests), kind="stable")
    classes = [order[labels[order] == label] for label in (0, 1)]
    size = min(len(rows) for rows in classes)
    return np.sort(np.concatenate([rows[:size] for rows in classes]))


def evaluate(
    labels: Labels,
    probabilities: Floats,
    groups: Names,
    points: OperatingPoints,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a detector on rows it has not seen, each figure with its 95 % interval.

    The intervals are percentiles of a bootstrap over groups: rows of one group are alike and are drawn together
    (Field and Welsh, 2007, DOI 10.1111/j.1467-9868.2007.00593.x).

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
    order = np.argsort(-probabilities, kind="stable")  # once: every metric's own sort is a mere pass from here on
    labels, probabilities, groups = labels[order], probabilities[order], np.asarray(groups)[order]
    figures = {**METRICS, **_verdict_metrics(points)}
    values = _measure(figures, labels, probabilities, np.ones(len(labels)))
    drawn = np.array([_measure(figures, labels, probabilities, draw) for draw in _draws(groups, resamples, seed)])
    return {
        "rows": len(labels),
        "real": int(np.sum(labels == 0)),
        "fake": int(np.sum(labels == 1)),
        "groups": len(np.unique(groups)),
        **{name: _summary(value, drawn[:, i]) for i, (name, value) in enumerate(zip(figures, values, strict=True))},
    }


def differences(
    labels: Labels,
    first: Floats,
    second: Floats,
    groups: Names,
    names: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, float | None]]:
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
    figures = {name: METRICS[name] for name in names}

    def apart(weights: Floats) -> Floats:
        above, below = (_measure(figures, labels, given, weights) for given in (first, second))
        return np.subtract(above, below)

    values = apart(np.ones(len(labels))).tolist()
    drawn = np.array([apart(draw) for draw in _draws(groups, resamples, seed)])
    return {name: _summary(value, drawn[:, i]) for i, (name, value) in enumerate(zip(names, values, strict=True))}


def curves(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats, Floats]:
    """Give false positive rate, true positive rate (recall) and precision at each threshold, from the highest down.

    Parameters
    ----------
    labels : (n,) int array
        0 real, 1 fake; both occur.
    probabilities : (n,) float64 array
        Of being fake.

    Returns
    -------
    three (k,) float64 arrays
        The first point is that of a threshold above all: 0, 0 and a precision of 1.
    """
    fakes, reals = _cumulated(labels, probabilities, np.ones(len(labels)))
    precisions = np.append(1.0, fakes[1:] / (fakes + reals)[1:])
    return reals / reals[-1], fakes / fakes[-1], precisions


def _draws(groups: Names, resamples: int, seed: int) -> Iterator[Floats]:
    """Draw groups with replacement: how often each row occurs, (n,), once for each resample."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[member].astype(np.float64)


def _verdict_metrics(points: OperatingPoints) -> dict[str, Metric]:
    """Build the figures that the operating points define."""

    def called(probabilities: Floats) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        return probabilities < points.real_below, probabilities >= points.fake_from

    def coverage(labels: Labels, probabilities: Floats, weights: Floats) -> float:
        real, fake = called(probabilities)
        return _mean(real | fake, weights)

    def verdict_accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> float:
        real, fake = called(probabilities)
        return _mean(fake == labels, weights * (real | fake))

    def reals_called_fake(labels: Labels, probabilities: Floats, weights: Floats) -> float:
        return _mean(called(probabilities)[1], weights * (labels == 0))

    def fakes_called_real(labels: Labels, probabilities: Floats, weights: Floats) -> float:
        return _mean(called(probabilities)[0], weights * (labels == 1))

    own: tuple[Metric, ...] = (coverage, verdict_accuracy, reals_called_fake, fakes_called_real)
    return dict(zip(VERDICT_METRICS, own, strict=True))


def _measure(figures: Mapping[str, Metric], labels: Labels, probabilities: Floats, weights: Floats) -> list[float]:
    return [metric(labels, probabilities, weights) for metric in figures.values()]


def _summary(value: float, drawn: Floats) -> dict[str, float | None]:
    """Give a figure with the percentiles of its resamples, those left out where a draw did not define it."""
    defined = drawn[np.isfinite(drawn)]
    low, high = np.quantile(defined, _INTERVAL).tolist() if defined.size else (None, None)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}


def _mean(values: npt.NDArray[Any], weights: Floats) -> float:
    total = float(np.sum(weights))
    return float(np.sum(values * weights)) / total if total else float("nan")


def _cumulated(labels: Labels, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weigh the fakes and the reals that reach each distinct probability, from above every one to the least."""
    order = np.argsort(-probabilities, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
    fakes, reals = (np.cumsum((weights * (labels == label))[order])[ends] for label in (1, 0))
    return np.concatenate([[0.0], fakes]), np.concatenate([[0.0], reals])


def _crossing(values: Floats, signs: Floats) -> float:
    """Interpolate `values` where the rising `signs`, from -1 to 1, pass zero."""
    after = int(np.argmax(signs >= 0))
    share = -signs[after - 1] / (signs[after] - signs[after - 1])
    return float(values[after - 1] + share * (values[after] - values[after - 1]))
