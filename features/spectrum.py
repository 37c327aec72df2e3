"""Frequency spectrum: how the power of luma and chroma falls with frequency, and the peaks that resampling leaves."""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.frame import WORKING_SIZE, Frame
from features.planes import Float
from features.spec import Params, Values, block

__all__ = ["spectrum_peaks", "spectrum_radial"]

_RING = 2  # width of a ring in frequency bins
_SECTORS = 4  # of 22.5 degrees each, from along kx to along ky; signs are folded
_BANDS = 7
_SIDES: Final = {"y": WORKING_SIZE, "cr": WORKING_SIZE // 2, "cb": WORKING_SIZE // 2}
_PEAKS: Final = tuple((v, u) for v in (-84, -56, -28, 0, 28, 56, 84) for u in (28, 56, 84))


def _rings(side: int) -> int:
    """Count the rings within the Nyquist circle of a spectrum of `side` samples."""
    return side // (2 * _RING)


class _Bins(NamedTuple):
    """Where each sample of a folded spectrum belongs, ring and sector as one label, and how many a label has."""

    label: npt.NDArray[np.intp]
    size: Float


@cache
def _bins(side: int) -> _Bins:
    v = np.arange(side // 2 + 1)[:, None]
    u = np.arange(1, side // 2)[None, :]
    ring = np.minimum(np.hypot(v, u) // _RING, _rings(side)).astype(int)  # the corners go to a ring of their own
    sector = (np.arctan2(v, u) / (np.pi / 2) * _SECTORS).astype(int)
    label = (ring * _SECTORS + sector).ravel()
    weights = np.where((v == 0) | (v == side // 2), 1.0, 2.0) * np.ones_like(u)  # the other rows stand for two
    return _Bins(label, np.bincount(label, weights.ravel(), (_rings(side) + 1) * _SECTORS).astype(np.float32))


@cache
def _slopes(rings: int) -> Float:
    """Two columns whose product with the rings is their least-squares slope over ln k, lower and upper half."""
    weights = np.zeros((rings, 2))
    for column, (start, stop) in enumerate(((1, rings // 2), (rings // 2, rings))):
        x = np.log(_RING * (np.arange(start, stop) + 0.5))
        weights[start:stop, column] = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return weights.astype(np.float32)


def _radial_names(params: Params) -> list[str]:
    names = []
    for plane, side in _SIDES.items():
        names += [f"{plane}.ring.k{_RING * ring:03d}" for ring in range(_rings(side))]
        names += [f"{plane}.sector.b{band}s{sector}" for band in range(_BANDS) for sector in range(_SECTORS)]
        names += [f"{plane}.slope.{half}" for half in ("low", "high")]
    return names


@block("spectrum.radial", version=1, names=_radial_names)
def spectrum_radial(frame: Frame, params: Params) -> Values:
    """Radial mean of ln(|F| + 1) of luma and chroma, its slopes, and how each band depends on direction.

    Returns
    -------
    (202,) float32, for Y, Cr and Cb in turn: rings of two frequency bins from k = 0, minus their mean; seven bands
    by four sectors, minus the band's mean; slopes of the lower half of the rings, the first aside, and of the upper
    half over ln k

    References
    ----------
    Durall, Keuper, Pfreundt and Keuper 2019, "Unmasking DeepFakes with simple Features", arXiv:1911.00686
    """
    return np.concatenate([part for spectrum in frame.log_spectra for part in _radial(spectrum)], dtype=np.float32)


def _radial(spectrum: Float) -> tuple[npt.NDArray[np.float64], ...]:
    side = spectrum.shape[0]
    rings, bins = _rings(side), _bins(side)
    folded = spectrum[: side // 2 + 1].copy()
    folded[1:-1] += spectrum[: side // 2 : -1]
    sums = np.bincount(bins.label, folded.ravel(), bins.size.size)
    total, size = (x[: rings * _SECTORS].reshape(_BANDS, -1, _SECTORS) for x in (sums, bins.size))
    ring = (total.sum(axis=2) / size.sum(axis=2)).ravel()
    sector = total.sum(axis=1) / size.sum(axis=1)
    sector -= sector.mean(axis=1, keepdims=True)
    return ring - ring.mean(), sector.ravel(), ring @ _slopes(rings)


@block("spectrum.peaks", version=1, names=lambda params: [f"v{v % WORKING_SIZE:03d}u{u:03d}" for v, u in _PEAKS])
def spectrum_peaks(frame: Frame, params: Params) -> Values:
    """Height of ln(|F| + 1) over its surroundings at multiples of 1/8 of the sampling rate: traces of upsampling and blocks.

    Returns
    -------
    (21,) float32: the 3x3 mean at the frequency minus the mean of the 9x9 around it
    """
    samples = frame.log_spectra[0].ravel()
    near, around = _peak_indices()
    return np.asarray(samples[near].mean(axis=1) - samples[around].mean(axis=1), dtype=np.float32)


@cache
def _peak_indices() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Flat indices into the luma spectrum of the 3x3 and of the 9x9 samples about each peak."""
    width = WORKING_SIZE // 2 - 1

    def square(reach: int) -> npt.NDArray[np.intp]:
        step = np.arange(-reach, reach + 1)
        rows = np.array([(v + step) % WORKING_SIZE for v, _ in _PEAKS])
        columns = np.array([u - 1 + step for _, u in _PEAKS])
        return np.asarray(rows[:, :, None] * width + columns[:, None, :], np.intp).reshape(len(_PEAKS), -1)

    return square(1), square(4)
