"""Gradient-boosted trees: fitted by LightGBM, rewritten as ONNX to be run without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import BundleError, DatasetError

__all__ = ["BoosterParams", "Fitted", "Part", "Progress", "fit", "to_onnx"]

Progress = Callable[[int, int, float], None]
"""Called after each tree with its number, the most there may be, and the AUC on validation so far."""

Values = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer[Any]]

_IR_VERSION: Final = 8  # what onnxruntime 1.20 and all later ones read
_ZERO: Final = np.float32(1e-35)  # LightGBM reads what is no greater, of either sign, as zero
_OPSETS: Final = (("", 17), ("ai.onnx.ml", 3))
_LEAST_LEAVES: Final = 20  # a leaf may always be as small as this part of the rows, so that a small set can be learnt
_LOGGER: Final = logging.getLogger("fauxface.lightgbm")  # takes what LightGBM would print to standard output
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False
_RUN_LINES: Final = ("[num_threads:",)  # parameters that say how it ran, not what came out


@dataclass(frozen=True, slots=True)
class BoosterParams:
    """What governs a fit; the names are LightGBM's, but for the two that count trees."""

    learning_rate: float = 0.08
    num_leaves: int = 63
    min_child_samples: int = 40
    feature_fraction: float = 0.12
    bagging_fraction: float = 0.7
    lambda_l2: float = 5.0
    max_bin: int = 63
    max_trees: int = 1400
    early_stopping_rounds: int = 300


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one part of the split: (n, d) float32 values and (n,) labels, 0 real, 1 fake."""

    values: Values
    labels: Labels

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weights of mean one that let both classes weigh the same."""
        return len(self.labels) / (2.0 * np.bincount(self.labels, minlength=2)[self.labels])


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted booster as LightGBM's text, cut at its best tree, and the AUC it had there on validation."""

    text: str
    best_iteration: int
    validation_auc: float


def fit(
    train: Part,
    validation: Part,
    names: Sequence[str],
    *,
    params: BoosterParams | None = None,
    seed: int = 0,
    threads: int = 0,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a booster on one part and stop it where its AUC on the other no longer rises.

    The result depends on values, labels, parameters and seed only: columns are added up each by one thread
    (`force_col_wise`), because sums over rows that several threads share differ in their last bits.

    Parameters
    ----------
    train, validation : Part
        Each of both classes, finite.
    names : sequence of str
        One a column.
    params : BoosterParams
        Its defaults where None.
    seed : int
        Of the rows and columns that each tree sees.
    threads : int
        0 for all cores; changes the time, not the result.
    progress : callable
        Called after each tree.

    Raises
    ------
    DatasetError
        Values that are not finite.
    """
    import lightgbm

    lightgbm.register_logger(_LOGGER)
    chosen = params or BoosterParams()
    settings = _settings(chosen, len(train.labels), seed, threads)
    data = _dataset(train, names, settings)
    booster = lightgbm.train(
        settings,
        data,
        num_boost_round=chosen.max_trees,
        valid_sets=[_dataset(validation, names, settings, reference=data)],
        valid_names=["validation"],
        callbacks=[
            lightgbm.early_stopping(chosen.early_stopping_rounds, verbose=False),
            *([] if progress is None else [_report(progress)]),
        ],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith(_RUN_LINES)]
    return Fitted("".join(kept), int(booster.best_iteration), float(booster.best_score["validation"]["auc"]))


def _settings(params: BoosterParams, rows: int, seed: int, threads: int) -> dict[str, Any]:
    own = asdict(params)
    del own["max_trees"], own["early_stopping_rounds"]
    return {
        **own,
        "min_child_samples": min(params.min_child_samples, max(1, rows // _LEAST_LEAVES)),
        "objective": "binary",
        "metric": "auc",
        "bagging_freq": 1,
        "use_missing": False,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _dataset(part: Part, names: Sequence[str], settings: dict[str, Any], reference: Any = None) -> Any:
    import lightgbm

    if not np.isfinite(part.values).all():
        row, column = np.argwhere(~np.isfinite(part.values))[0]
        raise DatasetError(f"feature {names[column]} is not finite in row {row}; extract the features anew")
    return lightgbm.Dataset(
        part.values, part.labels, weight=part.weights, feature_name=list(names), params=settings, reference=reference
    )


def _report(progress: Progress) -> Callable[[Any], None]:
    def callback(env: Any) -> None:
        progress(env.iteration + 1, env.end_iteration, float(env.evaluation_result_list[0][2]))

    return callback


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

    header, *sections = text.partition("\nend of trees")[0].split("\nTree=")
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
    model = helper.make_model(
        graph,
        producer_name="fauxface",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPSETS],
    )
    return bytes(model.SerializeToString(deterministic=True))


def _fields(section: str) -> dict[str, str]:
    """Read the `key=value` lines of one section of the text."""
    return dict(line.split("=", 1) for line in section.splitlines() if "=" in line)


def _width(header: dict[str, str]) -> int:
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
