"""Trees are read as they were written, and nothing else is taken for trees."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from features.errors import BundleError
from models import tree_file
from models.tree_file import MOST_LEAVES, read
from models.tree_text import to_onnx

HEAD = "tree\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=299\nobjective=binary sigmoid:1\n"
SPLIT_TWICE = """
Tree=0
num_leaves=3
num_cat=0
split_feature=1 200
threshold=0.5 -2
left_child=1 -1
right_child=-2 -3
leaf_value=0.25 0.5 -1
"""
CONSTANT = "\nTree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=2\n"
WHOLE = to_onnx(f"{HEAD}{SPLIT_TWICE}{CONSTANT}\nend of trees\n")


def chain(leaves: int) -> str:
    """Write a tree whose every split has a leaf on its left."""
    splits = range(leaves - 1)
    right = [number + 1 for number in splits[:-1]] + [-leaves]
    table = {
        "num_leaves": [leaves],
        "num_cat": [0],
        "split_feature": [0] * len(splits),
        "threshold": list(splits),
        "left_child": [~number for number in splits],
        "right_child": right,
        "leaf_value": list(range(leaves)),
    }
    return f"{HEAD}\nTree=0\n" + "\n".join(f"{key}={' '.join(map(str, row))}" for key, row in table.items())


def test_two_trees_by_hand() -> None:
    forest = read(WHOLE)
    assert forest.width == 300
    assert forest.splits.tolist() == [2, 0]
    assert forest.features[0].tolist() == [1, 200]
    assert forest.thresholds.tolist() == [[0.5, -2], [np.inf, np.inf]]
    assert (forest.left[0].tolist(), forest.right[0].tolist()) == ([1, 2], [3, 4])
    assert forest.leaves.tolist() == [[0.25, 0.5, -1], [2, 0, 0]]


@pytest.mark.parametrize("leaves", [2, 3, MOST_LEAVES])
def test_a_tree_may_have_as_many_leaves_as_a_word_has_bits(leaves: int) -> None:
    forest = read(to_onnx(chain(leaves)))
    assert forest.leaves.tolist() == [list(range(leaves))]
    assert forest.left.tolist() == [list(range(leaves - 1, 2 * leaves - 2))]


def test_a_tree_of_more_leaves_is_refused() -> None:
    with pytest.raises(BundleError, match="trees of more than 64 leaves"):
        read(to_onnx(chain(MOST_LEAVES + 1)))


def test_small_trees_beside_a_large_one_cannot_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_file, "_MOST_SPLITS", 3)
    with pytest.raises(BundleError, match="or too many of them"):
        read(WHOLE)


def test_another_operator_is_refused() -> None:
    model = onnx.load_from_string(WHOLE)
    model.graph.node[0].op_type = "TreeEnsembleClassifier"
    with pytest.raises(BundleError, match="a model of something else: its operator is another"):
        read(model.SerializeToString())


def test_a_second_operator_is_refused() -> None:
    model = onnx.load_from_string(WHOLE)
    model.graph.node.append(helper.make_node("Neg", ["score"], ["negative"]))
    with pytest.raises(BundleError, match="2 fields of number 1, not one"):
        read(model.SerializeToString())


def test_what_would_be_added_to_every_score_is_refused() -> None:
    model = onnx.load_from_string(WHOLE)
    model.graph.node[0].attribute.append(helper.make_attribute("base_values", [1.0]))
    with pytest.raises(BundleError, match="12 tables, not 11"):
        read(model.SerializeToString())


def test_every_part_of_a_file_is_refused() -> None:
    graph = onnx.load_from_string(WHOLE).graph.SerializeToString(deterministic=True)
    for size in range(WHOLE.index(graph) + len(graph)):
        with pytest.raises(BundleError, match=r"booster\.onnx is a model of something else"):
            read(WHOLE[:size])


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=12))
def test_whatever_is_written_over_it_there_are_trees_or_a_sentence(at: int, other: bytes) -> None:
    changed = (WHOLE[:at] + other + WHOLE[at + len(other) :])[: len(WHOLE)]
    with suppress(BundleError):
        assert read(changed).leaves.shape == (2, 3)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        read(data)
