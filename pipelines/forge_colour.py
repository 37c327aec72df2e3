"""Brings the colours of one face to those of another, as swaps do before they blend."""

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from pipelines.forge_parts import Mask

__all__ = ["COLOURS", "recolour"]

_Inside = npt.NDArray[np.bool_]
_Transfer = Callable[[Pixels, Pixels, _Inside], Pixels]

_LEAST = 64  # pixels that have statistics
_QUANTILES: Final = (0.03, 0.25, 0.5, 0.75, 0.97)
_STRETCH = (0.6, 1.5)  # of a channel's standard deviation


def recolour(source: Pixels, target: Pixels, mask: Mask, name: str) -> Pixels:
    """Give a source the colours of a target, both of one size and aligned.

    Parameters
    ----------
    source, target : (H, W, 3) uint8 array
        BGR.
    mask : (H, W) float32 array
        The colours of both are measured where it is 0.5 and more; where that is hardly anywhere, nothing changes.
    name : str
        One of `COLOURS`.

    Returns
    -------
    (H, W, 3) uint8 array
        The whole source, recoloured.
    """
    inside = mask >= 0.5
    return COLOURS[name](source, target, inside) if inside.sum() >= _LEAST else source


def _means(source: Pixels, target: Pixels, inside: _Inside) -> Pixels:
    """Shift each channel to the target's mean."""
    shift = target[inside].mean(axis=0) - source[inside].mean(axis=0)
    return _rounded(source + shift)


def _moments(source: Pixels, target: Pixels, inside: _Inside) -> Pixels:
    """Bring each channel to the target's mean and standard deviation."""
    return _rounded(_matched(source.astype(np.float32), target.astype(np.float32), inside))


def _reinhard(source: Pixels, target: Pixels, inside: _Inside) -> Pixels:
    """Bring the channels of CIE Lab to the target's means and standard deviations.

    References
    ----------
    E. Reinhard et al., "Color transfer between images", IEEE CG&A 21(5), 2001, doi:10.1109/38.946629 (in another space)
    """
    matched = _matched(_lab(source), _lab(target), inside)
    return _rounded(np.asarray(cv2.cvtColor(matched, cv2.COLOR_LAB2BGR), dtype=np.float32) * 255)


def _quantiles(source: Pixels, target: Pixels, inside: _Inside) -> Pixels:
    """Bring five quantiles of each channel to the target's, straight between: finer histograms would tear colours."""
    levels, tables = np.arange(256), []
    for channel in range(3):
        have, want = (np.quantile(bgr[..., channel][inside], _QUANTILES) for bgr in (source, target))
        have += np.arange(len(have)) * 1e-3  # a flat stretch of levels still has an order
        table = np.interp(levels, have, want)
        tables.append(table + (levels - np.clip(levels, have[0], have[-1])))
    return np.asarray(cv2.LUT(source, _rounded(np.stack(tables, axis=1))[:, None, :]), dtype=np.uint8)


def _lab(bgr: Pixels) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), dtype=np.float32)


def _matched(
    source: npt.NDArray[np.float32], target: npt.NDArray[np.float32], inside: _Inside
) -> npt.NDArray[np.float32]:
    ours, theirs = source[inside], target[inside]
    stretch = np.clip(theirs.std(axis=0) / np.maximum(ours.std(axis=0), 1e-3), *_STRETCH)
    return np.asarray((source - ours.mean(axis=0)) * stretch + theirs.mean(axis=0), dtype=np.float32)


def _rounded(values: npt.NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


COLOURS: Final[Mapping[str, _Transfer]] = {
    "reinhard": _reinhard,
    "moments": _moments,
    "quantiles": _quantiles,
    "means": _means,
}
"""The ways to transfer colours, by name."""
