"""The bootstrap against what it is for: intervals of the sampling distribution, whole groups, pairs."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models.calibration import OperatingPoints
from models.intervals import Resamples, differences, evaluate, figures
from models.metrics import METRICS, VERDICT_METRICS
from tests.models.test_metrics import sample

POINTS = OperatingPoints(fake_from=0.8, real_below=0.2)


def test_a_resample_has_as_many_groups_as_there_are() -> None:
    drawn = Resamples.draw(["b", "a", "b", "c"], resamples=300, seed=1)
    (weights,) = drawn.weights()
    assert weights.shape == (300, 4)
    assert np.array_equal(weights[:, 0], weights[:, 2])
    assert np.all(weights[:, [0, 1, 3]].sum(axis=1) == 3)
    assert weights.mean(axis=0) == pytest.approx(np.ones(4), abs=0.15)
    (some,) = drawn.of(np.array([3, 0])).weights()
    assert np.array_equal(some, weights[:, [3, 0]])


def test_draws_come_in_blocks_that_are_those_of_one_pass() -> None:
    groups = [str(i) for i in range(3000)]
    drawn = Resamples.draw(groups, resamples=200)
    blocks = list(drawn.weights())
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), drawn.counts[:, drawn.member])


def test_no_rows_and_no_resamples_give_no_figures() -> None:
    empty = Resamples.draw([], resamples=3)
    nothing = {"value": None, "low": None, "high": None}
    assert figures(METRICS, np.zeros(0, np.int64), np.zeros(0), empty) == dict.fromkeys(METRICS, nothing)
    labels, probabilities, _ = sample(50)
    found = figures({"auc": METRICS["auc"]}, labels, probabilities, Resamples.draw(["a"] * 50, resamples=0))
    assert found["auc"]["value"] == pytest.approx(sk.roc_auc_score(labels, probabilities))
    assert found["auc"]["low"] is None


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
