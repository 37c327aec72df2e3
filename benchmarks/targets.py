"""The figures of docs/results.md, a function each: what the shipped detectors are to reach, and what they do."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le
from statistics import fmean
from typing import Any, Final

from benchmarks.markdown import interval, paragraph, source, table
from benchmarks.readme_detectors import ELSEWHERE, TESTED
from benchmarks.sources import FiguresError, Sources
from models.fusion import FURTHER_SHARE
from pipelines.forge import FORGERIES
from pipelines.kinds import FORGED, FOUND

__all__ = ["BLOCKS", "TARGETS", "Target", "unseen"]

_UNSEEN: Final = "unseen"
"""The folder of the results of `benchmarks.unseen`, some kinds in each."""

_KINDS: Final = frozenset({FOUND, *(f"{FORGED}.{family}" for family in FORGERIES)})
_LOW_LEVELS: Final = (1, 2)


@dataclass(frozen=True)
class Target:
    """What a detector is to reach.

    Attributes
    ----------
    title : str
        What is measured.
    aim, floor : float
        What is hoped for, and what is the least (or, where `below`, the most) that is accepted.
    value : callable
        Finds the figure, and the name of its result file.
    below : bool
        Whether less is better.
    percent : bool
        Whether it is written as a share.
    """

    title: str
    aim: float
    floor: float
    value: Callable[[Sources], tuple[float, str]]
    below: bool = False
    percent: bool = False

    def row(self, sources: Sources) -> tuple[str, ...]:
        """Write its row; where the figure is missing or of another detector, that stands there."""
        limits = (self._write(self.aim), self._write(self.floor))
        try:
            value, name = self.value(sources)
        except FiguresError as error:
            return (self.title, "not measured", *limits, str(error).partition(";")[0])
        holds = le if self.below else ge
        outcome = "aim" if holds(value, self.aim) else "floor" if holds(value, self.floor) else "**below the floor**"
        return (self.title, self._write(value), *limits, f"{outcome}, `{name}.json`")

    def _write(self, value: float) -> str:
        return f"{value:.1%}" if self.percent else f"{value:.3f}"


def _model(sources: Sources, name: str, detector: str) -> Mapping[str, Any]:
    """Find a shipped detector in the result of an evaluation."""
    for model in sources.result(name)["models"]:
        if model["name"] == detector and model["digest"] == sources.digest_of(detector):
            return dict(model)
    raise FiguresError(f"{name}.json is not of the {detector} that ships; run it again")


def _tested(detector: str, figure: str) -> Callable[[Sources], tuple[float, str]]:
    def value(sources: Sources) -> tuple[float, str]:
        return _model(sources, TESTED, detector)["figures"]["balanced"][figure]["value"], TESTED

    return value


def _lost(perturbation: str, level: int) -> Callable[[Sources], tuple[float, str]]:
    """Find the AUC that `full` loses at one level of a perturbation."""

    def value(sources: Sources) -> tuple[float, str]:
        found = _model(sources, TESTED, "full")["robustness"]
        (worn,) = (one for one in found["levels"] if (one["perturbation"], one["level"]) == (perturbation, level))
        return found["baseline"]["auc"]["value"] - worn["auc"]["value"], TESTED

    return value


def _false_alarms(sources: Sources) -> tuple[float, str]:
    levels = _model(sources, TESTED, "full")["robustness"]["levels"]
    return max(one["reals_called_fake"]["value"] for one in levels if one["level"] in _LOW_LEVELS), TESTED


def _photographs(sources: Sources) -> tuple[float, str]:
    return _model(sources, ELSEWHERE, "full")["figures"]["all"]["reals_called_fake"]["value"], ELSEWHERE


def _worst_or_mean(gather: Callable[[Sequence[float]], float]) -> Callable[[Sources], tuple[float, str]]:
    def value(sources: Sources) -> tuple[float, str]:
        kinds = unseen(sources)
        if missing := sorted(_KINDS - kinds.keys()):
            raise FiguresError(f"not left out yet: {', '.join(missing)}")
        return gather([found["unseen"]["auc"]["value"] for found in kinds.values()]), f"{_UNSEEN}/*"

    return value


def _inside(over: str) -> Callable[[Sources], tuple[float, str]]:
    def value(sources: Sources) -> tuple[float, str]:
        figures = sources.result("evidence_full")
        if figures["model"]["digest"] != sources.digest_of("full"):
            raise FiguresError("evidence_full.json is of another full than the one that ships")
        found = figures["forged"]["all"]
        return found["inside"]["mean"] / found[over]["mean"], "evidence_full"

    return value


TARGETS: Final = (
    Target("`full`: AUC", 0.98, 0.96, _tested("full", "auc")),
    Target("`full`: accuracy at 0.5", 0.93, 0.89, _tested("full", "accuracy")),
    Target("`full`: TPR at 1 % FPR", 0.80, 0.65, _tested("full", "tpr_at_fpr_1")),
    Target("`fast`: AUC", 0.91, 0.88, _tested("fast", "auc")),
    Target("`full`, families never seen: mean AUC", 0.90, 0.80, _worst_or_mean(fmean)),
    Target("`full`, families never seen: the worst", 0.80, 0.65, _worst_or_mean(min)),
    Target("`full`, AUC lost at JPEG 50", 0.01, 0.03, _lost("jpeg", 4), below=True),
    Target("`full`, AUC lost at JPEG 20 (asked for: 30)", 0.03, 0.05, _lost("jpeg", 5), below=True),
    Target("`full`, AUC lost scaled to 45 % and back (asked for: half)", 0.03, 0.05, _lost("rescale", 3), below=True),
    Target("`full`, AUC lost at a blur of 1 pixel", 0.03, 0.05, _lost("blur", 2), below=True),
    Target("`full`, reals called fake, worst of levels 1 and 2", 0.02, 0.04, _false_alarms, below=True, percent=True),
    Target("`full`, FFHQ's photographs called fake", 0.02, 0.05, _photographs, below=True, percent=True),
    Target("`full`, evidence inside the mask over its area", 2.0, 1.5, _inside("area")),
    Target("`full`, evidence inside the mask over the mean map", 1.4, 1.2, _inside("inside_of_mean_map")),
)
"""What is to be reached; test groups balanced 1:1 where nothing else is said."""


def unseen(sources: Sources) -> dict[str, dict[str, Any]]:
    """Gather what was found of each kind left out.

    Raises
    ------
    FiguresError
        Of no kind anything was found.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for path in sorted((sources.results / _UNSEEN).glob("*.json")):
        kinds |= json.loads(path.read_text())["figures"]["kinds"]
    if not kinds:
        raise FiguresError(f"no kind was left out yet: benchmarks/results/{_UNSEEN} is empty")
    return {kind: kinds[kind] for kind in sorted(kinds)}


