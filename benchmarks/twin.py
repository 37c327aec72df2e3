"""The features of profile `fast` a second time, by an independent and slow route: scikit-image, scipy, numpy.

It is the oracle of the tests and the reference of the speed benchmark. No formula is imported from the project and
nothing goes through OpenCV: the full complex FFT of scipy, `dctn` on all blocks, `ndimage` filters, `graycomatrix`,
`local_binary_pattern` (on two circles, of radius 1 and the root of 2, whose samples fall on pixels; one circle of eight
would interpolate the corners), histograms of whole tuples, cells by slicing; all in float64. Planes follow ITU-R BT.601
in the 14-bit fixed point that OpenCV documents, and the pyramid averages four pixels and rounds half up, since both
become 8-bit before anything else is measured. What several blocks need is computed once here too. The names are spelled
here as well, so that a value under a wrong name shows.

    from benchmarks.twin import twin
    values = twin(rgb)  # (224, 224, 3) uint8 -> {"spectrum.radial.y.ring.k000": ..., ...}
"""

from collections.abc import Callable
from functools import cached_property
from itertools import product
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, stats
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.transform import downscale_local_mean
from skimage.util import view_as_blocks

__all__ = ["TWINS", "Picture", "Twin", "twin"]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FLOOR = 0.01


class Picture:
    """Decoded pixels, (224, 224, 3) uint8 RGB, and what several twins start from, each computed once."""

    def __init__(self, rgb: Bytes) -> None:
        self.rgb = rgb

    @cached_property
    def planes(self) -> tuple[Bytes, Bytes, Bytes]:
        """Luma, Cr and Cb at 224 px: BT.601 weights in units of 2^-14, rounded half up."""
        red, green, blue = np.moveaxis(self.rgb.astype(np.int64), -1, 0)
        half = 1 << 13
        luma = (4899 * red + 9617 * green + 1868 * blue + half) >> 14
        cr = (((red - luma) * 11682 + half) >> 14) + 128
        cb = (((blue - luma) * 9241 + half) >> 14) + 128
        first, second, third = (np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, cr, cb))
        return first, second, third

    @cached_property
    def pyramid(self) -> tuple[Bytes, Bytes, Bytes, Bytes]:
        """Luma at 224, 112, 56 and 28 px."""
        half = _halve(self.planes[0])
        quarter = _halve(half)
        return self.planes[0], half, quarter, _halve(quarter)

    @cached_property
    def chroma(self) -> tuple[Bytes, Bytes]:
        """Cr and Cb at 112 px."""
        return _halve(self.planes[1]), _halve(self.planes[2])

    @cached_property
    def spectra(self) -> tuple[Floats, Floats, Floats]:
        """The whole of ln(|F| + 1) of windowed luma at 224 px, Cr and Cb at 112 px."""
        return _log_spectrum(self.planes[0]), _log_spectrum(self.chroma[0]), _log_spectrum(self.chroma[1])

    @cached_property
    def dct(self) -> Floats:
        """Orthonormal DCT-II of the 8x8 blocks, (28, 28, 8, 8) as [y, x, v, u]."""
        blocks = view_as_blocks(self.planes[0].astype(np.float64), (8, 8))
        return np.asarray(fft.dctn(blocks, axes=(2, 3), norm="ortho"))

    @cached_property
    def square3(self) -> Ints:
        """Luma filtered by SQUARE3x3, without its divisor."""
        kernel = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
        return np.asarray(ndimage.convolve(self.planes[0].astype(np.int64), kernel, mode="mirror"))

    @cached_property
    def minus_median(self) -> Ints:
        """Luma minus its 3x3 median; the median repeats the border."""
        luma = self.planes[0].astype(np.int64)
        return np.asarray(luma - ndimage.median_filter(luma, size=3, mode="nearest"))

    @cached_property
    def patterns(self) -> tuple[Ints, ...]:
        """Local binary patterns of the inner pixels of luma at 224, 112 and 56 px, Cr and Cb at 112 px."""
        return tuple(_patterns(plane) for plane in (*self.pyramid[:3], *self.chroma))


def _halve(plane: Bytes) -> Bytes:
    return np.asarray(np.floor(downscale_local_mean(plane, (2, 2)) + 0.5), np.uint8)


