"""Gradient-boosted trees, fitted by LightGBM."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import DatasetError

__all__ = ["BoosterParams", "Fitted", "Part", "Progress", "fit"]

Progress = Callable[[int, int, float], None]
"""Called after each tree with its number, the most there may be, and the AUC on validation so far."""

Values = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer[Any]]

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
    """Rows of one part of the split.

    Attributes
    ----------
    values : (n, d) float32 array
        The features.
    labels : (n,) int array
        0 real, 1 fake.
    start : (n,) float64 array
        The log odds that the trees start from; zero where None.
    """

    values: Values
    labels: Labels
    start: npt.NDArray[np.float64] | None = None

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
        part.values,
        part.labels,
        weight=part.weights,
        init_score=part.start,
        feature_name=list(names),
        params=settings,
        reference=reference,
    )


def _report(progress: Progress) -> Callable[[Any], None]:
    def callback(env: Any) -> None:
        progress(env.iteration + 1, env.end_iteration, float(env.evaluation_result_list[0][2]))

    return callback
