"""The twins of the noise residuals."""

from itertools import product
from typing import Final

import numpy as np

from benchmarks.twin.picture import FLOOR, Floats, Ints, Picture, Twin, named

__all__ = ["TWINS"]

_MOMENTS: Final = ("log_mean", "log_variance", "log_kurtosis", "zeros")


def _orbits() -> list[list[tuple[int, ...]]]:
    """Four-tuples of levels 0 to 4 in classes: a tuple, its reverse, its negative and the reverse of that."""
    orbits: list[list[tuple[int, ...]]] = []
    seen: set[tuple[int, ...]] = set()
    for a, b, c, d in product(range(5), repeat=4):
        if (a, b, c, d) not in seen:
            orbit = {(a, b, c, d), (d, c, b, a), (4 - a, 4 - b, 4 - c, 4 - d), (4 - d, 4 - c, 4 - b, 4 - a)}
            orbits.append(sorted(orbit))
            seen |= orbit
    return orbits


_ORBITS: Final = _orbits()
_MEMBERS: Final = [tuple(np.transpose(orbit)) for orbit in _ORBITS]


def _cooccurrence(picture: Picture) -> Floats:
    level = np.clip(np.rint(picture.square3 / 4), -2, 2).astype(int) + 2
    counts = _joint(level[::5]) + _joint(level.T[::5])
    return np.array([counts[members].sum() / counts.sum() for members in _MEMBERS])


def _joint(level: Ints) -> Ints:
    """Histogram of four neighbours along the rows, (5, 5, 5, 5)."""
    width = level.shape[1] - 3
    code = np.ravel_multi_index([level[:, shift : shift + width] for shift in range(4)], (5, 5, 5, 5))
    return np.bincount(code.ravel(), minlength=625).reshape(5, 5, 5, 5)


def _moments(residual: Ints) -> list[float]:
    """Log of mean |r|, of mean r^2 and of kurtosis about zero, each raised by the floor, and the share of zeros."""
    first, second, fourth = np.abs(residual).mean(), (residual**2).mean(), (residual**4).mean()
    kurtosis = (fourth + FLOOR) / (second + FLOOR) ** 2
    return [*np.log([first + FLOOR, second + FLOOR, kurtosis]).tolist(), float((residual == 0).mean())]


def _residual_moments(picture: Picture) -> Floats:
    flat = picture.minus_median[56:168].ravel()
    power = (flat**2).sum() + FLOOR
    lags = [(flat[shift:] * flat[:-shift]).sum() / power for shift in (1, 224, 2, 448, 8, 1792)]
    return np.array(_moments(picture.square3) + _moments(picture.minus_median) + lags)


def _channels(picture: Picture) -> Floats:
    y, cr, cb = picture.laplacians
    return np.array([_cosine(y, cr), _cosine(y, cb), _cosine(cr, cb)])


def _cosine(one: Ints, other: Ints) -> float:
    return float((one * other).sum() / np.sqrt(((one**2).sum() + FLOOR) * ((other**2).sum() + FLOOR)))


def _npr(picture: Picture) -> Floats:
    luma = picture.planes[0].astype(np.int64)
    relation = luma - luma[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    haar = luma[::2, ::2] - luma[::2, 1::2] - luma[1::2, ::2] + luma[1::2, 1::2]
    parts = (relation[::2, 1::2], relation[1::2, ::2], relation[1::2, 1::2], haar)
    return np.concatenate([_moments(part) for part in parts])


TWINS: Final = {
    "residual.cooccurrence": Twin(["square3." + "".join(map(str, orbit[0])) for orbit in _ORBITS], _cooccurrence),
    "residual.moments": Twin(
        named(["square3", "median"], _MOMENTS) + [f"median.lag{lag}{way}" for lag in (1, 2, 8) for way in "hv"],
        _residual_moments,
    ),
    "residual.channels": Twin(["y_cr", "y_cb", "cr_cb"], _channels),
    "residual.npr": Twin(named(["p01", "p10", "p11", "haar_hh"], _MOMENTS), _npr),
}
"""The second computation of each block, by the block's name."""
