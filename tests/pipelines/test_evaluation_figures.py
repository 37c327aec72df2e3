"""Figures of an evaluation, each counted by hand on a few rows."""

import numpy as np
import pytest

from models.calibration import OperatingPoints
from models.intervals import evaluate
from models.metrics import METRICS, VERDICT_METRICS
from pipelines.evaluation_figures import (
    Judged,
    block,
    confusion,
    curves_of,
    reliability,
    robustness,
    sources,
    whole_block,
)
from pipelines.robustness import LEVELS
from tests.pipelines.judgements import judgements

NAN = float("nan")
NOTHING = {"value": None, "low": None, "high": None}


@pytest.fixture
def few() -> Judged:
    """Four reals and four fakes; one of each has no face, one fake is right but was withheld."""
    return judgements(
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0.1, 0.4, 0.9, NAN, 0.1, 0.95, 0.96, NAN],
        ["real", "uncertain", "fake", "no_face", "real", "fake", "uncertain", "no_face"],
    )


def test_verdicts_count_as_they_were_given(few: Judged) -> None:
    found = whole_block(few)
    values = {name: found[name]["value"] for name in VERDICT_METRICS}
    assert values == {
        "coverage": 4 / 8, "verdict_accuracy": 2 / 4, "reals_called_fake": 1 / 4, "fakes_called_real": 1 / 4,
    }  # fmt: skip
    assert (found["rows"], found["real"], found["fake"], found["groups"]) == (8, 4, 4, 8)
    assert (found["no_face"], found["majority"]) == (2, 0.5)


def test_figures_of_probabilities_leave_out_what_has_none(few: Judged) -> None:
    found = whole_block(few)
    assert found["accuracy"]["value"] == 4 / 6
    assert found["auc"]["value"] == pytest.approx((0.5 + 0 + 0 + 3 + 3) / 9)
    assert found["log_loss"]["value"] == pytest.approx(-np.log([0.9, 0.6, 0.1, 0.1, 0.95, 0.96]).mean())


def test_figures_are_those_of_a_training() -> None:
    """What verdicts say and what the operating points say is the same, where nothing is withheld."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1)
    points = OperatingPoints(fake_from=0.7, real_below=0.3)
    judged = judgements(labels.tolist(), probabilities.tolist(), [points.decide(p) for p in probabilities.tolist()])
    expected = evaluate(labels, probabilities, judged.groups, points, resamples=20)
    assert block(judged, (*METRICS, *VERDICT_METRICS)) == expected


def test_one_class_gets_what_speaks_of_one_class() -> None:
    reals = judgements([0, 0, 0, 0], [0.1, 0.2, 0.6, 0.9], ["real", "real", "uncertain", "fake"])
    found = whole_block(reals)
    given = {name for name, figure in found.items() if isinstance(figure, dict) and figure["value"] is not None}
    assert given == {"accuracy", "coverage", "verdict_accuracy", "reals_called_fake"}
    assert found["reals_called_fake"]["value"] == 1 / 4
    assert found["coverage"]["value"] == 3 / 4
    assert found["accuracy"]["value"] == 2 / 4
    assert (found["auc"], found["majority"]) == (NOTHING, 1.0)
    assert not reals.has_both
    assert len(reals.balanced().labels) == 4


def test_confusion_counts(few: Judged) -> None:
    assert confusion(few) == {
        "verdicts": {
            "real": {"real": 1, "uncertain": 1, "fake": 1, "no_face": 1},
            "fake": {"real": 1, "uncertain": 1, "fake": 1, "no_face": 1},
        },
        "half": {"real": {"real": 2, "fake": 1}, "fake": {"real": 1, "fake": 2}},
    }


def test_reliability_holds_probabilities_against_what_came_true() -> None:
    judged = judgements([0, 1, 1, 0, 1], [0.01, 0.05, 1.0, 0.5, NAN], ["real"] * 5)
    low, middle, high = reliability(judged)
    assert (low["low"], low["high"], low["rows"]) == (0, pytest.approx(1 / 15), 2)
    assert low["probability"] == pytest.approx(0.03)
    assert low["fakes"]["value"] == 0.5
    assert 0 <= low["fakes"]["low"] <= low["fakes"]["high"] <= 1
    assert (middle["low"], middle["fakes"]["value"]) == (pytest.approx(7 / 15), 0)
    assert (high["high"], high["fakes"]["value"]) == (1, 1)


def test_curves_of_few_rows_are_whole() -> None:
    judged = judgements([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], ["real"] * 4)
    found = curves_of(judged)
    assert found["roc"] == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert found["pr"] == [[0, 1], [0.5, 1], [0.5, 0.5], [1, pytest.approx(2 / 3)], [1, 0.5]]


def test_curves_of_many_rows_are_thinned_and_keep_their_area() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 3000)
    judged = judgements(labels.tolist(), (rng.normal(size=3000) + labels).tolist(), ["real"] * 3000, resamples=2)
    roc = np.array(curves_of(judged)["roc"])
    assert 150 < len(roc) <= 200
    assert roc[0].tolist() == [0, 0]
    assert roc[-1].tolist() == [1, 1]
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(block(judged, ["auc"])["auc"]["value"], abs=0.003)


def test_each_source_is_balanced_by_itself() -> None:
    judged = judgements(
        [0, 1, 1, 1, 0, 0],
        [0.1, 0.9, 0.2, 0.3, 0.2, 0.8],
        ["real", "fake", "real", "real", "real", "fake"],
        sources=["a", "a", "a", "a", "b", "b"],
    )
    first, second = sources(judged, resamples=10, seed=0)
    assert (first["source"], first["balanced"], first["real"], first["fake"]) == ("a", True, 1, 1)
    assert (first["auc"]["value"], first["accuracy"]["value"]) == (1, 1)
    assert (second["source"], second["balanced"], second["real"], second["fake"]) == ("b", False, 2, 0)
    assert (second["reals_called_fake"]["value"], second["auc"]) == (0.5, NOTHING)


def test_robustness_names_the_worst_level() -> None:
    labels = [0, 0, 1, 1]
    whole = judgements(labels, [0.1, 0.2, 0.8, 0.9], ["real", "real", "fake", "fake"])
    worse = judgements(labels, [0.1, 0.9, 0.8, 0.95], ["real", "fake", "fake", "fake"])
    mild, severe = LEVELS["jpeg-95"], LEVELS["jpeg-20"]
    found = robustness(whole, [(mild, whole), (severe, worse.at(np.array([0, 1, 2])))], [0, 1])
    assert found["baseline"]["auc"]["value"] == 1
    assert [level["failed"] for level in found["levels"]] == [0, 1]
    assert [level["rows"] for level in found["levels"]] == [4, 3]
    for name, value in (("auc", 0.5), ("reals_called_fake", 0.5), ("accuracy", 2 / 3)):
        assert found["worst"][name]["name"] == "JPEG, quality 20"
        assert (found["worst"][name]["level"], found["worst"][name]["value"]["value"]) == (5, pytest.approx(value))


def test_the_worst_of_one_class_is_named_where_it_is_defined() -> None:
    reals = judgements([0, 0], [0.1, 0.9], ["real", "fake"])
    worst = robustness(reals, [(LEVELS["blur-3"], reals)], [0])["worst"]
    assert worst["auc"] is None
    assert worst["reals_called_fake"]["value"]["value"] == 0.5
