"""The ONNX form sends every row to the leaf where LightGBM sends it; boosters add up."""

import re
from typing import Any

import lightgbm
import numpy as np
import pytest

from features.errors import BundleError
from models.booster import BoosterParams, Part, fit
from models.tree_text import add, to_onnx
from models.trees import Trees
from tests.models.test_booster import NAMES, PARAMS, WIDTH, part


@pytest.fixture(scope="module")
def text() -> str:
    return fit(part(3000, 1), part(400, 2), NAMES, params=PARAMS, threads=1).text


def adversarial(text: str, base: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
    """Rows that sit on a threshold, and on the float32 values next to it on both sides, one row a value."""
    fields = [re.findall(rf"^{key}=(.*)$", text, re.MULTILINE) for key in ("split_feature", "threshold")]
    splits = {
        (int(feature), float(threshold))
        for features, thresholds in zip(*fields, strict=True)
        for feature, threshold in zip(features.split(), thresholds.split(), strict=True)
    }
    rows = []
    for index, (feature, threshold) in enumerate(sorted(splits)):
        near = np.float32(threshold)
        for value in (near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))):
            row = base[index % len(base)].copy()
            row[feature] = value
            rows.append(row)
    return np.array(rows, np.float32)


def test_every_row_goes_to_lightgbms_leaf_in_every_tree(text: str) -> None:
    values = part(200, 3).held
    values = np.concatenate([values, adversarial(text, values), np.zeros((1, WIDTH), np.float32)])
    leaves = np.asarray(lightgbm.Booster(model_str=text).predict(values, pred_leaf=True))
    head, *trees = text.partition("\nend of trees")[0].split("\nTree=")
    for index, tree in enumerate(trees):
        count = int(tree.partition("num_leaves=")[2].split()[0])
        numbered = re.sub(r"\nleaf_value=.*", "\nleaf_value=" + " ".join(map(str, range(count))), tree)
        scores = Trees(to_onnx(f"{head}\nTree={numbered}\nend of trees")).scores(values)
        np.testing.assert_array_equal(scores, leaves[:, index])
    assert len(trees) > 40
    assert "e-35" in text  # the edges of what LightGBM takes for zero are among the thresholds


def test_scores_agree_with_lightgbm(text: str) -> None:
    values = part(2000, 4).held
    expected = lightgbm.Booster(model_str=text).predict(values, raw_score=True)
    np.testing.assert_allclose(Trees(to_onnx(text)).scores(values), expected, atol=1e-5, rtol=0)


def test_onnx_repeats(text: str) -> None:
    assert to_onnx(text) == to_onnx(text)
    assert Trees(to_onnx(text)).width == WIDTH


def test_constant_features_make_a_constant_score() -> None:
    flat = Part(np.ones((60, 2), np.float32), np.arange(60) % 2)
    fitted = fit(flat, flat, NAMES[:2], params=PARAMS, threads=1)
    np.testing.assert_allclose(Trees(to_onnx(fitted.text)).scores(flat.held), 0, atol=1e-6)


def _lightgbm_text(objective: str = "binary", **options: Any) -> str:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(400, 3)), rng.integers(0, 2, 400)
    values[:, 0] = rng.integers(0, 8, 400)
    labels = np.where(values[:, 0] % 2 == 1, 1, labels)
    settings = {"objective": objective, "verbosity": -1, "num_threads": 1, **options.pop("settings", {})}
    values[: options.pop("holes", 0), 1] = np.nan
    data = lightgbm.Dataset(values, labels, params=settings, **options)
    return str(lightgbm.train(settings, data, 5).model_to_string())


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"categorical_feature": [0]}, "categories"),
        ({"holes": 100}, "missing values"),
        ({"settings": {"zero_as_missing": True}}, "missing values"),
        ({"settings": {"linear_tree": True}}, "linear leaves"),
        ({"objective": "multiclass", "settings": {"num_class": 2}}, "two classes"),
        ({"objective": "regression"}, "two classes"),
    ],
)
def test_other_kinds_of_model_are_refused(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(BundleError, match=cause):
        to_onnx(_lightgbm_text(**options))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match="not a booster"):
        to_onnx("tree\nversion=v4\n")


@pytest.fixture(scope="module")
def wider() -> str:
    """A booster over more features, of which the first are those of `text`."""
    params = BoosterParams(num_leaves=4, max_trees=7, early_stopping_rounds=7, feature_fraction=1.0)
    rows = [part(900, seed) for seed in (5, 6)]
    wide = [Part(np.concatenate([rows[i].held, rows[i].held[:, ::-1]], axis=1), rows[i].labels) for i in (0, 1)]
    return fit(wide[0], wide[1], [*NAMES, *(f"{name}.twice" for name in NAMES)], params=params, threads=1).text


def test_boosters_add_up(text: str, wider: str) -> None:
    values = part(500, 7).held
    both = np.concatenate([values, values[:, ::-1]], axis=1)
    first = np.asarray(lightgbm.Booster(model_str=text).predict(values, raw_score=True))
    expected = 0.25 * first - 2.0 * np.asarray(lightgbm.Booster(model_str=wider).predict(both, raw_score=True))
    total = add([(text, 0.25), (wider, -2.0)])
    again = lightgbm.Booster(model_str=total)
    assert again.num_trees() == text.count("Tree=") + wider.count("Tree=")
    assert again.feature_name() == lightgbm.Booster(model_str=wider).feature_name()
    np.testing.assert_allclose(again.predict(both, raw_score=True), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(Trees(to_onnx(total)).scores(both), expected, rtol=0, atol=1e-5)


def test_the_contributions_of_a_sum_add_up(text: str, wider: str) -> None:
    values = part(40, 8).held
    both = np.concatenate([values, values[:, ::-1]], axis=1)
    total = lightgbm.Booster(model_str=add([(text, 0.5), (wider, 1.0)]))
    parts = np.asarray(total.predict(both, pred_contrib=True))
    np.testing.assert_allclose(parts.sum(axis=1), total.predict(both, raw_score=True), rtol=0, atol=1e-9)


def test_one_booster_times_one_is_itself(text: str) -> None:
    values = part(100, 9).held
    assert Trees(to_onnx(add([(text, 1.0)]))).scores(values).tobytes() == Trees(to_onnx(text)).scores(values).tobytes()
