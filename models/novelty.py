"""How unlike its training images an image is: a distance in feature space, fitted with numpy and run as ONNX.

Each value is taken relative to its median and to the spread of its middle 98 per cent, and clipped. A row then becomes
a few numbers of mean zero and deviation one: its principal components, and the logarithm of the energy that they leave
over. Its distance is the root mean square of those: 1 for what is typical.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import BundleError
from features.onnx_model import serialize
from features.runtime import open_model

__all__ = ["EXCEEDED", "Novelty", "drawn", "fit", "limit"]

EXCEEDED: Final = 0.01
"""Share of images like those it is calibrated on that may lie beyond the limit."""

Values = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_COMPONENTS: Final = 32  # more take authentic faces from elsewhere for strange, fewer miss strange images
_CLIP: Final = 4.0  # standard deviations
_MIDDLE: Final = (1, 50, 99)  # percentiles
_DEVIATIONS: Final = 4.652696  # between the 1st and the 99th percentile of a normal distribution
_DUST: Final = 1e-6  # of a value's greatest size: less spread than that is rounding
_LEAST_ENERGY: Final = 1e-6  # that components leave over; keeps the logarithm finite
_WIDEST: Final = 1_000_000  # features
_ROWS: Final = 20_000  # more change nothing that matters


class Novelty:
    """The distance in onnxruntime, on one thread, and the limit beyond which an image gets no verdict."""

    def __init__(self, onnx: bytes, limit: float) -> None:
        """Load what `fit` made; BundleError where it is no such model, or the limit no positive number."""
        if not (math.isfinite(limit) and limit > 0):
            raise BundleError(f"novelty.onnx: its limit is {limit}, not a positive number")
        self.limit = limit
        self._session = open_model(onnx, "novelty.onnx")
        try:
            (self._input,), (self._output,) = self._session.get_inputs(), self._session.get_outputs()
            self.distances(np.zeros((1, min(self.width, _WIDEST)), np.float32))
        except Exception as error:  # onnxruntime has no common class of errors; some show only when it runs
            raise BundleError("novelty.onnx is a model of something else") from error
        if self._output.name != "distance":
            raise BundleError("novelty.onnx is a model of something else")

    @property
    def width(self) -> int:
        """How many features a row has."""
        return int(self._input.shape[1])

    def distances(self, values: Values) -> Floats:
        """Measure (n, d) float32 rows, finite: (n,) float64, 1 for a typical training image.

        Rows run one by one: a matrix product rounds a row otherwise where others stand beside it.
        """
        rows = np.ascontiguousarray(values, np.float32)[:, None]
        outputs, name = [self._output.name], self._input.name
        return np.array([self._session.run(outputs, {name: row})[0].item() for row in rows], np.float64)

    def judge(self, distances: Sequence[float]) -> str | None:
        """Say why what views at these distances show gets no verdict; None where their mean is within the limit."""
        times = sum(distances) / len(distances) / self.limit
        if times <= 1:
            return None
        return f"unlike the images that the detector was trained on: {times:.2f} times the distance allowed"


def limit(distances: npt.ArrayLike, share: float = EXCEEDED) -> float | None:
    """Place the limit so that at most a share of further images like these lie beyond it, in the mean over such draws.

    It is the k-th greatest of the n distances, k the whole part of (n + 1) share. Fewer than 1 / share - 1 images
    cannot bear such a promise.

    Parameters
    ----------
    distances : (n,) array
        Of images that nothing was fitted on.
    share : float
        Between 0 and 1, both excluded.

    Returns
    -------
    float or None
        None where there are too few images.

    References
    ----------
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, DOI 10.1007/b106715: conformal prediction.
    """
    ordered = np.sort(np.asarray(distances, np.float64))
    beyond = math.floor((len(ordered) + 1) * share)
    return float(ordered[-beyond]) if beyond else None


def drawn(rows: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Choose the rows to learn from, ascending: all, or 20,000 drawn of more, the same ones each time."""
    places = np.asarray(rows)
    if len(places) > _ROWS:
        places = np.random.default_rng(0).choice(places, _ROWS, replace=False)
    return np.sort(places)