def _log_spectrum(plane: Bytes) -> Floats:
    window = np.hanning(len(plane))
    return np.asarray(np.log(np.abs(fft.fft2(plane * window[:, None] * window)) + 1))


def _patterns(plane: Bytes) -> Ints:
    """Codes of the 3x3 square: scikit-image counts anticlockwise from the right, so its bits are put into our order."""
    sides = local_binary_pattern(plane, 4, 1).astype(np.int64)  # right, up, left, down
    corners = local_binary_pattern(plane, 8, np.sqrt(2)).astype(np.int64)  # odd bits: up right, up left, ...
    ring = [corners >> 3, sides >> 1, corners >> 1, sides, corners >> 7, sides >> 3, corners >> 5, sides >> 2]
    return np.asarray(sum((bits & 1) << place for place, bits in enumerate(ring))[1:-1, 1:-1])


class Twin(NamedTuple):
    """One block's second computation: what it calls its values, and how it gets them."""

    names: list[str]
    compute: Callable[[Picture], Floats]


# Spectrum

_PLANES: Final = ("y", "cr", "cb")
_PEAKS: Final = [(v, u) for v in (140, 168, 196, 0, 28, 56, 84) for u in (28, 56, 84)]


def _radial_names() -> list[str]:
    names = []
    for plane, rings in zip(_PLANES, (56, 28, 28), strict=True):
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
    zeros = (np.abs(coefficients) < 9 / 16).mean(axis=0)
    return np.concatenate([*_log_moments(coefficients), zeros])


def _log_moments(values: Floats | Ints) -> tuple[Floats, Floats, Floats]:
    """Log of mean |x|, of mean x^2 and of kurtosis about zero along the first axis, each raised by the floor."""
    first = np.abs(values).mean(axis=0)
    second = (values**2).mean(axis=0)
    fourth = (values**4).mean(axis=0)
    return np.log(first + _FLOOR), np.log(second + _FLOOR), np.log((fourth + _FLOOR) / (second + _FLOOR) ** 2)


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
    digits = whole // 10 ** sum((whole >= power).astype(int) for power in (10, 100, 1000))
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
    logs = [np.log([_phase_mean(step, phase) + _FLOOR for phase in range(8)]) for step in steps]
    return np.concatenate([log - log.mean() for log in logs])


def _phase_mean(steps: Floats, phase: int) -> float:
    chosen = steps[phase::8]
    return float(chosen.mean() if len(chosen) == 28 else np.mean([*chosen, chosen[-1]]))


# Residuals

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
    counts = _joint(level[::2]) + _joint(level.T[::2])
    return np.array([counts[members].sum() for members in _MEMBERS]) / counts.sum()


def _joint(level: Ints) -> Ints:
    """Histogram of four neighbours along the rows, (5, 5, 5, 5)."""
    width = level.shape[1] - 3
    code = np.ravel_multi_index([level[:, shift : shift + width] for shift in range(4)], (5, 5, 5, 5))
    return np.bincount(code.ravel(), minlength=625).reshape(5, 5, 5, 5)


def _moments(residual: Ints) -> list[float]:
    logs = _log_moments(residual.ravel())
    return [*(float(log) for log in logs), float((residual == 0).mean())]


def _residual_moments(picture: Picture) -> Floats:
    flat = picture.minus_median.ravel()
    power = (flat**2).sum() + _FLOOR
    lags = [(flat[shift:] * flat[:-shift]).sum() / power for shift in (1, 224, 2, 448, 8, 1792)]
    return np.array(_moments(picture.square3) + _moments(picture.minus_median) + lags)


def _laplacian(plane: Bytes) -> Ints:
    return np.asarray(ndimage.laplace(plane.astype(np.int64), mode="mirror"))


def _channels(picture: Picture) -> Floats:
    y, cr, cb = (_laplacian(plane) for plane in (picture.pyramid[1], *picture.chroma))
    return np.array([_cosine(y, cr), _cosine(y, cb), _cosine(cr, cb)])


def _cosine(one: Ints, other: Ints) -> float:
    return float((one * other).sum() / np.sqrt(((one**2).sum() + _FLOOR) * ((other**2).sum() + _FLOOR)))


