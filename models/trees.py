"""What a raw score is made of: boosted trees, and for some detectors a linear term that the trees start from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.tree_file import Forest, read

__all__ = ["Start", "Trees", "add_up"]

Values = npt.NDArray[np.float32]

_ONE: Final = np.uint64(1)
_AT_ONCE: Final = 16  # splits of every tree that a row asks together: what they need stays near the core


class Trees:
    """Boosted trees, of which a row asks all splits at once.

    Count the leaves of a tree from the left. A split that a row passes on its right rules out the leaves on its left;
    once all splits have spoken, whether the row gets to them or not, the first leaf that is left is the one it reaches
    (Lucchese et al. 2015, DOI 10.1145/2766462.2767733). The leaves of a tree are the bits of a word.
    """

    def __init__(self, onnx: bytes) -> None:
        """Lay out what `models.tree_text.to_onnx` wrote; BundleError where it is anything else."""
        forest = read(onnx)
        self.width: Final = forest.width
        ruled_out, self._leaves = _in_order(forest)
        self._starts = np.arange(len(self._leaves)) * self._leaves.shape[1]
        features, thresholds = forest.features.T.copy(), forest.thresholds.T.copy()
        parts = [slice(at, at + _AT_ONCE) for at in range(0, len(ruled_out), _AT_ONCE)]
        self._parts = [(features[part], thresholds[part], ruled_out[part]) for part in parts]

    def scores(self, values: Values) -> npt.NDArray[np.float32]:
        """Raw scores (log odds before calibration) of (n, d) float32 rows, finite: (n,) float32."""
        return np.array([self._score(row) for row in np.ascontiguousarray(values, np.float32)], np.float32)

    def _score(self, row: Values) -> np.float32:
        gone = np.zeros(len(self._starts), np.uint64)
        for features, thresholds, ruled_out in self._parts:
            gone |= np.bitwise_or.reduce(ruled_out * (row.take(features) > thresholds), axis=0)
        first_left = ~gone & (gone + _ONE)
        places = np.frexp(first_left.astype(np.float64))[1] - 1
        reached: Values = self._leaves.take(self._starts + places)
        total: np.float32 = np.add.accumulate(reached)[-1]  # one by one: always the same bits
        return total


def _in_order(forest: Forest) -> tuple[npt.NDArray[np.uint64], Values]:
    """Count leaves from the left: (s, t), those that a split rules out, and (t, s + 1), what they add in that order."""
    (most, count), trees = forest.left.T.shape, np.arange(len(forest.left))
    left, right, numbers = forest.left.T, forest.right.T, np.arange(most + 1)
    below = np.ones((2 * most + 1, count), np.uint64)  # leaves
    for split in reversed(range(most)):
        both = below[left[split], trees] + below[right[split], trees]
        below[split] = np.where(split < forest.splits, both, 1)
    first = np.zeros_like(below)
    for split in range(most):
        first[left[split], trees] = first[split]
        first[right[split], trees] = first[split] + below[left[split], trees]
    ruled_out = ((_ONE << below[left, trees]) - _ONE) << first[:most]
    tree, leaf = np.nonzero(numbers <= forest.splits[:, None])
    ordered = np.zeros_like(forest.leaves)
    ordered[tree, first[forest.splits[tree] + leaf, tree].astype(np.int64)] = forest.leaves[tree, leaf]
    return ruled_out, ordered


@dataclass(frozen=True, slots=True)
class Start:
    """What a score starts from: the sum of weight * (value - mean) over some features.

    Attributes
    ----------
    names : tuple of str
        The features.
    weights, means : tuple of float
        One a feature.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    means: tuple[float, ...]

    def terms(self, values: Values, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Give the terms of the sum for (n, d) float32 rows with columns `names`: (n, len(self.names)) float64."""
        columns = [names.index(name) for name in self.names]
        centred = values[:, columns].astype(np.float64) - np.asarray(self.means)
        terms: npt.NDArray[np.float64] = centred * np.asarray(self.weights)
        return terms

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], names: Sequence[str]) -> "Start":
        """Rebuild what `to_json` wrote; ValueError where it is malformed or names no feature of `names`."""
        start = cls(*(tuple(record[key]) for key in ("names", "weights", "means")))
        if unknown := set(start.names) - set(names):
            raise ValueError(f"the start names {sorted(unknown)[0]!r}, which is no feature")
        if not len(start.names) == len(start.weights) == len(start.means):
            raise ValueError("the start has not one weight and one mean for each name")
        if not np.isfinite([*start.weights, *start.means]).all():
            raise ValueError("the start has a weight or mean that is no finite number")
        return start


def add_up(trees: Trees, start: Start | None, values: Values, names: Sequence[str]) -> npt.NDArray[np.floating[Any]]:
    """Raw scores of (n, d) float32 rows with columns `names`, the start included where there is one: (n,) float."""
    scores = trees.scores(values)
    return scores if start is None else scores + start.terms(values, names).sum(axis=1)
