"""What a raw score is made of: boosted trees, and for some detectors a linear term that the trees start from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.runtime import open_model

__all__ = ["Start", "Trees", "add_up"]

Values = npt.NDArray[np.float32]

_WIDEST: Final = 1_000_000  # features


class Trees:
    """The boosted trees in onnxruntime, on one thread."""

    def __init__(self, onnx: bytes) -> None:
        """Load the model that `models.tree_text.to_onnx` wrote; BundleError where it is no such model."""
        self._session = open_model(onnx, "booster.onnx", optimise=False)  # one node: nothing to gain
        try:
            (self._input,), (self._output,) = self._session.get_inputs(), self._session.get_outputs()
            row = np.zeros((1, min(self.width, _WIDEST)), np.float32)
            one = self.scores(row).shape == (1,)
        except Exception as error:  # onnxruntime has no common class of errors; some show only when it runs
            raise BundleError("booster.onnx is a model of something else") from error
        if not one:
            raise BundleError("booster.onnx is a model of something else: it gives more than a score a row")

    @property
    def width(self) -> int:
        """How many features a row has."""
        return int(self._input.shape[1])

    def scores(self, values: Values) -> npt.NDArray[np.float32]:
        """Raw scores (log odds before calibration) of (n, d) float32 rows: (n,) float32."""
        (scores,) = self._session.run([self._output.name], {self._input.name: np.ascontiguousarray(values, np.float32)})
        return np.asarray(scores, np.float32).ravel()


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
