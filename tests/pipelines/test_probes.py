"""A probe finds what was planted and nothing where nothing is."""

from typing import Any

import numpy as np
import pytest

from pipelines.probes import LEAST, folds_of, probe

Drawn = tuple[Any, Any, list[str]]


def draw(n: int, seed: int = 0) -> Drawn:
    """Values that know nothing, labels, and groups of two."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.integers(0, 2, n), [str(row // 2) for row in range(n)]


def measure(values: Any, labels: Any, groups: list[str]) -> dict[str, Any]:
    found = probe(["a", "b", "c"], values, labels, groups)
    assert found is not None
    return found


def test_groups_are_dealt_out_whole_and_evenly() -> None:
    groups = [str(row // 3) for row in range(300)]
    folds = folds_of(groups)
    assert [len(set(folds[row : row + 3])) for row in range(0, 300, 3)] == [1] * 100
    assert np.bincount(folds).tolist() == [60] * 5
    assert folds_of(groups[::-1]).tolist() == folds[::-1].tolist()


def test_noise_tells_nothing() -> None:
    found = measure(*draw(800))
    assert found["auc"]["low"] < 0.5 < found["auc"]["high"]
    assert max(found["facts"].values()) < 0.6
    assert found["constant"] == []


def test_a_planted_fact_is_found_and_named() -> None:
    values, labels, groups = draw(400)
    values[:, 1] = np.where(labels == 1, 75, 90)
    found = measure(values, labels, groups)
    assert found["auc"]["low"] > 0.99
    assert next(iter(found["facts"].items())) == ("b", pytest.approx(1))


def test_a_fact_that_is_in_the_middle_for_one_class_is_found_too() -> None:
    values, labels, groups = draw(400)
    values[:, 2] = np.where(labels == 1, 2, np.arange(400) % 2 * 4)
    assert measure(values, labels, groups)["facts"]["c"] > 0.99


def test_that_a_fact_is_absent_is_a_fact() -> None:
    values, labels, groups = draw(400)
    values[labels == 1, 0] = np.nan
    assert measure(values, labels, groups)["facts"]["a"] > 0.99


def test_what_all_share_tells_nothing() -> None:
    values, labels, groups = draw(100)
    values[:] = 7, np.nan, 1
    found = measure(values, labels, groups)
    assert (found["auc"]["value"], found["facts"], found["constant"]) == (0.5, {}, ["a", "b", "c"])


def test_a_group_is_never_judged_by_itself() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, 60), 10)
    values = np.repeat(rng.normal(size=(60, 3)), 10, axis=0)  # tells the group, and nothing else
    assert measure(values, labels, [str(row // 10) for row in range(600)])["auc"]["value"] < 0.7


@pytest.mark.parametrize("n", [0, LEAST])
def test_too_few_images_are_not_measured(n: int) -> None:
    values, labels, groups = draw(n)
    assert probe(["a", "b", "c"], values, labels, groups) is None


def test_too_few_groups_are_not_measured() -> None:
    values, labels, _ = draw(200)
    assert probe(["a", "b", "c"], values, labels, ["g", "h"] * 100) is None