def _targets(sources: Sources) -> str:
    return table(("figure", "reached", "aim", "floor", "so, by"), [target.row(sources) for target in TARGETS])


def _unseen(sources: Sources) -> str:
    rows = [
        (
            f"`{kind}`",
            f"{found['unseen']['fakes']:,}",
            *(f"{found['unseen'][name]['value']:.3f} ({interval(found['unseen'][name])})" for name in _SHOWN),
            f"{fmean(one['auc']['value'] for one in found['learnt'].values()):.3f}",
            f"{found['network_steps']:,}",
            f"{found.get('further_share', 1):g}",  # before it was written down, they counted whole
        )
        for kind, found in unseen(sources).items()
    ]
    head = (
        "left out",
        "fakes",
        *_SHOWN.values(),
        "mean AUC of the kinds it learnt",
        "steps of its network",
        "further trees",
    )
    note = paragraph(
        "Each row is a network, trees and a calibration of their own that never learnt from the kind, judged on its",
        "fakes of the test groups beside the reals they were made from; intervals from a bootstrap over groups. The",
        f"last column is what its further trees count; those of the `full` that ships count {FURTHER_SHARE:g}.",
    )
    command = f"python -m benchmarks.unseen ... --kind KIND -o benchmarks/results/{_UNSEEN}/KIND.json"
    return "\n\n".join([note, table(head, rows), source(command, f"../{_FOLDER}")])


_SHOWN: Final = {"auc": "AUC", "tpr_at_fpr_1": "TPR at 1 % FPR"}
_FOLDER: Final = f"benchmarks/results/{_UNSEEN}"

BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {"targets": _targets, "unseen": _unseen}
"""What writes each figure of docs/results.md."""
