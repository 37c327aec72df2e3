"""Every figure against scikit-learn or a direct count, with weights."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models import metrics
from models.calibration import OperatingPoints
from models.metrics import METRICS, balanced, curves


def sample(n: int = 700, seed: int = 0) -> tuple[Any, Any, Any]:
    """Labels, probabilities with many ties, and weights of which some are zero."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    probabilities = np.round(1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * labels - 0.7))), 2)
    return labels, probabilities, rng.integers(0, 4, n).astype(np.float64)


ORACLES = {
    "auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p >= 0.5, sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p >= 0.5, sample_weight=w),
    "precision": lambda y, p, w: sk.precision_score(y, p >= 0.5, sample_weight=w),
    "recall": lambda y, p, w: sk.recall_score(y, p >= 0.5, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p >= 0.5, sample_weight=w),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_scikit_learn(name: str, seed: int) -> None:
    labels, probabilities, weights = sample(seed=seed)
    for w in (np.ones_like(weights), weights):
        assert METRICS[name](labels, probabilities, w) == pytest.approx(ORACLES[name](labels, probabilities, w))


@pytest.mark.parametrize("name", METRICS)
def test_a_weight_counts_repeats_and_order_does_not_matter(name: str) -> None:
    labels, probabilities, weights = sample(300)
    repeated = np.repeat(np.arange(300), weights.astype(int))
    np.random.default_rng(1).shuffle(repeated)
    weighted = METRICS[name](labels, probabilities, weights)
    assert METRICS[name](labels[repeated], probabilities[repeated], np.ones(len(repeated))) == pytest.approx(weighted)


@pytest.mark.parametrize("name", METRICS)
def test_many_sets_of_weights_at_once_give_what_each_gives(name: str) -> None:
    labels, probabilities, weights = sample(300)
    sets = np.stack([weights, np.ones(300), weights * (labels == 0), np.zeros(300), weights[::-1]])
    single = [METRICS[name](labels, probabilities, one) for one in sets]
    assert METRICS[name].many(labels, probabilities, sets).tolist() == pytest.approx(single, nan_ok=True)
    assert METRICS[name].many(labels, probabilities, sets[:0]).shape == (0,)


def test_log_loss_of_a_certain_error_is_finite() -> None:
    labels, ones = np.array([0, 1]), np.ones(2)
    assert metrics.log_loss(labels, np.array([0.5, 0.25]), ones) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert metrics.log_loss(labels, np.array([1.0, 1.0]), ones) == pytest.approx(-np.log(2.0**-52) / 2)


def test_auc_counts_pairs() -> None:
    labels, probabilities, weights = sample(120)
    won = total = 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero(labels == 0):
            pair = weights[i] * weights[j]
            total += pair
            won += pair * (
                float(probabilities[i] > probabilities[j]) + 0.5 * float(probabilities[i] == probabilities[j])
            )
    assert metrics.roc_auc(labels, probabilities, weights) == pytest.approx(won / total)


def test_equal_error_rate() -> None:
    ones = np.ones(8)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert metrics.equal_error_rate(labels, np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.8, 0.8, 0.9]), ones) == 0.25
    assert metrics.equal_error_rate(labels, labels.astype(float), ones) == 0
    assert metrics.equal_error_rate(labels, np.full(8, 0.5), ones) == 0.5
    y, p, w = sample(5000)
    accused, found, _ = sk.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    grid = np.linspace(0, 1, 200001)
    gap = np.abs(grid - (1 - np.interp(grid, accused, found)))
    assert metrics.equal_error_rate(y, p, w) == pytest.approx(grid[gap.argmin()], abs=1e-4)


def test_true_positive_rate_at_one_per_cent() -> None:
    labels = np.repeat([0, 1], [200, 4])
    probabilities = np.concatenate([np.arange(200) / 200, [0.9875, 0.9925, 0.9975, 0.1]])
    assert metrics.true_positive_rate(labels, probabilities, np.ones(204)) == 0.75  # two reals may be above
    assert metrics.true_positive_rate(labels, probabilities, np.ones(204), at=0.0) == 0.25


def test_calibration_error_by_hand() -> None:
    labels = np.array([0, 1, 1, 1])
    probabilities = np.array([0.51, 0.52, 0.90, 1.0])  # two bins: 1 of 2 in the first, 2 of 2 in the last
    assert metrics.calibration_error(labels, probabilities, np.ones(4)) == pytest.approx((0.03 + 0.10) / 4)


@pytest.mark.parametrize("name", ["auc", "average_precision", "recall", "eer", "tpr_at_fpr_1", "balanced_accuracy"])
def test_one_class_leaves_a_figure_undefined_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(METRICS[name](np.zeros(5, np.int64), np.linspace(0, 1, 5), np.ones(5)))


def test_figures_at_operating_points_count_verdicts() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    probabilities = np.array([0.1, 0.1, 0.5, 0.9, 0.1, 0.8, 0.9, 0.2])
    found = metrics.verdict_metrics(OperatingPoints(fake_from=0.8, real_below=0.2))
    values = {name: metric(labels, probabilities, np.ones(8)) for name, metric in found.items()}
    assert values == {
        "coverage": 6 / 8, "verdict_accuracy": 4 / 6, "reals_called_fake": 1 / 4, "fakes_called_real": 1 / 4,
    }  # fmt: skip


def test_balanced_takes_the_smaller_class_whole_and_the_lowest_digests() -> None:
    labels = np.array([1, 0, 1, 1, 0, 1])
    digests = ["f", "b", "0", "9", "c", "1"]
    assert balanced(labels, digests).tolist() == [1, 2, 4, 5]
    assert balanced(1 - labels, digests).tolist() == [1, 2, 4, 5]


def test_curves_agree_with_scikit_learn() -> None:
    labels, probabilities, _ = sample()
    false, true, precisions = curves(labels, probabilities)
    expected = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    np.testing.assert_allclose((false, true), expected[:2])
    above, found, _ = sk.precision_recall_curve(labels, probabilities)
    np.testing.assert_allclose((true[::-1], precisions[::-1]), (found, above))
