"""Every figure against scikit-learn or a direct count, with weights; the bootstrap against what it is for."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models import metrics
from models.calibration import OperatingPoints
from models.metrics import METRICS, VERDICT_METRICS, balanced, curves, differences, evaluate

POINTS = OperatingPoints(fake_from=0.8, real_below=0.2)


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


def test_balanced_takes_the_smaller_class_whole_and_the_lowest_digests() -> None:
    labels = np.array([1, 0, 1, 1, 0, 1])
    digests = ["f", "b", "0", "9", "c", "1"]
    assert balanced(labels, digests).tolist() == [1, 2, 4, 5]
    assert balanced(1 - labels, digests).tolist() == [1, 2, 4, 5]


def test_evaluate_gives_every_figure_inside_its_interval() -> None:
    labels, probabilities, _ = sample(2000)
    report = evaluate(labels, probabilities, [f"g{i // 2}" for i in range(2000)], POINTS, resamples=200)
    assert {name: report[name] for name in ("rows", "real", "fake", "groups")} == {
        "rows": 2000, "real": int((labels == 0).sum()), "fake": int((labels == 1).sum()), "groups": 1000,
    }  # fmt: skip
    for name in (*METRICS, *VERDICT_METRICS):
        if name != "ece":  # raised by chance, see its docstring
            assert report[name]["low"] < report[name]["value"] < report[name]["high"], name
    assert report["auc"]["value"] == pytest.approx(sk.roc_auc_score(labels, probabilities))


def test_verdict_figures() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    probabilities = np.array([0.1, 0.1, 0.5, 0.9, 0.1, 0.8, 0.9, 0.2])
    report = evaluate(labels, probabilities, list("abcdefgh"), POINTS, resamples=2)
    values = {name: report[name]["value"] for name in VERDICT_METRICS}
    assert values == {
        "coverage": 6 / 8, "verdict_accuracy": 4 / 6, "reals_called_fake": 1 / 4, "fakes_called_real": 1 / 4,
    }  # fmt: skip


def test_interval_is_that_of_the_sampling_distribution() -> None:
    """A 95 % interval of accuracy 0.8 on 400 single rows is close to the binomial one."""
    labels = np.repeat([0, 1], 200)
    probabilities = np.where(np.arange(400) % 5 == 0, 1.0 - labels, labels).astype(float)
    report = evaluate(labels, probabilities, [str(i) for i in range(400)], POINTS, resamples=2000)["accuracy"]
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert (report["low"], report["high"]) == pytest.approx((0.8 - spread, 0.8 + spread), abs=0.006)


def test_interval_widens_where_rows_of_a_group_are_alike() -> None:
    labels, probabilities, _ = sample(300)
    single = evaluate(labels, probabilities, [str(i) for i in range(300)], POINTS, resamples=400)["auc"]
    fourfold = np.repeat(np.arange(300), 4)
    grouped = evaluate(labels[fourfold], probabilities[fourfold], [str(i) for i in fourfold], POINTS, resamples=400)[
        "auc"
    ]
    assert grouped["high"] - grouped["low"] == pytest.approx(single["high"] - single["low"], rel=0.2)


def test_evaluate_repeats_and_its_seed_counts() -> None:
    labels, probabilities, _ = sample(200)
    groups = [str(i // 3) for i in range(200)]
    first, again, other = (evaluate(labels, probabilities, groups, POINTS, resamples=50, seed=s) for s in (0, 0, 1))
    assert first == again
    assert first["auc"]["value"] == other["auc"]["value"]
    assert first["auc"]["low"] != other["auc"]["low"]


def test_evaluate_does_not_depend_on_the_order_of_rows() -> None:
    labels, probabilities, _ = sample(200)
    groups = np.array([str(i // 3) for i in range(200)])
    order = np.random.default_rng(3).permutation(200)
    straight = evaluate(labels, probabilities, groups, POINTS, resamples=20)
    shuffled = evaluate(labels[order], probabilities[order], groups[order], POINTS, resamples=20)
    for name in METRICS:
        assert list(shuffled[name].values()) == pytest.approx(list(straight[name].values()))


def test_undefined_figures_are_null() -> None:
    report = evaluate(np.zeros(5, np.int64), np.linspace(0, 0.4, 5), list("abcde"), POINTS, resamples=3)
    assert report["auc"] == {"value": None, "low": None, "high": None}
    assert report["accuracy"]["value"] == 1.0


def test_curves_agree_with_scikit_learn() -> None:
    labels, probabilities, _ = sample()
    false, true, precisions = curves(labels, probabilities)
    expected = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    np.testing.assert_allclose((false, true), expected[:2])
    above, found, _ = sk.precision_recall_curve(labels, probabilities)
    np.testing.assert_allclose((true[::-1], precisions[::-1]), (found, above))


def pair(n: int = 600) -> tuple[Any, Any, Any, Any]:
    """Labels, a detector, one that is a little worse on the same hard rows, and groups of three rows."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, n)
    hard = rng.normal(size=n) + 1.2 * labels
    first, second = (1 / (1 + np.exp(0.6 - hard - rng.normal(scale=scale, size=n))) for scale in (0.1, 0.5))
    return labels, first, second, [f"g{i // 3}" for i in range(n)]


def test_a_difference_is_that_of_the_figures_and_has_a_sign() -> None:
    labels, first, second, groups = pair()
    there, back = (differences(labels, a, b, groups, list(METRICS)) for a, b in ((first, second), (second, first)))
    ones = np.ones(len(labels))
    for name, metric in METRICS.items():
        value, low, high = there[name].values()
        assert value == metric(labels, first, ones) - metric(labels, second, ones)
        assert value is not None
        assert low is not None
        assert high is not None
        assert [back[name][key] for key in ("value", "low", "high")] == pytest.approx([-value, -high, -low])
    same = differences(labels, first, first.copy(), groups, ["auc"])
    assert same == {"auc": {"value": 0.0, "low": 0.0, "high": 0.0}}


def test_pairing_tells_apart_what_two_intervals_do_not() -> None:
    labels, first, second, groups = pair()
    one, other = (evaluate(labels, p, groups, POINTS)["auc"] for p in (first, second))
    found = differences(labels, first, second, groups, ["auc"])["auc"]
    assert one["low"] < other["high"]  # the intervals overlap
    assert found["low"] is not None
    assert found["low"] > 0


def test_rows_of_a_group_are_drawn_together() -> None:
    labels, first, second, groups = pair(300)
    twice = [np.concatenate([values, values]) for values in (labels, first, second)]
    once = differences(labels, first, second, groups, ["auc"])["auc"]
    assert differences(twice[0], twice[1], twice[2], groups * 2, ["auc"])["auc"] == pytest.approx(once)
