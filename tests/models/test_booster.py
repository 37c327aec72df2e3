"""The fit repeats to the last bit, stops where validation says so, and weighs both classes the same."""

from functools import partial

import lightgbm
import numpy as np
import pytest

from features.errors import DatasetError
from models import booster
from models.booster import FORGED_SHARE, BoosterParams, Part
from models.tree_text import to_onnx
from models.trees import Trees
from tests import toy

PARAMS = BoosterParams(learning_rate=0.1, num_leaves=15, feature_fraction=0.5, max_trees=80, early_stopping_rounds=80)
WIDTH = 12
NAMES = [f"toy.moments.value.{i}" for i in range(WIDTH)]

fit = partial(booster.fit, threads=1)


def part(rows: int, seed: int, fakes: float = 0.6) -> Part:
    """Rows with zeros of both signs of neighbour, with ties, and with columns of very different size."""
    labels = (np.random.default_rng(seed).random(rows) < fakes).astype(np.int64)
    values = toy.vectors(labels.tolist(), WIDTH, seed)
    values[:, 0] *= np.float32(1e6)
    values[:, 1] *= np.float32(1e-7)
    values[:, 2] = np.round(values[:, 2] * 3)
    values[np.abs(values[:, 3]) < 0.4, 3] = 0
    return Part(values, labels)


@pytest.fixture(scope="module")
def text() -> str:
    return fit(part(3000, 1), part(400, 2), NAMES, params=PARAMS).text


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    params = BoosterParams(learning_rate=0.3, num_leaves=15, max_trees=60, early_stopping_rounds=60)
    texts = [booster.fit(part(4000, 1), part(300, 2), NAMES, params=params, threads=n).text for n in (1, 2)]
    assert texts[0] == texts[1]
    assert "num_threads" not in texts[0]
    assert "[force_col_wise: 1]" in texts[0]  # by rows, sums differ after some hundred trees: too slow to show here
    assert "[deterministic: 1]" in texts[0]


def test_seed_and_parameters_count(text: str) -> None:
    data = part(3000, 1), part(400, 2)
    assert fit(*data, NAMES, params=PARAMS).text == text
    assert fit(*data, NAMES, params=PARAMS, seed=1).text != text
    assert fit(*data, NAMES, params=BoosterParams(max_trees=80)).text != text


def test_training_stops_early_and_keeps_the_best_trees() -> None:
    params = BoosterParams(learning_rate=0.3, max_trees=500, early_stopping_rounds=10)
    seen: list[tuple[int, int, float]] = []
    validation = part(400, 2)
    fitted = fit(part(600, 1), validation, NAMES, params=params, progress=lambda *state: seen.append(state))
    aucs = [auc for _, _, auc in seen]
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {most for _, most, _ in seen} == {500}
    assert len(seen) == fitted.best_iteration + 10 < 500
    assert fitted.validation_auc == max(aucs) == aucs[fitted.best_iteration - 1]
    assert lightgbm.Booster(model_str=fitted.text).num_trees() == fitted.best_iteration


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    tiny = Part(np.ones((30, 2), np.float32), np.arange(30) % 2)  # what LightGBM warns of most
    fit(tiny, tiny, NAMES[:2], params=PARAMS)
    fit(part(300, 1), part(100, 2), NAMES, params=PARAMS)
    assert capfd.readouterr() == ("", "")


def test_weights_let_both_classes_weigh_the_same() -> None:
    weights = Part(np.zeros((8, 1), np.float32), np.array([0, 1, 1, 1, 1, 1, 0, 1])).weights
    assert weights.tolist() == pytest.approx([2, *[2 / 3] * 5, 2, 2 / 3])
    assert weights.mean() == pytest.approx(1)


def test_weights_give_forgeries_their_share_and_both_classes_the_same() -> None:
    labels, forged = np.array([0, 1, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    part = Part(np.zeros((8, 1), np.float32), labels, forged=forged)
    assert part.totals.tolist() == [[1, 3], [2, 2]]
    home, made = 8 * (1 - FORGED_SHARE) / 2, 8 * FORGED_SHARE / 2
    assert part.weights.tolist() == pytest.approx([home, *[home / 3] * 3, *[made / 2] * 4])
    assert part.at(slice(3, 6)).weights.tolist() == part.weights[3:6].tolist()


@pytest.mark.parametrize("forged", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
def test_where_forgeries_or_their_reals_are_missing_only_the_classes_are_balanced(forged: list[int]) -> None:
    part = Part(np.zeros((4, 1), np.float32), np.array([0, 1, 1, 1]), forged=np.array(forged, bool))
    assert part.weights.tolist() == pytest.approx([2, *[2 / 3] * 3])


def test_what_only_forgeries_show_counts_for_little() -> None:
    """One feature tells the found, another the forged; where they disagree, the found are heard."""
    rng, labels = np.random.default_rng(0), np.arange(2000) % 2
    forged = np.arange(2000) % 4 > 1
    values = rng.normal(size=(2000, 2)).astype(np.float32)
    values[~forged, 0] += 2 * labels[~forged]
    values[forged, 0] -= 2 * labels[forged]
    learnt = Part(values, labels, forged=forged)
    trees = Trees(to_onnx(fit(learnt, learnt, NAMES[:2], params=PARAMS).text))
    assert np.diff(trees.scores(np.array([[-2, 0], [3, 0]], np.float32))) > 1


def test_a_mixture_of_classes_does_not_move_the_scores() -> None:
    def mean_score(fakes: float) -> float:
        text = fit(part(4000, 1, fakes), part(400, 2), NAMES, params=PARAMS).text
        return float(Trees(to_onnx(text)).scores(part(2000, 9, 0.5).held).mean())

    assert mean_score(0.9) == pytest.approx(mean_score(0.5), abs=0.8)  # log(9) = 2.2 were they not weighted


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    broken = part(100, 1)
    broken.held[41, 5] = value
    with pytest.raises(DatasetError, match=r"toy\.moments\.value\.5 is not finite in row 41"):
        fit(broken, part(100, 2), NAMES, params=PARAMS)


def test_a_small_set_can_be_learnt_with_the_default_parameters() -> None:
    fitted = fit(part(60, 1), part(400, 2), NAMES)
    assert fitted.validation_auc > 0.7
