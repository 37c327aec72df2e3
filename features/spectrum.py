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
    """How a folded spectrum becomes values: samples are summed by label, and the sums multiplied by the matrix."""

    label: npt.NDArray[np.intp]
    matrix: Float


@cache
def _bins(side: int) -> _Bins:
    """Label samples by ring and sector, and write the averages, differences and slopes of their sums as one matrix."""
    v, u = np.arange(side // 2 + 1)[:, None], np.arange(1, side // 2)[None, :]
    rings = _rings(side)
    ring = np.minimum(np.hypot(v, u) // _RING, rings).astype(int)  # the corners go to a ring of their own
    sector = (np.arctan2(v, u) / (np.pi / 2) * _SECTORS).astype(int)
    label = (ring * _SECTORS + sector).ravel()
    rows = np.where((v == 0) | (v == side // 2), 1.0, 2.0) * np.ones_like(u)  # a folded row stands for two
    size = np.bincount(label, rows.ravel(), (rings + 1) * _SECTORS).astype(np.float64)
    of_ring, of_sector = np.divmod(np.arange(len(size)), _SECTORS)
    of_band = of_ring // (rings // _BANDS)
    ring_means = _means(of_ring == np.arange(rings)[:, None], size)
    members = [(of_band == band) & (of_sector == sector) for band in range(_BANDS) for sector in range(_SECTORS)]
    sector_means = _means(np.array(members), size).reshape(len(size), _BANDS, _SECTORS)
    sectors = (sector_means - sector_means.mean(axis=2, keepdims=True)).reshape(len(size), -1)
    relative = ring_means - ring_means.mean(axis=1, keepdims=True)
    return _Bins(label, np.hstack([relative, sectors, ring_means @ _slopes(rings)]).astype(np.float32))


def _means(members: npt.NDArray[np.bool_], size: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Averages over sets of labels as a matrix (labels, sets), given which labels each has and their sizes."""
    return np.asarray(members.T / (members @ size), dtype=np.float64)


def _slopes(rings: int) -> npt.NDArray[np.float64]:
    """Two columns whose product with the rings is their least-squares slope over ln k, lower and upper half."""
    weights = np.zeros((rings, 2))
    for column, (start, stop) in enumerate(((1, rings // 2), (rings // 2, rings))):
        x = np.log(_RING * (np.arange(start, stop) + 0.5))
        weights[start:stop, column] = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return weights


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
    return np.concatenate([_radial(spectrum) for spectrum in frame.log_spectra])


def _radial(spectrum: Float) -> Float:
    bins = _bins(len(spectrum))
    sums = np.bincount(bins.label, _fold(spectrum), len(bins.matrix))
    return np.asarray(sums.astype(np.float32) @ bins.matrix, dtype=np.float32)


def _fold(spectrum: Float) -> Float:
    """Add the rows of negative frequencies to those of positive ones; (n / 2 + 1) rows, flat."""
    half = len(spectrum) // 2
    folded = spectrum[: half + 1].copy()
    folded[1:half] += spectrum[:half:-1]
    return folded.ravel()


@block("spectrum.peaks", version=1, names=lambda params: [f"v{v % WORKING_SIZE:03d}u{u:03d}" for v, u in _PEAKS])
def spectrum_peaks(frame: Frame, params: Params) -> Values:
    """Height of ln(|F| + 1) over its surroundings at multiples of 1/8 of the sampling rate, where upsampling shows.

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
