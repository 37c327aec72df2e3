"""How figures differ between parts of what was judged: by kind, source, and fifths of what was noted of the images."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.evaluation_figures import Judged, block

__all__ = ["SLICED", "fifths", "slices"]

SLICED: Final = ("auc", "accuracy", "reals_called_fake", "coverage")
"""The figures of a slice."""

_PARTS: Final = 5


def slices(judged: Judged) -> Iterator[dict[str, Any]]:
    """Measure slices: each kind, each source, and fifths of each fact that has more than one value.

    A kind that has no real images stands against all reals of the data sets where it occurs.

    Yields
    ------
    dict
        `by`, `name`, `low` and `high` (None for kinds and sources), `against_all_reals`, counts, and SLICED.
    """
    for kind in np.unique(judged.kinds).tolist():
        yield _of_kind(judged, kind)
    for source in np.unique(judged.sources).tolist():
        yield _slice(judged, judged.sources == source, "source", source)
    for name, values in judged.facts.items():
        for low, high, rows in fifths(values):
            yield _slice(judged, rows, name, f"{low:.4g} to {high:.4g}", low, high)


def _of_kind(judged: Judged, kind: str) -> dict[str, Any]:
    own = judged.kinds == kind
    alone = not np.any(judged.labels[own] == 0)
    reals = (judged.labels == 0) & np.isin(judged.sources, judged.sources[own])
    rows = own | reals if alone else own
    return _slice(judged, rows, "kind", kind or "not told") | {"against_all_reals": bool(alone and reals.any())}


def fifths(values: npt.NDArray[np.float64]) -> Iterator[tuple[float, float, npt.NDArray[np.bool_]]]:
    """Divide rows at the quintiles; rows without a finite value belong to no part, and one part alone is none.

    Parameters
    ----------
    values : (n,) float64 array
        What the rows are divided by.

    Yields
    ------
    (float, float, (n,) bool array)
        The least and the greatest value of a part, the lowest part first, and which rows it has.
    """
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _PARTS + 1))) if known.any() else np.empty(0)
    cells = np.searchsorted(edges[1:-1], values, side="right")
    parts = [known & (cells == cell) for cell in range(len(edges) - 1)]
    for rows in parts if len(parts) > 1 else ():
        if rows.any():
            yield float(values[rows].min()), float(values[rows].max()), rows


def _slice(
    judged: Judged,
    rows: npt.NDArray[np.bool_],
    by: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
) -> dict[str, Any]:
    place = {"by": by, "name": name, "low": low, "high": high, "against_all_reals": False}
    return {**place, **block(judged.at(rows), SLICED)}
