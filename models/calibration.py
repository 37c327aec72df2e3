"""From a raw score to a probability, and from a probability to a verdict.

The sigmoid has two parameters and never a free-form (isotonic) curve: it keeps the order of scores, cannot follow
noise, and is fitted so that both classes weigh the same, whatever their mixture in the data.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.errors import BundleError

__all__ = [
    "FAKES_MISSED",
    "REALS_ACCUSED",
    "Calibration",
    "OperatingPoints",
    "calibration_scores",
    "too_few",
    "with_prior",
]

REALS_ACCUSED: Final = 0.01
"""Share of real calibration images that may reach the verdict `fake`, unless another is asked for."""

FAKES_MISSED: Final = 0.05
"""Share of fake calibration images that may stay under the verdict `real`, unless another is asked for."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]

Kept = Mapping[str, Sequence[float]]
"""What `calibration_scores` gives."""

_CLASSES: Final = ("real", "fake")
_MAX_STEPS = 100
_HALVINGS = 30  # of a Newton step until it lowers the loss
_RIDGE = 1e-12
_LARGEST_EXPONENT = 700.0  # exp of more overflows a double


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's sigmoid: probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, scores: npt.ArrayLike, labels: Labels) -> "Calibration":
        """Fit the sigmoid by weighted maximum likelihood, each class weighing one half.

        Parameters
        ----------
        scores : (n,) array
            Raw scores, finite, of rows that no other fit has seen.
        labels : (n,) int array
            0 real, 1 fake; both occur.

        References
        ----------
        Platt (1999), Probabilistic outputs for support vector machines: the smoothed targets.
        Lin, Lin, Weng (2007), A note on Platt's probabilistic outputs, DOI 10.1007/s10994-007-5018-6: Newton's method
        with backtracking.
        """
        x = np.asarray(scores, np.float64)
        fakes = int(np.sum(labels == 1))
        reals = len(x) - fakes
        if not fakes or not reals:
            raise ValueError(f"calibration needs both classes, not {reals} real and {fakes} fake rows")
        target = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
        weight = np.where(labels == 1, 0.5 / fakes, 0.5 / reals)
        slope, intercept = _newton(x, target, weight)
        return cls(slope, intercept)

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """Turn raw scores of any shape into probabilities of the same shape, float64.

        Each row is computed by itself, so that it never depends, even in its last bit, on the rows beside it.
        """
        x = self.slope * np.asarray(scores, np.float64) + self.intercept
        return np.array([_sigmoid(value) for value in x.ravel().tolist()], np.float64).reshape(x.shape)

    def to_json(self) -> dict[str, Any]:
        """Give the method and its parameters as JSON values."""
        return {"method": "platt", **asdict(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Calibration":
        """Rebuild what `to_json` wrote; ValueError where the method is another."""
        if record["method"] != "platt":
            raise ValueError(f"calibration method {record['method']!r} is not known; expected 'platt'")
        return cls(float(record["slope"]), float(record["intercept"]))


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """Two thresholds on the probability (equal priors): `fake` from one on, `real` below the other."""

    fake_from: float
    real_below: float

    @classmethod
    def fit(
        cls, probabilities: Floats, labels: Labels, *, max_fpr: float = REALS_ACCUSED, max_miss: float = FAKES_MISSED
    ) -> "OperatingPoints":
        """Place the points on calibration rows.

        `fake_from` is the least probability that at most the share `max_fpr` of the reals reaches, just above all of
        them where there is none; `real_below` the greatest that at most the share `max_miss` of the fakes stays under.
        Where the classes are so far apart that the points would cross, one point between them, as near to 0.5 as they
        allow, serves as both and nothing is uncertain.

        Parameters
        ----------
        probabilities : (n,) float64 array
            At equal priors.
        labels : (n,) int array
            0 real, 1 fake; both occur.
        max_fpr, max_miss : float
            Between 0 and 1, both excluded; ValueError otherwise.
        """
        for name, share in (("max_fpr", max_fpr), ("max_miss", max_miss)):
            if not 0 < share < 1:
                raise ValueError(f"{name} lies between 0 and 1, both excluded, not {share:g}")
        fake_from = _point_reached_by(probabilities[labels == 0], max_fpr)
        real_below = _point_above(probabilities[labels == 1], max_miss)
        if fake_from < real_below:
            fake_from = real_below = min(max(0.5, fake_from), real_below)
        return cls(fake_from, real_below)

    @classmethod
    def of_scores(
        cls, kept: Kept, *, max_fpr: float = REALS_ACCUSED, max_miss: float = FAKES_MISSED
    ) -> "OperatingPoints":
        """Place the points anew on what `calibration_scores` kept: by the same shares, the same points.

        Raises
        ------
        ValueError
            As `fit` raises it.
        BundleError
            What was kept is malformed.
        """
        reals, fakes = _classes(kept)
        labels = np.repeat([0, 1], [len(reals), len(fakes)])
        return cls.fit(np.concatenate([reals, fakes]), labels, max_fpr=max_fpr, max_miss=max_miss)

    def decide(self, probability: float) -> str:
        """Name the verdict: `fake`, `real` or `uncertain`."""
        if probability >= self.fake_from:
            return "fake"
        return "real" if probability < self.real_below else "uncertain"

    def to_json(self) -> dict[str, float]:
        """Give both points as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "OperatingPoints":
        """Rebuild what `to_json` wrote; ValueError where the points cross."""
        points = cls(float(record["fake_from"]), float(record["real_below"]))
        if not points.real_below <= points.fake_from:
            raise ValueError(f"operating points cross: real below {points.real_below}, fake from {points.fake_from}")
        return points


def calibration_scores(probabilities: Floats, labels: Labels) -> dict[str, list[float]]:
    """Keep the probabilities of the calibration rows, so that the operating points can be moved on request.

    They are kept to the last bit: rounded, the same shares would place other points.

    Parameters
    ----------
    probabilities : (n,) float64 array
        At equal priors.
    labels : (n,) int array
        0 real, 1 fake.

    Returns
    -------
    dict
        `real` and `fake`, each sorted.
    """
    return {name: np.sort(probabilities[labels == label]).tolist() for label, name in enumerate(_CLASSES)}


def too_few(kept: Kept, *, max_fpr: float = REALS_ACCUSED, max_miss: float = FAKES_MISSED) -> list[str]:
    """Say of each share that it is less than one calibration image, and where its point lies then.

    Takes what `OperatingPoints.of_scores` takes and raises BundleError as it does.
    """
    reals, fakes = (len(scores) for scores in _classes(kept))
    sides = (
        (reals, "real", "false positives", max_fpr, "the point for fake lies above all of them"),
        (fakes, "fake", "misses", max_miss, "the point for real lies below all of them"),
    )
    return [
        f"{count} {name} calibration images are too few for a share of {share:g} {wrong}: {place}"
        for count, name, wrong, share, place in sides
        if share * count < 1
    ]


def with_prior(probability: float, prior: float) -> float:
    """Move a probability from equal priors to a world in which the share `prior` of images is fake (Bayes' rule).

    Verdicts are taken before this: the operating points are rates, and no prior changes them.
    """
    if not 0 < prior < 1:
        raise ValueError(f"a prior lies between 0 and 1, not {prior}")
    fake = probability * prior
    return fake / (fake + (1 - probability) * (1 - prior))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(x, -_LARGEST_EXPONENT)))


def _newton(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Minimise the weighted cross entropy of sigmoid(slope * x + intercept); return slope and intercept.

    Plain sums instead of matrix products: those may be split over threads, and their last bit with them.
    """
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    z = (x - centre) / scale
    a = b = 0.0
    loss = _cross_entropy(z, a, b, target, weight)
    for _ in range(_MAX_STEPS):
        step_a, step_b = _newton_step(z, a, b, target, weight)
        trials = ((a - step_a / 2**k, b - step_b / 2**k) for k in range(_HALVINGS))
        better = next((t for t in trials if _cross_entropy(z, *t, target, weight) < loss), None)
        if better is None:
            break
        a, b = better
        loss = _cross_entropy(z, a, b, target, weight)
    return a / scale, b - a / scale * centre


def _newton_step(z: Floats, a: float, b: float, target: Floats, weight: Floats) -> tuple[float, float]:
    """Solve the two by two system of gradient and Hessian at (a, b)."""
    p = 1 / (1 + np.exp(-(a * z + b)))
    slack, curve = weight * (p - target), weight * p * (1 - p)
    ga, gb = float(np.sum(slack * z)), float(np.sum(slack))
    aa, ab, bb = float(np.sum(curve * z * z)) + _RIDGE, float(np.sum(curve * z)), float(np.sum(curve)) + _RIDGE
    determinant = aa * bb - ab * ab
    return (bb * ga - ab * gb) / determinant, (aa * gb - ab * ga) / determinant


def _cross_entropy(z: Floats, a: float, b: float, target: Floats, weight: Floats) -> float:
    logit = a * z + b
    return float(np.sum(weight * (np.logaddexp(0, logit) - target * logit)))


def _classes(kept: Kept) -> tuple[Floats, Floats]:
    """Read what `calibration_scores` gave: the probabilities of reals, those of fakes."""
    try:
        reals, fakes = (np.asarray(kept[name], np.float64) for name in _CLASSES)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"malformed calibration scores: {type(error).__name__}: {error}") from error
    for name, scores in zip(_CLASSES, (reals, fakes), strict=True):
        if scores.ndim != 1 or not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
            raise BundleError(f"malformed calibration scores: {name} is not a list of probabilities")
    return reals, fakes


def _point_reached_by(reals: Floats, share: float) -> float:
    """Find the least of the values that at most `share` of them reach; just above the greatest where none is."""
    ordered = np.sort(reals)
    values = np.unique(ordered)
    reached = len(ordered) - np.searchsorted(ordered, values, side="left")
    allowed = values[reached <= share * len(ordered)]
    return float(allowed[0]) if allowed.size else float(np.nextafter(values[-1], 2))


def _point_above(fakes: Floats, share: float) -> float:
    """Find the greatest of the values that at most `share` of them stay under."""
    ordered = np.sort(fakes)
    under = np.searchsorted(ordered, ordered, side="left")
    return float(ordered[under <= share * len(ordered)][-1])
