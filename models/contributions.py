"""Why a score is what it is: what each value contributes to it, exactly, by Shapley's rule on the trees.

The contributions of the trees are LightGBM's own TreeSHAP (Lundberg et al. 2020, DOI 10.1038/s42256-019-0138-9), in
log odds before calibration. A linear start adds its terms to those of its features. Everything adds up: the base, which
is what the trees say of the training images on average, and all contributions give the score.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.errors import BundleError, FeatureMismatchError
from models.bundle import Bundle
from models.files import read_checked

__all__ = ["Cell", "Contributions", "Explainer", "Share", "block_of", "cells_of", "family_of", "mirror_order", "shares"]

Values = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

_TEXT: Final = "booster.txt"
_OFFSETS: Final = re.compile(rb"^tree_sizes=.*\n", re.MULTILINE)  # LightGBM reads where they point, and may crash
_CELL: Final = re.compile(r"(.+)\.r(\d+)c(\d+)")
_TOLERANCE: Final = 1e-3  # in log odds; scoring adds up some thousand leaves in float32


class Cell(NamedTuple):
    """Where in the image a value was measured: row and column of a grid of `side` by `side` equal cells."""

    row: int
    column: int
    side: int


class Share(NamedTuple):
    """What several values contribute together: in all, and the parts that speak for fake (>= 0) and real (<= 0)."""

    total: float
    fake: float
    real: float

    def to_json(self) -> dict[str, float]:
        """All fields as JSON values."""
        return self._asdict()


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each value contributes to one score.

    Attributes
    ----------
    names : tuple of str
        The features.
    values : (d,) float32 array
        What was measured; of several views, that of the first.
    amounts : (d,) float64 array
        In log odds before calibration: above zero what speaks for fake. Of several views, the mean; what was measured
        in a cell of a mirror image is counted where it lies in the first view.
    base : float
        The score of an image of which nothing is known.
    """

    names: tuple[str, ...]
    values: Values
    amounts: Floats
    base: float

    @property
    def score(self) -> float:
        """The base and all contributions: the raw score."""
        return self.base + float(self.amounts.sum())


class Explainer:
    """Takes the scores of a detector apart."""

    def __init__(self, bundle: Bundle, path: str | os.PathLike[str]) -> None:
        """Read the trees of a bundle as LightGBM wrote them.

        Parameters
        ----------
        bundle : Bundle
            The detector.
        path : path
            Its folder.

        Raises
        ------
        BundleError
            `booster.txt` is missing, damaged, or another model than the one that scores.
        """
        import lightgbm

        place = Path(path) / _TEXT
        text = _OFFSETS.sub(b"", read_checked(place, bundle.manifest["files"][_TEXT]))
        try:
            self._booster = lightgbm.Booster(model_str=text.decode())
        except (ValueError, lightgbm.basic.LightGBMError) as error:
            raise BundleError(f"{place}: not a booster: {error}") from error
        names = bundle.feature_set.names
        if tuple(self._booster.feature_name()) != names:
            raise BundleError(f"{place}: its features are not those of the bundle")
        self._bundle, self._place, self._mirrored = bundle, place, mirror_order(names)

    def explain(self, values: Values, views: Sequence[int] | None = None) -> list[Contributions]:
        """Take scores apart.

        Parameters
        ----------
        values : (n, d) float32 array
            Finite, in the order of the bundle's features.
        views : sequence of int, optional
            As `Bundle.probability` takes it: 1 for an image, 2 for an image and its mirror image after it.

        Returns
        -------
        list of Contributions
            One for each score; the score is that of the bundle within 0.001.

        Raises
        ------
        FeatureMismatchError
            Rows of another width.
        BundleError
            The trees give other scores than those that the bundle scores with.
        """
        names = self._bundle.feature_set.names
        if values.ndim != 2 or values.shape[1] != len(names):
            raise FeatureMismatchError(f"{self._bundle.name} takes rows of {len(names)} values, not {values.shape}")
        if not len(values):
            return []
        amounts, base = self._of_trees(values)
        if start := self._bundle.start:
            amounts[:, [names.index(name) for name in start.names]] += start.terms(values, names)
        counts = [1] * len(values) if views is None else list(views)
        ends = np.cumsum(counts).tolist()
        return [
            Contributions(names, values[end - count], self._mean(amounts[end - count : end]), float(base[end - count]))
            for count, end in zip(counts, ends, strict=True)
        ]

    def _of_trees(self, values: Values) -> tuple[Floats, Floats]:
        """Contributions (n, d) and bases (n,) of the trees, held against the scores of the trees that score."""
        found = np.asarray(self._booster.predict(values, pred_contrib=True, num_threads=1), np.float64)
        apart = np.abs(found.sum(axis=1) - self._bundle.trees.scores(values)).max(initial=0.0)
        if apart > _TOLERANCE:
            raise BundleError(f"{self._place}: its scores are {apart:.3g} off those of booster.onnx")
        return found[:, :-1], found[:, -1]

    def _mean(self, amounts: Floats) -> Floats:
        """Average over a view and its mirror image, (1 or 2, d), cell by cell as they lie in the first."""
        if len(amounts) == 1:
            return np.asarray(amounts[0])
        first, mirror = amounts
        return np.asarray((first + mirror[self._mirrored]) / 2)


@lru_cache(maxsize=8)
def cells_of(names: tuple[str, ...]) -> tuple[Cell | None, ...]:
    """Find where each value was measured, by the end of its name (`r3c5`); None where it has no place."""
    places = [_CELL.fullmatch(name) for name in names]
    sides: dict[str, int] = {}
    for place in filter(None, places):
        sides[place[1]] = max(sides.get(place[1], 0), int(place[2]) + 1, int(place[3]) + 1)
    return tuple(place and Cell(int(place[2]), int(place[3]), sides[place[1]]) for place in places)


def mirror_order(names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """Say which value of a mirror image was measured where each value lies in the image: indices, (d,)."""
    at = {name: index for index, name in enumerate(names)}
    mirrored = [
        at[f"{name.rpartition('.')[0]}.r{cell.row}c{cell.side - 1 - cell.column}"] if cell else at[name]
        for name, cell in zip(names, cells_of(names), strict=True)
    ]
    return np.array(mirrored, np.intp)


def family_of(name: str) -> str:
    """Name the family of a feature: `dct` of `dct.moments.zeros.v1u2`."""
    return name.partition(".")[0]


def block_of(name: str) -> str:
    """Name the block of a feature: `dct.moments` of `dct.moments.zeros.v1u2`."""
    return ".".join(name.split(".", 2)[:2])


def shares(contributions: Contributions, of: Callable[[str], str] = family_of) -> Mapping[str, Share]:
    """Add up contributions.

    Parameters
    ----------
    contributions : Contributions
        What each value contributes.
    of : callable
        From the name of a feature to what it is counted under: `family_of` or `block_of`.

    Returns
    -------
    mapping
        In the order of the features.
    """
    sums: dict[str, list[float]] = {}
    for name, amount in zip(contributions.names, contributions.amounts.tolist(), strict=True):
        both = sums.setdefault(of(name), [0.0, 0.0])
        both[amount < 0] += amount
    return {name: Share(fake + real, fake, real) for name, (fake, real) in sums.items()}
