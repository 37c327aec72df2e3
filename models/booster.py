"""Gradient-boosted trees, fitted by LightGBM."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from models.sequence import Batches, Stored, Values, require_finite

__all__ = ["FORGED_SHARE", "SAMPLE_BYTES", "BoosterParams", "Fitted", "Grow", "Part", "Peers", "Progress", "fit"]

Progress = Callable[[int, int, float], None]
"""Called after each tree with its number, the most there may be, and the AUC on validation so far."""

SAMPLE_BYTES: Final = 1 << 28
"""What the sample may take that bins are placed by, as float64, where the values are in their store."""

FORGED_SHARE: Final = 1 / 3
"""What forgeries, and the reals beside them, weigh in a fit beside fakes that were found, of a sum of one.

The more they weigh, the better a detector does on kinds that it never saw, and the worse on those that it was found
with; docs/results.md has the figures.
"""

Labels = npt.NDArray[np.integer[Any]]

_LEAST_LEAVES: Final = 20  # a leaf may always be as small as this part of the rows, so that a small set can be learnt
_PATIENCE: Final = 10  # minutes to wait for the others at the start
_LOGGER: Final = logging.getLogger("fauxface.lightgbm")  # takes what LightGBM would print to standard output
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False
_RUN_LINES: Final = ("[num_threads:",)  # parameters that say how it ran, not what came out
_PLACES: Final = ("[machines:", "[local_listen_port:", "[time_out:")  # and where, when several machines fitted it
_SAMPLE: Final = 200_000  # rows that LightGBM places its bins by
_LEAST_SAMPLE: Final = 20_000


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
    values : (n, d) float32 array, or Stored
        The features, in memory or in their store.
    labels : (n,) int array
        0 real, 1 fake.
    start : (n,) float64 array
        The log odds that the trees start from; zero where None.
    forged : (n,) bool array
        Whether a row is there for the forgeries, one of them or a real beside them; no row where None.
    counts : (2, 2) int array
        Reals and fakes, then those that are there for the forgeries, of all rows that are fitted together; those of
        these rows where None.
    """

    values: Values | Stored
    labels: Labels
    start: npt.NDArray[np.float64] | None = None
    forged: npt.NDArray[np.bool_] | None = None
    counts: npt.NDArray[np.intp] | None = None

    @property
    def totals(self) -> npt.NDArray[np.intp]:
        """Reals and fakes, then those that are there for the forgeries, of all rows that are fitted together."""
        if self.counts is not None:
            return self.counts
        return np.bincount(self.labels + 2 * self._taught, minlength=4).reshape(2, 2)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weights of mean one over all rows: both classes weigh the same, and what was forged `FORGED_SHARE` of all.

        Where a class of forgeries or of the others is missing, only the classes are balanced.
        """
        totals = self.totals
        if totals.all():
            shares = np.array([[1 - FORGED_SHARE], [FORGED_SHARE]])
            weights: npt.NDArray[np.float64] = (totals.sum() * shares / (2.0 * totals))[self._taught, self.labels]
            return weights
        classes: npt.NDArray[np.intp] = totals.sum(axis=0)
        return int(classes.sum()) / (2.0 * classes[self.labels])

    @property
    def _taught(self) -> npt.NDArray[np.intp]:
        return np.zeros(len(self.labels), np.intp) if self.forged is None else self.forged.astype(np.intp)

    @property
    def held(self) -> Values:
        """The features in memory: (n, d) float32; read first where they are in their store."""
        return self.values.read() if isinstance(self.values, Stored) else self.values

    def at(self, rows: slice) -> Part:
        """Take a range of the rows, weighted as they are among all."""
        start = None if self.start is None else self.start[rows]
        forged = None if self.forged is None else self.forged[rows]
        return Part(self.values[rows], self.labels[rows], start, forged, self.totals)


@dataclass(frozen=True, slots=True)
class Peers:
    """Those who fit one booster together, each on rows of its own.

    Attributes
    ----------
    machines : tuple of str
        `host:port` of each.
    port : int
        The port of this one.
    """

    machines: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted booster as LightGBM's text, cut at its best tree, and the AUC it had there on validation."""

    text: str
    best_iteration: int
    validation_auc: float


class Grow(Protocol):
    """What fits a booster: `fit`, or what does the same elsewhere."""

    def __call__(
        self,
        train: Part,
        validation: Part,
        names: Sequence[str],
        *,
        params: BoosterParams | None = None,
        seed: int = 0,
        threads: int = 0,
        progress: Progress | None = None,
    ) -> Fitted:
        """Fit, as `fit` does."""
        ...


def fit(
    train: Part,
    validation: Part,
    names: Sequence[str],
    *,
    params: BoosterParams | None = None,
    seed: int = 0,
    threads: int = 0,
    progress: Progress | None = None,
    peers: Peers | None = None,
) -> Fitted:
    """Fit a booster on one part and stop it where its AUC on the other no longer rises.

    The result depends on values, labels, their order, parameters and seed only: columns are added up each by one
    thread (`force_col_wise`), because sums over rows that several threads share differ in their last bits. Values in
    their store are read twice, in ranges, and only their bins are kept; the bins are those of values in memory unless
    there are more rows than can be sampled for them.

    Parameters
    ----------
    train, validation : Part
        Each of both classes, finite. With peers each has its own rows to train on, and all the same to validate.
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
    peers : Peers
        Those who fit with this one, by LightGBM's own sockets; all get the same booster.

    Raises
    ------
    DatasetError
        Values that are not finite.
    """
    import lightgbm

    lightgbm.register_logger(_LOGGER)
    chosen = params or BoosterParams()
    settings = _settings(chosen, int(train.totals.sum()), seed, threads) | _binning(train) | _network(peers)
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
    if peers:
        booster.free_network()
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    unsaid = (*_RUN_LINES, *_PLACES) if peers else _RUN_LINES
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith(unsaid)]
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


def _binning(train: Part) -> dict[str, Any]:
    """Bound the sample that bins are placed by, where values are in their store because memory is short."""
    if not isinstance(train.values, Stored):
        return {}
    most = max(_LEAST_SAMPLE, SAMPLE_BYTES // (8 * train.values.shape[1]))
    return {"bin_construct_sample_cnt": most} if most < _SAMPLE else {}


def _network(peers: Peers | None) -> dict[str, Any]:
    """Say who fits together; every one reads rows of its own (`pre_partition`)."""
    if peers is None:
        return {}
    return {
        "machines": ",".join(peers.machines),
        "num_machines": len(peers.machines),
        "local_listen_port": peers.port,
        "time_out": _PATIENCE,
        "tree_learner": "data",
        "pre_partition": True,
    }


def _dataset(part: Part, names: Sequence[str], settings: dict[str, Any], reference: Any = None) -> Any:
    import lightgbm

    values: Any = part.values
    if isinstance(values, Stored):
        lightgbm.Sequence.register(Batches)
        values = Batches(values)
    else:
        require_finite(values, names)
    return lightgbm.Dataset(
        values,
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