def fit(values: Values, rows: npt.ArrayLike | None = None, columns: npt.ArrayLike | None = None) -> bytes:
    """Learn what rows are like.

    The result depends on the arguments only, not on threads.

    Parameters
    ----------
    values : (n, d) float32 array
        Finite.
    rows : sequence of int, optional
        The rows to learn from; all unless given. They are those of the training part, in every form that the booster
        learns from: fitted on the images as they are, it takes every other JPEG compression for strange. Of more than
        20,000, that many are drawn.
    columns : sequence of int, optional
        The columns that count; all unless given. What a network sees is better left out: with it, fewer strange
        pictures and more authentic faces from elsewhere were taken for strange.

    Returns
    -------
    bytes
        An ONNX graph: input `features` (n, d) float32, output `distance` (n, 1) float32.
    """
    from threadpoolctl import threadpool_limits

    places = drawn(np.arange(len(values)) if rows is None else rows)
    chosen = np.arange(values.shape[1]) if columns is None else np.asarray(columns)
    with threadpool_limits(1):  # sums that threads share differ in their last bits
        learnt = _learn(values[places[:, None], chosen].astype(np.float64))
    return _graph(values.shape[1], chosen, learnt)


def _learn(rows: Floats) -> dict[str, Floats]:
    """Find the constants of the graph; `rows` are overwritten."""
    low, median, high = np.percentile(rows, _MIDDLE, axis=0)
    spread = (high - low) / _DEVIATIONS
    moves = spread > _DUST * np.abs(rows).max(axis=0)
    factor = np.where(moves, 1 / np.where(moves, spread, 1), 0)
    rows -= median
    rows *= factor
    np.clip(rows, -_CLIP, _CLIP, out=rows)
    mean = rows.mean(axis=0)
    rows -= mean
    variances, basis = _components(rows)
    inside = rows @ basis
    left = np.log(np.maximum((rows**2).sum(axis=1) - (inside**2).sum(axis=1), _LEAST_ENERGY))
    return {
        "median": median,
        "factor": factor,
        "mean": mean,
        "basis": basis,
        "inverse_deviation": 1 / np.sqrt(variances),
        "left_mean": left.mean(keepdims=True),
        "left_factor": 1 / np.maximum(left.std(keepdims=True), _LEAST_ENERGY),
    }


def _components(rows: Floats) -> tuple[Floats, Floats]:
    """Find the strongest principal components of centred rows: their variances (k,), and the components (d, k)."""
    wanted = max(1, min(_COMPONENTS, rows.shape[1] // 2, len(rows) // 3))
    variances, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    strongest = np.argsort(variances)[::-1][:wanted]
    least = _DUST * float(variances.max()) or 1.0
    return np.maximum(variances[strongest], least), vectors[:, strongest]


def _graph(width: int, columns: npt.NDArray[Any], learnt: dict[str, Floats]) -> bytes:
    """Write the distance as ONNX operators."""
    from onnx import TensorProto, helper, numpy_helper

    constants: dict[str, npt.NDArray[Any]] = {name: array.astype(np.float32) for name, array in learnt.items()}
    constants |= {
        "columns": columns.astype(np.int64),
        "lowest": np.array(-_CLIP, np.float32),
        "highest": np.array(_CLIP, np.float32),
        "least_energy": np.array(_LEAST_ENERGY, np.float32),
        "share": np.array(1 / (learnt["basis"].shape[1] + 1), np.float32),
    }
    graph = helper.make_graph(
        [helper.make_node(kind, inputs.split(), [output], **options) for output, kind, inputs, options in _STEPS],
        "novelty",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return serialize(graph)


_ROW: Final[dict[str, Any]] = {"axes": [1], "keepdims": 1}
_STEPS: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("taken", "Gather", "features columns", {"axis": 1}),
    ("shifted", "Sub", "taken median", {}),
    ("scaled", "Mul", "shifted factor", {}),
    ("clipped", "Clip", "scaled lowest highest", {}),
    ("centred", "Sub", "clipped mean", {}),
    ("inside", "MatMul", "centred basis", {}),
    ("energy", "ReduceSumSquare", "centred", _ROW),
    ("inside_energy", "ReduceSumSquare", "inside", _ROW),
    ("difference", "Sub", "energy inside_energy", {}),
    ("left", "Max", "difference least_energy", {}),
    ("left_log", "Log", "left", {}),
    ("left_shifted", "Sub", "left_log left_mean", {}),
    ("left_score", "Mul", "left_shifted left_factor", {}),
    ("scores", "Mul", "inside inverse_deviation", {}),
    ("all_scores", "Concat", "scores left_score", {"axis": 1}),
    ("squares", "ReduceSumSquare", "all_scores", _ROW),
    ("square", "Mul", "squares share", {}),
    ("distance", "Sqrt", "square", {}),
)
