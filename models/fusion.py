"""Fits the trees of a detector that a network measures for, so that every one learns only from what is fair to it.

The network's logits and forensic measurements err on different images, and each judges best what it did not learn
from. So the booster grows in two stages over one vector: forensic trees from the groups that the network learnt from,
which are many; then, starting from the network's logits and these trees, trees over all features from the groups that
were held back from both. These further trees count half of what they were fitted to: they know few groups, and an image
by a camera that none of them shows moves them most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.booster import BoosterParams, Fitted, Grow, Part, Progress, fit
from models.metrics import roc_auc
from models.sequence import Values, in_ranges, leading
from models.tree_text import add, to_onnx
from models.trees import Start, Trees

__all__ = ["FURTHER", "FURTHER_SHARE", "Fused", "fuse"]

FURTHER: Final = BoosterParams(
    learning_rate=0.02,
    num_leaves=15,
    feature_fraction=0.1,
    lambda_l2=20.0,
    max_trees=800,
    early_stopping_rounds=100,
)
"""What governs the second stage: small trees, for it has a fifth of the images."""

FURTHER_SHARE: Final = 0.5
"""What the trees of the second stage count; docs/results.md has the figures."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A booster of both stages.

    Attributes
    ----------
    fitted : Fitted
        The trees of both, and their AUC, the start included, on validation.
    start : Start
        The share of the network's logits.
    stages : (int, int)
        The trees of each stage.
    """

    fitted: Fitted
    start: Start
    stages: tuple[int, int]


def fuse(
    learnt: Part,
    held: Part,
    validation: Part,
    names: Sequence[str],
    logits: Sequence[str],
    *,
    params: BoosterParams | None = None,
    further: BoosterParams = FURTHER,
    seed: int = 0,
    threads: int = 0,
    progress: Progress | None = None,
    grow: Grow = fit,
) -> Fused:
    """Fit both stages.

    Parameters
    ----------
    learnt : Part
        What the network learnt from: (n, k) float32, the first k features, none of them a network's.
    held, validation : Part
        What it did not: (m, d) float32 rows.
    names : sequence of str
        The names of all d features.
    logits : sequence of str
        Those that are the network's own scores.
    params, further : BoosterParams
        Of the first and second stage.
    seed, threads, progress
        As `fit` takes them.
    grow : callable
        What fits a booster, as `fit` does.

    Raises
    ------
    DatasetError
        Values that are not finite.
    """
    width = learnt.values.shape[1]
    forensic = replace(validation, values=leading(validation.values, width))
    first = grow(learnt, forensic, names[:width], params=params, seed=seed, threads=threads, progress=progress)
    trees = Trees(to_onnx(first.text))
    start, factor, offset = _weigh(trees, width, held, names, logits)

    def starts(values: Values) -> npt.NDArray[np.float64]:
        scores = trees.scores(values[:, :width]).astype(np.float64)
        begun: npt.NDArray[np.float64] = start.terms(values, names).sum(axis=1) + factor * scores + offset
        return begun

    def started(part: Part) -> Part:
        return replace(part, start=in_ranges(starts, part.values).astype(np.float64, copy=False))

    judged = started(validation)
    second = grow(started(held), judged, names, params=further, seed=seed, threads=threads, progress=progress)
    stages = first.best_iteration, second.best_iteration
    text = add([(first.text, factor), (second.text, FURTHER_SHARE)])
    return Fused(Fitted(text, sum(stages), _auc(judged, Trees(to_onnx(second.text)))), start, stages)


def _auc(judged: Part, further: Trees) -> float:
    """Measure what rows start from and the share of the further trees."""
    assert judged.start is not None
    scores = judged.start + FURTHER_SHARE * in_ranges(further.scores, judged.values).astype(np.float64)
    return float(roc_auc(judged.labels, scores, judged.weights))


def _weigh(
    trees: Trees, width: int, held: Part, names: Sequence[str], logits: Sequence[str]
) -> tuple[Start, float, float]:
    """Weigh logits and forensic trees by logistic regression: the start, the trees' factor, never below 0, the rest."""
    from sklearn.linear_model import LogisticRegression

    columns = [names.index(logit) for logit in logits]
    scores = in_ranges(lambda values: trees.scores(values[:, :width]), held.values).astype(np.float64)
    given = in_ranges(lambda values: values[:, columns], held.values).astype(np.float64)
    means = given.mean(axis=0)
    model = LogisticRegression().fit(np.column_stack([given - means, scores]), held.labels, held.weights)
    *weights, factor = model.coef_[0].tolist()
    start = Start(tuple(logits), tuple(weights), tuple(means.tolist()))
    return start, max(factor, 0.0), float(model.intercept_[0])
