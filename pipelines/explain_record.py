"""An explanation as data: what the verdict on a face or image is made of, and its JSON form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.frame import Frame
from features.framing import Framed
from models.contributions import Contributions, Share, block_of, cells_of, shares
from models.verdict import Verdict
from pipelines.explain_map import lay_out, placed_share, rows_of
from pipelines.explain_sentences import say

__all__ = ["SCHEMA", "TOP", "Explained", "Reason", "row"]

SCHEMA: Final = "fauxface.explanation/1"
"""Name and version of the row's form; it rises when a key changes its meaning."""

TOP: Final = 12
"""How many of the strongest contributions are put into words."""

_NAMED: Final = 2  # families that a summary names on each side
_FAMILIES: Final = {
    "spectrum": "frequencies",
    "dct": "JPEG blocks",
    "residual": "noise",
    "texture": "texture",
    "grid": "parts of the face compared",
    "color": "colour",
    "embedding": "the neural network",
}


class Reason(NamedTuple):
    """A value that counted: its name, what was measured, what it contributes in log odds, and a sentence."""

    name: str
    value: float
    contribution: float
    sentence: str


@dataclass(frozen=True, eq=False)
class Explained:
    """A verdict with what it is made of.

    Attributes
    ----------
    verdict : Verdict
        As `score` gives it.
    contributions : Contributions
        Of every value.
    frame : Frame
        What was measured; of a face that is judged in two views, the first.
    framed : Framed or None
        The face; None where the picture was measured whole without looking for one.
    picture : (H, W, 3) uint8 array
        The whole picture, BGR.
    """

    verdict: Verdict
    contributions: Contributions
    frame: Frame
    framed: Framed | None
    picture: Pixels

    @cached_property
    def families(self) -> Mapping[str, Share]:
        """What each family of values contributes."""
        return shares(self.contributions)

    @cached_property
    def blocks(self) -> Mapping[str, Share]:
        """What each block of values contributes."""
        return shares(self.contributions, block_of)

    @cached_property
    def reasons(self) -> list[Reason]:
        """The strongest contributions, the strongest first; none that is zero."""
        found, cells = self.contributions, cells_of(self.contributions.names)
        order = np.argsort(-np.abs(found.amounts), kind="stable")[:TOP].tolist()
        strongest = [(found.names[at], float(found.values[at]), float(found.amounts[at]), cells[at]) for at in order]
        return [
            Reason(name, value, amount, say(name, value, amount, cell))
            for name, value, amount, cell in strongest
            if amount
        ]

    @cached_property
    def map(self) -> npt.NDArray[np.float64]:
        """What has a place, as `explain_map.lay_out` gives it."""
        return lay_out(self.contributions)

    @cached_property
    def placed(self) -> float:
        """The share of the evidence that has a place."""
        return placed_share(self.contributions)

    @property
    def summary(self) -> str:
        """One sentence: which families speak most for either side."""
        ordered = sorted(self.families.items(), key=lambda item: -abs(item[1].total))
        sides = []
        for side, sign in (("fake", 1), ("real", -1)):
            most = [(name, share.total) for name, share in ordered if sign * share.total > 0][:_NAMED]
            said = " and ".join(f"{_FAMILIES.get(name, name)} ({total:+.2f})" for name, total in most)
            sides.append(f"for {side}: {said or 'nothing'}")
        return f"What speaks most {'; '.join(sides)}."


def row(verdict: Verdict, explained: Explained | None = None, files: Sequence[str] | None = None) -> dict[str, Any]:
    """Give the JSON values of an explanation; the order of its keys is part of the form.

    Parameters
    ----------
    verdict : Verdict
        Of the face or image; where it could not be judged there is nothing else.
    explained : Explained, optional
        What it is made of.
    files : (page, picture), optional
        The files that show it.
    """
    page, picture = files or (None, None)
    keys = ("summary", "base", "score", "families", "blocks", "features", "placed", "map")
    parts = dict(zip(keys, _parts(explained), strict=True)) if explained else dict.fromkeys(keys)
    return {"schema": SCHEMA, "verdict": verdict.to_json(), **parts, "page": page, "picture": picture}


def _parts(explained: Explained) -> tuple[Any, ...]:
    found = explained.contributions
    families, blocks = (
        {name: share.to_json() for name, share in one.items()} for one in (explained.families, explained.blocks)
    )
    reasons = [reason._asdict() for reason in explained.reasons]
    summary, placed, rows = explained.summary, explained.placed, rows_of(explained.map)
    return summary, found.base, found.score, families, blocks, reasons, placed, rows
