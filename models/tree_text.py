"""LightGBM's model text: boosters added up into one, and rewritten as ONNX to be run without LightGBM."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.onnx_model import serialize

__all__ = ["add", "to_onnx"]

_ZERO: Final = np.float32(1e-35)  # LightGBM reads what is no greater, of either sign, as zero
_OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
_END: Final = "\nend of trees"
_OUTPUTS: Final = ("leaf_value", "internal_value")  # what a factor changes in a tree


def add(boosters: Sequence[tuple[str, float]]) -> str:
    """Make one booster whose score is the sum of several, each times a factor.

    Parameters
    ----------
    boosters : sequence of (str, float)
        Texts of two-class boosters, and their factors. The features of each begin with all features of those before
        it, so that the columns of the last serve all.

    Returns
    -------
    str
        LightGBM's text, without what only describes a fit: sizes, importances and parameters.
    """
    trees: list[str] = []
    header = ""
    for text, factor in boosters:
        header, *sections = text.partition(_END)[0].split("\nTree=")
        trees += [_scaled(section, factor) for section in sections]
    kept = [line for line in header.splitlines() if line and not line.startswith("tree_sizes=")]
    numbered = (f"Tree={number}\n{tree}\n\n" for number, tree in enumerate(trees))
    return "\n".join([*kept, "", *numbered, _END.lstrip() + "\n"])


def _scaled(section: str, factor: float) -> str:
    """Multiply what a tree gives; its number, the first line, goes."""
    _, *lines = section.strip().splitlines()
    return "\n".join(_scaled_line(line, factor) if line.startswith(_OUTPUTS) else line for line in lines)


def _scaled_line(line: str, factor: float) -> str:
    key, _, values = line.partition("=")
    return f"{key}={' '.join(repr(float(value) * factor) for value in values.split())}"


def to_onnx(text: str) -> bytes:
    """Rewrite LightGBM's model text as an ONNX graph of one TreeEnsembleRegressor.

    LightGBM compares float32 features, widened, with float64 thresholds: `x <= t`. The graph compares in float32, with
    each threshold rounded down to the next float32, which sends every float32 value the same way.

    Parameters
    ----------
    text : str
        A model of one class, with numerical splits and no special treatment of missing values.

    Returns
    -------
    bytes
        Input `features` (n, d) float32, output `score` (n, 1) float32: log odds before calibration.

    Raises
    ------
    BundleError
        The text is of another kind of model.
    """
    from onnx import TensorProto, helper

    header, *sections = text.partition(_END)[0].split("\nTree=")
    width = _width(_fields(header))
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["score"],
        domain="ai.onnx.ml",
        **_ensemble([_fields(s) for s in sections]),
    )
    graph = helper.make_graph(
        [node],
        "booster",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
    )
    return serialize(graph, _OPSETS)


def _fields(section: str) -> dict[str, str]:
    """Read the `key=value` lines of one section of the text."""
    return dict(line.split("=", 1) for line in section.splitlines() if "=" in line)


def _width(header: Mapping[str, str]) -> int:
    if header.get("num_tree_per_iteration") != "1" or not header.get("objective", "").startswith("binary"):
        raise BundleError(f"booster.txt: not a booster of two classes: objective {header.get('objective')!r}")
    return int(header["max_feature_idx"]) + 1


def _ensemble(trees: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Tabulate the attributes of the operator: every node of every tree, then the weight of every leaf."""
    tables = [_nodes(tree) for tree in trees]
    sizes = [len(table["modes"]) for table in tables]
    leaves = [np.asarray(tree["leaf_value"].split(), np.float64).astype(np.float32) for tree in trees]
    return {
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "n_targets": 1,
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": [i for size in sizes for i in range(size)],
        "nodes_modes": [mode for table in tables for mode in table["modes"]],
        **{
            f"nodes_{key}": np.concatenate([table[key] for table in tables]).tolist()
            for key in ("featureids", "values", "truenodeids", "falsenodeids")
        },
        "target_treeids": np.repeat(np.arange(len(trees)), [len(leaf) for leaf in leaves]).tolist(),
        "target_nodeids": [i for size, leaf in zip(sizes, leaves, strict=True) for i in range(size - len(leaf), size)],
        "target_ids": [0] * sum(len(leaf) for leaf in leaves),
        "target_weights": np.concatenate(leaves).tolist(),
    }


def _nodes(tree: dict[str, str]) -> dict[str, Any]:
    """List one tree's nodes: its splits in LightGBM's order, the root first, then its leaves."""
    leaves = int(tree["num_leaves"])
    splits = leaves - 1
    missing = any((int(kind) >> 2) & 3 for kind in tree.get("decision_type", "").split())
    if missing or tree["num_cat"] != "0" or tree.get("is_linear", "0") != "0":
        raise BundleError("booster.txt: splits on categories, linear leaves or missing values are not supported")
    children = {key: _integers(tree, f"{key}_child") for key in ("left", "right")}
    ids = {key: np.where(child >= 0, child, splits + ~child) for key, child in children.items()}
    blank = np.zeros(leaves, np.int64)
    return {
        "modes": ["BRANCH_LEQ"] * splits + ["LEAF"] * leaves,
        "featureids": np.concatenate([_integers(tree, "split_feature"), blank]),
        "values": np.concatenate([_round_down(np.asarray(tree.get("threshold", "").split(), np.float64)), blank]),
        "truenodeids": np.concatenate([ids["left"], blank]),
        "falsenodeids": np.concatenate([ids["right"], blank]),
    }


def _integers(tree: dict[str, str], key: str) -> npt.NDArray[np.int64]:
    return np.asarray(tree.get(key, "").split(), np.int64)


def _round_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Give the greatest float32 not above each float64, and one less where LightGBM takes that very value for zero."""
    nearest = thresholds.astype(np.float32)
    too_high = (nearest > thresholds) | (nearest == -_ZERO)
    return np.where(too_high, np.nextafter(nearest, np.float32(-np.inf)), nearest)
