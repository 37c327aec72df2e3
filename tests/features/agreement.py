"""How closely two computations of the features must agree, and where more must be allowed.

A block computes in float32, the twin in float64; another processor adds in another order. Values agree within 1e-5 of
themselves plus what float32 leaves after sums that cancel (`ABSOLUTE`). Two statistics count coefficients of the
block DCT, which float32 knows to 1e-4: where one lies that close to the edge of a count, it may fall on either side.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from benchmarks.twin import Picture
from features.decode import Pixels

__all__ = ["ABSOLUTE", "RELATIVE", "SMOOTH", "differing", "edges"]

RELATIVE: Final = 1e-5

_DEFAULT: Final = 2e-6
ABSOLUTE: Final = {
    "spectrum.radial": 2e-5,  # logarithms of magnitudes down to 1 beside a mean of 1e6
    "spectrum.peaks": 1e-4,  # the same, averaged over 9 samples only
    "dct.moments": 1e-5,
    "residual.moments": 3e-5,  # float32 sums of fourth powers, in as few as one running sum
    "residual.npr": 3e-5,
    "grid.chroma_noise": 5e-6,
    "grid.dct": 5e-5,  # coefficients of 1e-2 beside a mean of 1e3
    "grid.color": 5e-5,  # means of 1e2
    "color.global": 5e-6,  # a variance as a difference of squares
}
"""What is allowed in absolute terms, by block; 2e-6 elsewhere."""

SMOOTH: Final = {"spectrum.radial": 5e-3, "spectrum.peaks": 5e-3, "dct.moments": 1e-2}
"""The same for pictures without noise, where all but a few magnitudes are rounding errors (below 0.01, added to 1)."""

_NEAR = 2e-4
_DIGIT = 0.1  # what a few digits of 784 on the other side may change in a divergence


def edges(rgb: Pixels) -> dict[str, float]:
    """Say what more to allow, by the full names of the features that count coefficients of the block DCT."""
    magnitude = np.abs(Picture(rgb).dct)
    zeros = (np.abs(magnitude - 9 / 16) < _NEAR).mean(axis=(0, 1))
    digits = (np.abs(magnitude % 1 - 0.5) < _NEAR).any(axis=(0, 1)) * _DIGIT
    more = {f"dct.moments.zeros.v{v}u{u}": float(share) for (v, u), share in np.ndenumerate(zeros)}
    for kind in ("kl", "renyi", "tsallis"):
        more |= {f"dct.benford.{kind}.v{v}u{u}": float(change) for (v, u), change in np.ndenumerate(digits)}
    return more


def differing(
    values: Mapping[str, float], expected: Mapping[str, float], more: Mapping[str, float], smooth: bool = False
) -> list[str]:
    """List the features that differ by more than is allowed, with both values; all names must be the same."""
    assert list(values) == list(expected), "the names differ"
    return [f"{name}: {values[name]!r}, not {expected[name]!r}" for name in _apart(values, expected, more, smooth)]


def _apart(
    values: Mapping[str, float], expected: Mapping[str, float], more: Mapping[str, float], smooth: bool
) -> Iterable[str]:
    table = ABSOLUTE | SMOOTH if smooth else ABSOLUTE
    for name, value in values.items():
        block = ".".join(name.split(".")[:2])
        allowed = table.get(block, _DEFAULT) + more.get(name, 0) + RELATIVE * abs(expected[name])
        if not abs(value - expected[name]) <= allowed:
            yield name
