"""What the verdicts of one detector are worth: figures with intervals, counts, curves, and what perturbations cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.calibration import OperatingPoints
from models.intervals import Figure, Resamples, figures
from models.metrics import BINS, METRICS, VERDICT_METRICS, Metric, accuracy, balanced, curves, verdict_metrics
from pipelines.dataset import LABELS
from pipelines.robustness import Level

__all__ = ["Judged", "block", "confusion", "curves_of", "reliability", "robustness", "sources", "whole_block"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[Any]

_VERDICTS: Final = ("real", "uncertain", "fake", "no_face")
_CODES: Final = {"real": 0.0, "fake": 1.0}  # every other verdict lies between, and is none
_CODED: Final = verdict_metrics(OperatingPoints(fake_from=1.0, real_below=0.5))
_CURVE_POINTS: Final = 200
_OF_ONE_CLASS: Final = ("accuracy", "recall")  # of METRICS, what says something of one class alone
_OF_A_SOURCE: Final = (
    *("auc", "accuracy", "balanced_accuracy", "tpr_at_fpr_1", "ece"),
    *("reals_called_fake", "fakes_called_real", "coverage"),
)
_OF_A_LEVEL: Final = ("auc", "accuracy", "reals_called_fake", "fakes_called_real", "coverage")


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows that a detector judged.

    Attributes
    ----------
    labels : (n,) int array
        0 real, 1 fake.
    probabilities : (n,) float64 array
        Of being fake, at equal priors; NaN where no face was found.
    verdicts : (n,) str array
        `real`, `uncertain`, `fake` or `no_face`.
    digests, groups, kinds, sources : (n,) str arrays
        The sha256 of each image, what it is drawn with, how it was made, and its data set.
    facts : mapping
        (n,) float64 arrays of what was noted of the images, NaN where nothing was.
    drawn : Resamples
        Of the groups.
    """

    labels: npt.NDArray[np.int64]
    probabilities: Floats
    verdicts: npt.NDArray[np.str_]
    digests: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]
    sources: npt.NDArray[np.str_]
    facts: Mapping[str, Floats]
    drawn: Resamples

    def at(self, rows: Rows) -> "Judged":
        """Take some rows, by positions or a mask, with the same draws."""
        return Judged(
            labels=self.labels[rows],
            probabilities=self.probabilities[rows],
            verdicts=self.verdicts[rows],
            digests=self.digests[rows],
            groups=self.groups[rows],
            kinds=self.kinds[rows],
            sources=self.sources[rows],
            facts={name: values[rows] for name, values in self.facts.items()},
            drawn=self.drawn.of(rows),
        )

    def balanced(self) -> "Judged":
        """Take as many rows of either class, those of lowest sha256; all where there is one class."""
        chosen = balanced(self.labels, self.digests)
        return self.at(chosen if len(chosen) else np.arange(len(self.labels)))

    def redrawn(self, resamples: int, seed: int) -> "Judged":
        """Draw among the groups of these rows alone."""
        return replace(self, drawn=Resamples.draw(self.groups, resamples, seed))

    @property
    def rated(self) -> "Judged":
        """The rows that have a probability."""
        return self.at(np.isfinite(self.probabilities))

    @property
    def has_both(self) -> bool:
        """Whether there are rows of either class."""
        return bool(np.any(self.labels == 0) and np.any(self.labels == 1))


def block(judged: Judged, names: Iterable[str]) -> dict[str, Any]:
    """Count rows and groups, and measure the figures `names`, of METRICS and VERDICT_METRICS.

    The former are of the rows that have a probability; the latter of all: where no face was found, there is no verdict.
    Of one class alone, those of the former that speak of both are None.
    """
    names, rated = list(names), judged.rated
    codes = np.array([_CODES.get(verdict, 0.75) for verdict in judged.verdicts.tolist()], np.float64)
    found = {
        **_measured(METRICS, names, rated, rated.probabilities),
        **_measured(_CODED, names, judged, codes),
    }
    if not rated.has_both:
        lost = [name for name in METRICS if name not in _OF_ONE_CLASS]
        found |= {name: {"value": None, "low": None, "high": None} for name in lost}
    counts = {name: int(np.sum(judged.labels == label)) for label, name in enumerate(LABELS)}
    return {
        "rows": len(judged.labels),
        **counts,
        "groups": len(np.unique(judged.groups)),
        **{name: found[name] for name in names},
    }


