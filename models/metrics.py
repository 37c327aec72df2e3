"""How good a detector is: every figure weighs its rows, so that one function serves the rows and resamples of them.

A weight counts how often a row occurs. A figure that its rows do not define (an AUC of one class) is NaN, and null in
reports. `models.intervals` draws the resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.calibration import OperatingPoints

__all__ = [
    "BINS",
    "METRICS",
    "VERDICT_METRICS",
    "Metric",
    "accuracy",
    "average_precision",
    "balanced",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "curves",
    "equal_error_rate",
    "f1",
    "log_loss",
    "precision",
    "recall",
    "roc_auc",
    "true_positive_rate",
    "verdict_metrics",
]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]
Names = Sequence[str] | npt.NDArray[Any]

BINS: Final = 15
"""Bins of equal width in which probabilities are held against what came true."""

_LEAST_LIKELY: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Metric:
    """A figure.

    Attributes
    ----------
    many : callable
        Takes labels (n,), probabilities (n,) and weights (..., n); gives the figure for each set of weights, (...).
    """

    many: Callable[..., Floats]

    def __call__(self, labels: Labels, probabilities: Floats, weights: Floats, **options: float) -> float:
        """Give the figure for one set of weights, (n,)."""
        return float(self.many(labels, probabilities, weights, **options))


@Metric
def roc_auc(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve: how often a fake ranks above a real one, ties by half (Mann and Whitney, 1947)."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    won = np.sum(np.diff(reals) * (fakes[..., :-1] + fakes[..., 1:]), axis=-1) / 2
    return _ratio(won, fakes[..., -1] * reals[..., -1])


@Metric
def average_precision(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Mean over the fakes of the precision at their probability, not interpolated."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    precisions = _ratio(fakes[..., 1:], (fakes + reals)[..., 1:], undefined=0.0)
    return _ratio(np.sum(np.diff(fakes) * precisions, axis=-1), fakes[..., -1])


@Metric
def equal_error_rate(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Where the ROC curve, points joined by lines, has as many reals called fake as fakes called real."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    accused, found = _ratio(reals, reals[..., -1:]), _ratio(fakes, fakes[..., -1:])
    return _crossing(accused, accused + found - 1)


@Metric
def true_positive_rate(labels: Labels, probabilities: Floats, weights: Floats, *, at: float = 0.01) -> Floats:
    """Share of fakes above the lowest threshold that at most the share `at` of the reals reaches."""
    fakes, reals = _cumulated(labels, probabilities, weights)
    within = np.sum(_ratio(reals, reals[..., -1:]) <= at, axis=-1) - 1
    rate = _ratio(np.take_along_axis(fakes, within[..., None], axis=-1)[..., 0], fakes[..., -1])
    return np.where(reals[..., -1] > 0, rate, np.nan)


@Metric
def accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Share of rows that probability >= 0.5 names rightly."""
    return _mean((probabilities >= 0.5) == labels, weights)


@Metric
def balanced_accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Mean of the shares of reals and of fakes that probability >= 0.5 names rightly."""
    right = (probabilities >= 0.5) == labels
    return (_mean(right, weights * (labels == 0)) + _mean(right, weights * (labels == 1))) / 2


@Metric
def precision(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Share of fakes among the rows of probability >= 0.5."""
    return _mean(labels == 1, weights * (probabilities >= 0.5))


@Metric
def recall(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Share of fakes that have probability >= 0.5."""
    return _mean(probabilities >= 0.5, weights * (labels == 1))


@Metric
def f1(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Harmonic mean of precision and recall at probability >= 0.5."""
    called = probabilities >= 0.5
    total = np.sum(weights * called, axis=-1) + np.sum(weights * (labels == 1), axis=-1)
    return _ratio(2 * np.sum(weights * (called & (labels == 1)), axis=-1), total)


@Metric
def brier(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Mean square of probability minus label (Brier, 1950, DOI 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2)."""
    return _mean((probabilities - labels) ** 2, weights)


@Metric
def log_loss(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Mean of minus the natural logarithm of the probability of what came true, that no less than 2.2e-16."""
    true = np.where(labels == 1, probabilities, 1 - probabilities)
    return _mean(-np.log(np.maximum(true, _LEAST_LIKELY)), weights)


@Metric
def calibration_error(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Sum the expected calibration error over fifteen bins of equal width (Guo et al., 2017, arXiv:1706.04599).

    Chance raises it: it is too high on few rows, and higher still on resamples of them.
    """
    cells = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    gaps = np.add.reduceat((weights * (probabilities - labels))[..., order], starts, axis=-1)
    return _ratio(np.sum(np.abs(gaps), axis=-1), np.sum(weights, axis=-1))


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
    "log_loss": log_loss,
}
"""The figures that need no operating points, by the names they have in reports."""


VERDICT_METRICS: Final = ("coverage", "verdict_accuracy", "reals_called_fake", "fakes_called_real")
"""The figures at the operating points: the share that gets a verdict, how often that is right, and both wrongs."""


def verdict_metrics(points: OperatingPoints) -> dict[str, Metric]:
    """Build the figures VERDICT_METRICS, which the operating points define."""

    def called(probabilities: Floats) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        return probabilities < points.real_below, probabilities >= points.fake_from

    def coverage(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        real, fake = called(probabilities)
        return _mean(real | fake, weights)

    def verdict_accuracy(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        real, fake = called(probabilities)
        return _mean(fake == labels, weights * (real | fake))

    def reals_called_fake(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        return _mean(called(probabilities)[1], weights * (labels == 0))

    def fakes_called_real(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        return _mean(called(probabilities)[0], weights * (labels == 1))

    own = (coverage, verdict_accuracy, reals_called_fake, fakes_called_real)
    return dict(zip(VERDICT_METRICS, map(Metric, own), strict=True))


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


def _ratio(numerator: Floats, denominator: Floats, undefined: float = np.nan) -> Floats:
    """Divide; `undefined` where that would be by zero."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    found = np.full(shape, undefined)
    np.divide(numerator, denominator, out=found, where=np.asarray(denominator) != 0)
    return found


def _mean(values: npt.NDArray[Any], weights: Floats) -> Floats:
    return _ratio(np.sum(values * weights, axis=-1), np.sum(weights, axis=-1))


def _cumulated(labels: Labels, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weigh the fakes and the reals that reach each distinct probability, from above every one to the least."""
    if np.any(np.diff(probabilities) > 0):
        order = np.argsort(-probabilities, kind="stable")
        labels, probabilities, weights = labels[order], probabilities[order], weights[..., order]
    ends = np.append(np.flatnonzero(np.diff(probabilities)), len(labels) - 1)
    none = np.zeros((*weights.shape[:-1], 1))
    fakes, reals = (np.cumsum(weights * (labels == label), axis=-1)[..., ends] for label in (1, 0))
    return np.concatenate([none, fakes], axis=-1), np.concatenate([none, reals], axis=-1)


def _crossing(values: Floats, signs: Floats) -> Floats:
    """Interpolate `values` where the rising `signs`, from -1 to 1, pass zero, along the last axis."""
    after = np.maximum(np.argmax(signs >= 0, axis=-1)[..., None], 1)
    (v0, v1), (s0, s1) = ([np.take_along_axis(a, after - k, axis=-1)[..., 0] for k in (1, 0)] for a in (values, signs))
    return v0 - s0 / (s1 - s0) * (v1 - v0)
