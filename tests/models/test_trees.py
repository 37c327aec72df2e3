"""A row reaches the leaf of every tree that a walk from its root leads to, and scores as in onnxruntime, to the bit."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle import PRETRAINED
from models.tree_file import MOST_LEAVES, Forest, read
from models.tree_text import to_onnx
from models.trees import Start, Trees, add_up
from tests.models.test_tree_file import WHOLE, chain

Values = npt.NDArray[np.float32]


def rows(*columns: tuple[float, float]) -> Values:
    """Rows of 300 features: what the two that the trees of `WHOLE` ask about are; the others are 9."""
    values = np.full((len(columns), 300), 9, np.float32)
    values[:, [1, 200]] = np.reshape(columns, (-1, 2))
    return values


def walk(forest: Forest, tree: int, row: Values) -> float:
    """Follow one row from the root to a leaf."""
    node, splits = 0, int(forest.splits[tree])
    while node < splits:
        left = row[forest.features[tree, node]] <= forest.thresholds[tree, node]
        node = int((forest.left if left else forest.right)[tree, node])
    return float(forest.leaves[tree, node - splits])


def in_onnxruntime(data: bytes, values: Values) -> npt.NDArray[Any]:
    (scores,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"features": values})
    return np.asarray(scores).ravel()


def near_thresholds(forest: Forest, count: int) -> Values:
    """Rows of which every value is some threshold of its feature, or the float32 above it."""
    random = np.random.default_rng(0)
    values = np.zeros((count, forest.width), np.float32)
    real = np.isfinite(forest.thresholds)
    for feature in np.unique(forest.features[real]):
        drawn = random.choice(forest.thresholds[real & (forest.features == feature)], count)
        values[:, feature] = np.where(random.random(count) < 0.5, drawn, np.nextafter(drawn, np.float32(np.inf)))
    return values


def test_scores_by_hand() -> None:
    scores = Trees(WHOLE).scores(rows((0.5, -2), (0.5, -1.9), (0.6, -2), (0.6, 0)))
    assert scores.dtype == np.float32
    assert scores.tolist() == [2.25, 1, 2.5, 2.5]


def test_no_rows_have_no_scores() -> None:
    assert Trees(WHOLE).scores(rows()).shape == (0,)


@pytest.mark.parametrize("leaves", [2, 9, MOST_LEAVES])
def test_every_leaf_of_a_chain_is_reached(leaves: int) -> None:
    values = np.zeros((leaves, 300), np.float32)
    values[:, 0] = np.arange(leaves)
    assert Trees(to_onnx(chain(leaves))).scores(values).tolist() == list(range(leaves))


@given(st.lists(st.floats(-4, 4, width=32), min_size=2, max_size=2))
def test_any_row_gets_what_a_walk_leads_to(pair: list[float]) -> None:
    forest, (row,) = read(WHOLE), rows((pair[0], pair[1]))
    assert Trees(WHOLE).scores(row[None]).tolist() == [sum(walk(forest, tree, row) for tree in range(2))]


@pytest.mark.parametrize("name", ["fast", "full"])
def test_shipped_trees_score_as_in_onnxruntime_to_the_bit(name: str) -> None:
    data = (PRETRAINED / name / "booster.onnx").read_bytes()
    values = near_thresholds(read(data), 40)
    scores = Trees(data).scores(values)
    np.testing.assert_array_equal(scores, in_onnxruntime(data, values))
    assert len(set(scores.tolist())) == 40


def test_a_start_is_added() -> None:
    start = Start(("b",), (2.0,), (0.5,))
    names = ["a", "b", *map(str, range(298))]
    assert add_up(Trees(WHOLE), start, rows((0.5, -2), (1.5, 0)), names).tolist() == [2.25, 4.5]
    assert add_up(Trees(WHOLE), None, rows((0.5, -2)), names).tolist() == [2.25]