def _measured(metrics: Mapping[str, Metric], names: Sequence[str], judged: Judged, values: Floats) -> dict[str, Figure]:
    wanted = {name: metric for name, metric in metrics.items() if name in names}
    return figures(wanted, judged.labels, values, judged.drawn)


def whole_block(judged: Judged) -> dict[str, Any]:
    """Measure everything; beside it stand the accuracy of naming always the larger class, and images without a face."""
    found = block(judged, (*METRICS, *VERDICT_METRICS))
    majority = max(found["real"], found["fake"]) / found["rows"]
    return {**found, "majority": majority, "no_face": int(np.sum(judged.verdicts == "no_face"))}


def confusion(judged: Judged) -> dict[str, Any]:
    """Count verdicts by true label: at the operating points, and at probability 0.5 for what has one."""
    half = np.where(judged.probabilities >= 0.5, 1, 0)
    rated = np.isfinite(judged.probabilities)
    of = {name: judged.labels == label for label, name in enumerate(LABELS)}
    return {
        "verdicts": {
            true: {verdict: int(np.sum(judged.verdicts[rows] == verdict)) for verdict in _VERDICTS}
            for true, rows in of.items()
        },
        "half": {
            true: {name: int(np.sum(half[rows & rated] == said)) for said, name in enumerate(LABELS)}
            for true, rows in of.items()
        },
    }


def reliability(judged: Judged) -> list[dict[str, Any]]:
    """Hold probabilities against what came true, in bins of equal width; those without rows are left out."""
    rated = judged.rated
    cells = np.minimum((rated.probabilities * BINS).astype(np.int64), BINS - 1)
    share = {"fakes": accuracy}  # of calling all of them fake
    bins = []
    for cell in np.unique(cells).tolist():
        held = rated.at(cells == cell)
        bins.append(
            {
                "low": cell / BINS,
                "high": (cell + 1) / BINS,
                "rows": len(held.labels),
                "probability": float(held.probabilities.mean()),
                **figures(share, held.labels, np.ones(len(held.labels)), held.drawn),
            }
        )
    return bins


def curves_of(judged: Judged) -> dict[str, list[list[float]]]:
    """Give the ROC curve and precision against recall, each thinned to at most 200 points; of both classes."""
    rated = judged.rated
    accused, found, precisions = curves(rated.labels, rated.probabilities)
    steps = np.linspace(0, 2, _CURVE_POINTS - 1)
    kept = np.unique(np.append(np.searchsorted(accused + found, steps, side="right") - 1, len(found) - 1))
    return {
        "roc": np.stack([accused[kept], found[kept]], axis=1).tolist(),
        "pr": np.stack([found[kept], precisions[kept]], axis=1).tolist(),
    }


def sources(judged: Judged, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Measure each data set by itself, balanced where it has both classes: a row of the matrix models by data sets."""
    found = []
    for name in np.unique(judged.sources).tolist():
        own = judged.at(judged.sources == name)
        rows = own.balanced().redrawn(resamples, seed)
        found.append({"source": name, "balanced": own.has_both, **block(rows, _OF_A_SOURCE)})
    return found


def robustness(baseline: Judged, levels: Sequence[tuple[Level, Judged]], failed: Sequence[int]) -> dict[str, Any]:
    """Measure what is left under each level, at the same thresholds and on the same draws, and name the worst.

    Parameters
    ----------
    baseline : Judged
        The images as they are.
    levels : sequence of (Level, Judged)
        The same images perturbed, those left out that failed.
    failed : sequence of int
        How many those were.
    """
    measured = [
        {**level.to_json(), "failed": lost, **block(rows, _OF_A_LEVEL)}
        for (level, rows), lost in zip(levels, failed, strict=True)
    ]
    return {
        "baseline": block(baseline, _OF_A_LEVEL),
        "levels": measured,
        "worst": {
            "auc": _worst(measured, "auc", -1),
            "accuracy": _worst(measured, "accuracy", -1),
            "reals_called_fake": _worst(measured, "reals_called_fake", 1),
        },
    }


def _worst(levels: Sequence[Mapping[str, Any]], figure: str, sign: int) -> dict[str, Any] | None:
    """Find the level with the lowest (sign -1) or highest (sign 1) value of a figure; None where none has one."""
    defined = [level for level in levels if level[figure]["value"] is not None]
    if not defined:
        return None
    worst = max(defined, key=lambda level: sign * level[figure]["value"])
    return {**{name: worst[name] for name in ("perturbation", "level", "name")}, "value": worst[figure]}
