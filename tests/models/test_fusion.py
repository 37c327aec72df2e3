"""Two stages: forensic trees from what the network learnt from, then further trees that start from it and them."""

from functools import cache

import lightgbm
import numpy as np
import pytest

from models import fusion
from models.booster import BoosterParams, Part, fit
from models.fusion import Fused, fuse
from models.metrics import roc_auc
from models.tree_text import to_onnx
from models.trees import Trees, add_up

FORENSIC, WIDTH = 6, 10
LOGIT = f"embedding.logit.{WIDTH - 1}"
NAMES = [f"toy.block.{i}" for i in range(FORENSIC)] + [f"embedding.logit.{i}" for i in range(FORENSIC, WIDTH)]
QUICK = BoosterParams(learning_rate=0.1, num_leaves=7, feature_fraction=1.0, max_trees=60, early_stopping_rounds=20)


def rows(number: int, seed: int, *, knows: bool = False) -> Part:
    """Rows of which every forensic column, an embedding and the logit each tell something of their own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, number)
    values = rng.normal(size=(number, WIDTH)) + 0.35 * labels[:, None] * (np.arange(WIDTH) != FORENSIC)
    values[:, -1] += labels * (10.0 if knows else 0.5)
    return Part(values.astype(np.float32), labels)


@cache
def fused() -> Fused:
    learnt = rows(1500, 1, knows=True)
    forensic = Part(np.ascontiguousarray(learnt.held[:, :FORENSIC]), learnt.labels)
    return fuse(forensic, rows(700, 2), rows(500, 3), NAMES, (LOGIT,), params=QUICK, further=QUICK, threads=1)


def auc(part: Part, scores: np.typing.NDArray[np.floating]) -> float:
    return roc_auc(part.labels, scores.astype(np.float64), np.ones(len(scores)))


def test_both_stages_are_one_booster_over_one_vector() -> None:
    found = fused()
    booster = lightgbm.Booster(model_str=found.fitted.text)
    assert booster.feature_name() == NAMES
    assert booster.num_trees() == sum(found.stages) == found.fitted.best_iteration
    gains = dict(zip(NAMES, booster.feature_importance("gain"), strict=True))
    assert all(gains[name] > 0 for name in (NAMES[0], NAMES[FORENSIC + 1]))
    assert found.start.names == (LOGIT,)


def test_the_first_stage_is_what_fit_makes_of_it_times_a_factor() -> None:
    learnt, validation = rows(1500, 1, knows=True), rows(500, 3)
    first = fit(
        Part(np.ascontiguousarray(learnt.held[:, :FORENSIC]), learnt.labels),
        Part(np.ascontiguousarray(validation.held[:, :FORENSIC]), validation.labels),
        NAMES[:FORENSIC],
        params=QUICK,
        threads=1,
    )
    found, values = fused(), rows(50, 4).held
    booster = lightgbm.Booster(model_str=found.fitted.text)
    begun = booster.predict(values, raw_score=True, num_iteration=found.stages[0])
    factors = begun / Trees(to_onnx(first.text)).scores(values[:, :FORENSIC])
    assert found.stages[0] == first.best_iteration
    np.testing.assert_allclose(factors, factors[0], rtol=1e-4)
    assert 0 < factors[0] < 3


def test_the_whole_is_better_than_its_parts_and_its_auc_is_reported() -> None:
    found, strange = fused(), rows(3000, 5)
    trees = Trees(to_onnx(found.fitted.text))
    whole = auc(strange, add_up(trees, found.start, strange.held, NAMES))
    assert whole > auc(strange, trees.scores(strange.held)) + 0.01
    assert whole > auc(strange, strange.held[:, -1]) + 0.05
    validation = rows(500, 3)
    again = auc(validation, add_up(trees, found.start, validation.held, NAMES))
    assert again == pytest.approx(found.fitted.validation_auc, abs=2e-4)  # of equal weights there, weighted here


def test_further_trees_count_half_of_what_they_were_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    half, strange = fused(), rows(50, 4).held
    monkeypatch.setattr(fusion, "FURTHER_SHARE", 1.0)
    whole = fused.__wrapped__()
    assert half.stages == whole.stages
    first, every = half.stages[0], sum(half.stages)
    for begin, count, share in ((0, first, 1.0), (first, every - first, 0.5)):
        halved, full = (
            np.asarray(lightgbm.Booster(model_str=found.fitted.text).predict(strange, begin, count, raw_score=True))
            for found in (half, whole)
        )
        np.testing.assert_allclose(halved, share * full, rtol=1e-6)


def test_a_logit_that_knows_too_much_of_what_it_learnt_from_gains_no_weight_by_it() -> None:
    (weight,) = fused().start.weights
    assert 0.3 < weight < 2  # its true log odds ratio is 0.85; where it learnt, 10.35


def test_forensic_trees_that_mislead_get_no_weight() -> None:
    learnt = rows(800, 6)
    against = Part(np.ascontiguousarray(learnt.held[:, :FORENSIC]), 1 - learnt.labels)
    found = fuse(against, rows(700, 2), rows(500, 3), NAMES, (LOGIT,), params=QUICK, further=QUICK, threads=1)
    booster = lightgbm.Booster(model_str=found.fitted.text)
    begun = np.asarray(booster.predict(rows(20, 4).held, raw_score=True, num_iteration=found.stages[0]))
    assert begun.tolist() == [0.0] * 20


def test_several_logits_are_weighed_each_for_itself() -> None:
    learnt = rows(1500, 1)
    forensic = Part(np.ascontiguousarray(learnt.held[:, :FORENSIC]), learnt.labels)
    logits = tuple(NAMES[-2:])
    found = fuse(forensic, rows(700, 2), rows(500, 3), NAMES, logits, params=QUICK, further=QUICK, threads=1)
    assert found.start.names == logits
    assert min(found.start.weights) > 0
    strange = rows(3000, 5)
    start = found.start.terms(strange.held, NAMES)
    assert auc(strange, start.sum(axis=1)) > max(auc(strange, column) for column in start.T)