def _npr(picture: Picture) -> Floats:
    luma = picture.planes[0].astype(np.int64)
    relation = luma - luma[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    haar = luma[::2, ::2] - luma[::2, 1::2] - luma[1::2, ::2] + luma[1::2, 1::2]
    parts = (relation[::2, 1::2], relation[1::2, ::2], relation[1::2, 1::2], haar)
    return np.concatenate([_moments(part) for part in parts])


# Texture

_HARALICK: Final = ("contrast", "correlation", "energy", "homogeneity")


def _transitions(code: int) -> int:
    """How often neighbouring bits of an 8-bit ring differ."""
    ring = f"{code:08b}"
    return sum(one != other for one, other in zip(ring, ring[1:] + ring[0], strict=True))


_UNIFORM: Final = [code for code in range(256) if _transitions(code) <= 2]
_U2: Final = np.array([_UNIFORM.index(code) if code in _UNIFORM else 58 for code in range(256)])
_RIU2: Final = np.array([code.bit_count() if code in _UNIFORM else 9 for code in range(256)])


def _shares(labels: Ints, bins: int) -> Floats:
    return np.bincount(labels.ravel(), minlength=bins) / labels.size


def _lbp(picture: Picture) -> Floats:
    return np.concatenate([_shares(_U2[codes], 59) for codes in picture.patterns])


def _lbp_grid(picture: Picture) -> Floats:
    cells = [cell for codes in picture.patterns[:2] for cell in _sixteen(_RIU2[codes])]
    return np.concatenate([_shares(cell, 10) for cell in cells])


def _sixteen(labels: Ints) -> list[Ints]:
    """Cut labels of inner pixels into the 4x4 cells of the whole plane, row by row."""
    whole = np.pad(labels, 1, constant_values=-1)
    quarter = len(whole) // 4
    cells = view_as_blocks(whole, (quarter, quarter)).reshape(16, -1)
    return [cell[cell >= 0] for cell in cells]


def _glcm(picture: Picture) -> Floats:
    matrices = graycomatrix(picture.pyramid[2] // 16, [1, 2], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    statistics = [graycoprops(matrices, name) for name in _HARALICK]
    return np.asarray(np.stack(statistics, axis=-1).ravel())


# Where on the face

_BANDS: Final = {
    "h1": np.s_[0:1, 1:3],
    "v1": np.s_[1:3, 0:1],
    "d1": np.s_[1:3, 1:3],
    "h2": np.s_[0:3, 3:8],
    "v2": np.s_[3:8, 0:3],
    "d2": np.s_[3:8, 3:8],
}
_AT: Final = [(row - 3.5, column - 3.5) for row, column in product(range(8), range(8))]


def _cells(count: int) -> list[str]:
    return [f"r{row}c{column}" for row, column in product(range(count), range(count))]


def _mean_in_cells(plane: Bytes | Ints) -> Floats:
    """Averages in 8x8 cells; where 8 does not divide the side, pixels are cut in halves first."""
    if len(plane) % 8:
        plane = plane.repeat(2, axis=0).repeat(2, axis=1)
    side = len(plane) // 8
    return np.asarray(view_as_blocks(plane, (side, side)).mean(axis=(2, 3)))


def _mask(inside: Callable[[float, float], bool]) -> npt.NDArray[np.bool_]:
    return np.array([inside(row, column) for row, column in _AT])


_INNER: Final = _mask(lambda row, column: (row / 3.2) ** 2 + (column / 2.6) ** 2 <= 1)
_CORE: Final = _mask(lambda row, column: (row / 2) ** 2 + (column / 1.6) ** 2 <= 1)
_CONTRASTS: Final = {
    "inner_outer": (_INNER, ~_INNER),
    "core_rim": (_CORE, _INNER & ~_CORE),
    "left_right": (_mask(lambda row, column: column < 0), _mask(lambda row, column: column > 0)),
    "eyes_mouth": (_INNER & _mask(lambda row, column: row == -1.5), _INNER & _mask(lambda row, column: row == 1.5)),
    "top_bottom": (_mask(lambda row, column: row < -2), _mask(lambda row, column: row > 2)),
}


def _energy(picture: Picture) -> Floats:
    return np.concatenate([_energy_map(plane) for plane in (*picture.pyramid[1:], *picture.chroma)])


def _energy_map(plane: Bytes) -> Floats:
    logs = np.log(_mean_in_cells(_laplacian(plane) ** 2) + _FLOOR).ravel()
    contrasts = [logs[one].mean() - logs[other].mean() for one, other in _CONTRASTS.values()]
    return np.array([*(logs - logs.mean()), *contrasts, logs.mean(), logs.std()])


def _grid_dct(picture: Picture) -> Floats:
    energy = (picture.dct**2).reshape(7, 4, 7, 4, 8, 8).mean(axis=(1, 3))
    logs = [np.log(energy[:, :, rows, columns].mean(axis=(2, 3)) + _FLOOR) for rows, columns in _BANDS.values()]
    return np.concatenate([(log - log.mean()).ravel() for log in logs])


def _grid_color(picture: Picture) -> Floats:
    cells = [_mean_in_cells(plane) for plane in (picture.pyramid[1], *picture.chroma)]
    return np.concatenate([(cell - cell.mean()).ravel() for cell in cells])


def _color_global(picture: Picture) -> Floats:
    return np.array([plane.mean() for plane in picture.planes] + [plane.std() for plane in picture.planes])


def _named(*levels: list[str] | tuple[str, ...]) -> list[str]:
    return [".".join(parts) for parts in product(*levels)]


TWINS: Final = {
    "spectrum.radial": Twin(_radial_names(), _radial),
    "spectrum.peaks": Twin([f"v{v:03d}u{u:03d}" for v, u in _PEAKS], _peaks),
    "dct.moments": Twin(
        _named(["log_mean", "log_square", "log_kurtosis", "zeros"], [f"v{v}u{u}" for v, u in _AC]), _dct_moments
    ),
    "dct.benford": Twin(_named(["kl", "renyi", "tsallis"], [f"v{v}u{u}" for v, u in _ZIGZAG]), _benford),
    "dct.grid_phase": Twin(_named(["h", "v"], [f"p{phase}" for phase in range(8)]), _grid_phase),
    "residual.cooccurrence": Twin(["square3." + "".join(map(str, orbit[0])) for orbit in _ORBITS], _cooccurrence),
    "residual.moments": Twin(
        _named(["square3", "median"], _MOMENTS) + [f"median.lag{lag}{way}" for lag in (1, 2, 8) for way in "hv"],
        _residual_moments,
    ),
    "residual.channels": Twin(["y_cr", "y_cb", "cr_cb"], _channels),
    "residual.npr": Twin(_named(["p01", "p10", "p11", "haar_hh"], _MOMENTS), _npr),
    "texture.lbp": Twin(_named(["y1", "y2", "y4", "cr", "cb"], [f"u{bin_:02d}" for bin_ in range(59)]), _lbp),
    "texture.lbp_grid": Twin(
        [f"{plane}.ri{bin_}.{cell}" for plane in ("y1", "y2") for cell in _cells(4) for bin_ in range(10)], _lbp_grid
    ),
    "texture.glcm": Twin(_named(["h1", "v1", "h2", "v2"], _HARALICK), _glcm),
    "grid.energy": Twin(
        _named(["y2", "y4", "y8", "cr", "cb"], [*_cells(8), *_CONTRASTS, "mean", "std"]),
        _energy,
    ),
    "grid.dct": Twin(_named(list(_BANDS), _cells(7)), _grid_dct),
    "grid.color": Twin(_named(_PLANES, _cells(8)), _grid_color),
    "color.global": Twin(_named(["mean", "std"], _PLANES), _color_global),
}
"""The second computation of every block of profile `fast`, by the block's name."""


def twin(rgb: Bytes) -> dict[str, float]:
    """Measure every block by the slow route.

    Parameters
    ----------
    rgb : (224, 224, 3) uint8 array
        Decoded pixels at the working size.

    Returns
    -------
    dict of float
        By the full names of the features, in the order of `TWINS`.
    """
    picture = Picture(rgb)
    values = ((name, entry.names, entry.compute(picture)) for name, entry in TWINS.items())
    return {f"{name}.{value}": float(x) for name, names, xs in values for value, x in zip(names, xs, strict=True)}
