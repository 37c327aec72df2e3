"""How well a network does on labelled images: head by head, family by family, and where it sees what was forged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from features.architecture import PLAIN
from models.metrics import Floats, roc_auc, true_positive_rate
from pipelines.dataset import Sample
from pipelines.kinds import family_of, head_of

__all__ = ["HeadQuality", "MapQuality", "Quality", "Scored", "map_quality", "quality_of"]


@dataclass(frozen=True, eq=False)
class Scored:
    """Images and what a network gave for them.

    Attributes
    ----------
    samples : sequence of Sample
        The images.
    taught : sequence of tuple
        The heads that each teaches.
    logits : (n, k) float array
        A column a head.
    maps : (n, 7, 7) float array, optional
        Log odds that cells were forged.
    cells : (n, 7, 7) float array
        The share of each cell that was forged; NaN where that is not known.
    """

    samples: Sequence[Sample]
    taught: Sequence[tuple[str, ...]]
    logits: Floats
    maps: npt.NDArray[np.floating[Any]] | None
    cells: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class HeadQuality:
    """How well one head tells its fakes from reals: images, AUC, and share of fakes found at 1 % of reals."""

    rows: int
    auc: float
    tpr_at_fpr_1: float


@dataclass(frozen=True, slots=True)
class MapQuality:
    """How much of the evidence lies where something was forged.

    Attributes
    ----------
    inside : float, optional
        The share of an image's evidence, its log odds above zero, that lies in the mask, over the mask's share of the
        area; the mean over the images with any evidence, None where none has.
    rows : int
        Forged images with a mask.
    silent : int
        Those of them without evidence anywhere.
    """

    inside: float | None
    rows: int
    silent: int


@dataclass(frozen=True, slots=True)
class Quality:
    """On how many images, of each head, of each family its AUC by its head's reals, and of the map if there is one."""

    rows: int
    heads: Mapping[str, HeadQuality]
    families: Mapping[str, float]
    map: MapQuality | None

    @property
    def auc(self) -> float:
        """The mean over the heads, by which weights are chosen."""
        return fmean(head.auc for head in self.heads.values())

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell beyond the one head."""
        return tuple(self.heads) == PLAIN and self.map is None

    def to_json(self) -> dict[str, Any]:
        """All that is known, as JSON values; `auc` and `tpr_at_fpr_1` are means over the heads."""
        heads = self.heads.values()
        return {
            "rows": self.rows,
            "auc": self.auc,
            "tpr_at_fpr_1": fmean(head.tpr_at_fpr_1 for head in heads),
            **({} if self.plain else self._details()),
        }

    def _details(self) -> dict[str, Any]:
        heads = {name: asdict(head) for name, head in self.heads.items()}
        return {"heads": heads, "families": dict(self.families), "map": asdict(self.map) if self.map else None}


def quality_of(heads: Sequence[str], scored: Scored) -> Quality:
    """Judge a network with these heads by what it gave."""
    families = np.array([family_of(sample) for sample in scored.samples])
    fakes = {head: np.array([head_of(sample) == head for sample in scored.samples]) for head in heads}
    reals = {head: (families == "") & [head in taught for taught in scored.taught] for head in heads}
    columns = dict(zip(heads, scored.logits.T, strict=True))
    learnt = {family_of(sample): head_of(sample) for sample in scored.samples if sample.label}
    return Quality(
        len(scored.samples),
        {head: _judge(fakes[head], reals[head], column) for head, column in columns.items()},
        {family: _judge(families == family, reals[h], columns[h]).auc for family, h in sorted(learnt.items())},
        None if scored.maps is None else map_quality(scored.maps, scored.cells),
    )


def _judge(fakes: npt.NDArray[np.bool_], reals: npt.NDArray[np.bool_], logits: Floats) -> HeadQuality:
    chosen = fakes | reals
    labels, found, ones = fakes[chosen].astype(int), logits[chosen], np.ones(int(chosen.sum()))
    return HeadQuality(len(labels), roc_auc(labels, found, ones), true_positive_rate(labels, found, ones))


def map_quality(maps: npt.NDArray[np.floating[Any]], cells: npt.NDArray[np.floating[Any]]) -> MapQuality:
    """Compare maps with masks, both (n, 7, 7); an image whose mask is unknown or empty is passed over."""
    forged = np.nan_to_num(cells).any(axis=(1, 2))
    evidence, inside = np.maximum(maps[forged], 0).astype(np.float64), cells[forged].astype(np.float64)
    total = evidence.sum(axis=(1, 2))
    said = total > 0
    share = (evidence * inside).sum(axis=(1, 2))[said] / total[said]
    ratios = share / inside[said].mean(axis=(1, 2))
    return MapQuality(float(ratios.mean()) if said.any() else None, len(total), int((~said).sum()))
