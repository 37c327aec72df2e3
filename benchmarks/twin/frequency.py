"""The twins of the spectrum and of the block DCT."""

from itertools import product
from typing import Final

import numpy as np
from scipy import fft, ndimage, stats

from benchmarks.twin.picture import FLOOR, PLANES, Floats, Picture, Twin, named

__all__ = ["TWINS"]

_PEAKS: Final = [(v, u) for v in (140, 168, 196, 0, 28, 56, 84) for u in (28, 56, 84)]


def _radial_names() -> list[str]:
    names = []
    for plane, rings in zip(PLANES, (56, 28, 28), strict=True):
        names += [f"{plane}.ring.k{2 * ring:03d}" for ring in range(rings)]
        names += [f"{plane}.sector.b{band}s{sector}" for band in range(7) for sector in range(4)]
        names += [f"{plane}.slope.low", f"{plane}.slope.high"]
    return names


def _radial(picture: Picture) -> Floats:
    return np.concatenate([_radial_of(spectrum) for spectrum in picture.spectra])


def _radial_of(spectrum: Floats) -> Floats:
    side = len(spectrum)
    frequency = np.abs(fft.fftfreq(side, 1 / side))
    columns = [kx for kx in range(side) if kx not in (0, side // 2)]
    down, across = frequency[:, None], frequency[None, columns]
    inside = spectrum[:, columns]
    rings = side // 4
    ring = (np.sqrt(down**2 + across**2) / 2).astype(int)
    sector = np.digitize(down / across, np.tan(np.radians([22.5, 45, 67.5])) - [0, 1e-12, 0])
    radial = ndimage.mean(inside, ring, np.arange(rings))
    parts = ndimage.mean(inside, np.where(ring < rings, ring * 7 // rings * 4 + sector, -1), np.arange(28))
    directions = parts.reshape(7, 4) - parts.reshape(7, 4).mean(axis=1, keepdims=True)
    log_k = np.log(2 * np.arange(rings) + 1)
    halves = np.s_[1 : rings // 2], np.s_[rings // 2 :]  # the first ring is the content's mean
    slopes = [np.polyfit(log_k[half], radial[half], 1)[0] for half in halves]
    return np.concatenate([radial - radial.mean(), directions.ravel(), slopes])


def _peaks(picture: Picture) -> Floats:
    near, around = (ndimage.uniform_filter(picture.spectra[0], size, mode="wrap") for size in (3, 9))
    rows, columns = np.transpose(_PEAKS)
    return np.asarray((near - around)[rows, columns])


# Block DCT

_AC: Final = [(v, u) for v, u in product(range(8), range(8)) if (v, u) != (0, 0)]
_ZIGZAG: Final = [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)]


def _dct_moments(picture: Picture) -> Floats:
    coefficients = picture.dct.reshape(-1, 64)[:, 1:]
    means = np.abs(coefficients).mean(axis=0), (coefficients**2).mean(axis=0)
    zeros = (np.abs(coefficients) < 9 / 16).mean(axis=0)
    return np.concatenate([*np.log(np.add(means, FLOOR)), zeros])


def _law(a: float, beta: float) -> Floats:
    law = np.log(1 + 1 / (a + np.arange(1, 10) ** beta))
    return np.asarray(law / law.sum())


_LAWS: Final = np.array(
    [_law(a, step / 5) for step, a in product(range(2, 13), (-0.5, 0, 0.5, 1, 2, 4))]
)  # beta from 0.4 to 2.4


def _benford(picture: Picture) -> Floats:
    divergences = [_divergences(picture.dct[:, :, v, u]) for v, u in _ZIGZAG]
    return np.transpose(divergences).ravel()


def _divergences(coefficients: Floats) -> tuple[float, float, float]:
    whole = np.rint(np.abs(coefficients)).astype(int)
    whole = whole[whole < 255]
    digits = whole // 10 ** sum((whole >= power).astype(int) for power in (10, 100))
    counts = np.histogram(digits, np.arange(1, 11))[0] + 0.5
    p = counts / counts.sum()
    q = _LAWS[np.argmin(((_LAWS - p) ** 2).sum(axis=1))]
    kl = stats.entropy(p, q) + stats.entropy(q, p)
    there, back = (p**0.3 * q**0.7).sum(), (q**0.3 * p**0.7).sum()
    renyi = -(np.log(there) + np.log(back)) / 0.7
    return kl, renyi, (1 - there) / 0.7 + (1 - back) / 0.7


def _grid_phase(picture: Picture) -> Floats:
    luma = picture.planes[0].astype(int)
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0), np.abs(np.diff(luma, axis=0)).mean(axis=1)
    logs = [np.log([_phase_mean(step, phase) + FLOOR for phase in range(8)]) for step in steps]
    return np.concatenate([log - log.mean() for log in logs])


def _phase_mean(steps: Floats, phase: int) -> float:
    chosen = steps[phase::8]
    return float(chosen.mean() if len(chosen) == 28 else np.mean([*chosen, chosen[-1]]))


TWINS: Final = {
    "spectrum.radial": Twin(_radial_names(), _radial),
    "spectrum.peaks": Twin([f"v{v:03d}u{u:03d}" for v, u in _PEAKS], _peaks),
    "dct.moments": Twin(named(["log_mean", "log_square", "zeros"], [f"v{v}u{u}" for v, u in _AC]), _dct_moments),
    "dct.benford": Twin(named(["kl", "renyi", "tsallis"], [f"v{v}u{u}" for v, u in _ZIGZAG]), _benford),
    "dct.grid_phase": Twin(named(["h", "v"], [f"p{phase}" for phase in range(8)]), _grid_phase),
}
"""The second computation of each block, by the block's name."""
