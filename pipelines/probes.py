"""Probes for shortcuts: small models that see nothing of a picture but a few facts, and how well these tell the label.

A detector that learns such a shortcut looks right on its own data set and fails elsewhere.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from models.intervals import Resamples, figures
from models.metrics import METRICS, roc_auc

__all__ = ["LEAST", "folds_of", "probe"]

LEAST: Final = 20
"""The fewest images of each class, and the fewest groups, that a probe is trained and judged on."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FOLDS = 5
_TREES = 50


def folds_of(groups: Sequence[str]) -> Ints:
    """Deal the groups out to five folds of equally many, in the order of their hashes; (n,) int array of 0 to 4."""
    order = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest())
    fold = {group: rank % _FOLDS for rank, group in enumerate(order)}
    return np.array([fold[group] for group in groups], np.int64)


def probe(names: Sequence[str], values: Floats, labels: Ints, groups: Sequence[str]) -> dict[str, Any] | None:
    """Measure how well facts tell fakes from reals in groups that the probe was not trained on.

    Parameters
    ----------
    names : sequence of k str
        What the facts are called.
    values : (n, k) float64 array
        The facts, NaN where an image has none.
    labels : (n,) int array
        0 real, 1 fake.
    groups : sequence of n str
        Images of one group are never on both sides.

    Returns
    -------
    dict or None
        `auc` with `value`, `low` and `high`, the 95 % interval by bootstrap over groups; `facts`: the AUC of each fact
        alone, greatest first; `constant`: the facts that all images share, which tell nothing. None where there are
        fewer than `LEAST` images of a class or `LEAST` groups.
    """
    if min(np.sum(labels == 0), np.sum(labels == 1), len(set(groups))) < LEAST:
        return None
    varying = [column for column in range(len(names)) if _varies(values[:, column])]
    folds = folds_of(groups)
    facts = {names[column]: _auc(_judge(values[:, [column]], labels, folds), labels) for column in varying}
    judged = _judge(values[:, varying], labels, folds)
    return {
        "auc": figures({"auc": METRICS["auc"]}, labels, judged, Resamples.draw(groups))["auc"],
        "facts": dict(sorted(facts.items(), key=lambda item: -item[1])),
        "constant": [name for column, name in enumerate(names) if column not in varying],
    }


def _varies(column: Floats) -> bool:
    return not np.all(np.isnan(column)) and not np.all(column == column[0])


def _auc(judged: Floats, labels: Ints) -> float:
    return float(roc_auc(labels, judged, np.ones(len(labels))))


def _judge(values: Floats, labels: Ints, folds: Ints) -> Floats:
    """Train on four folds and judge the fifth, five times; all alike where there is nothing to tell them by."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    judged = np.zeros(len(labels))
    with threadpool_limits(1):  # threads that meet after every split of so few facts cost more than they bring
        for fold in range(_FOLDS if values.shape[1] else 0):
            inside, outside = folds != fold, folds == fold
            model = HistGradientBoostingClassifier(
                max_iter=_TREES, max_leaf_nodes=15, min_samples_leaf=5, early_stopping=False, random_state=0
            )
            model.fit(values[inside], labels[inside])
            judged[outside] = model.predict_proba(values[outside])[:, 1]
    return judged
