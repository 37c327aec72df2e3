"""Radial means, directions, slopes and peaks, on spectra made to measure."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from features.frame import Frame
from tests.features.pictures import POSITION, frame_with, grey, measure

Floats = npt.NDArray[np.float64]


def spectra_of(law: Callable[[Floats, Floats], npt.ArrayLike]) -> Frame:
    """A frame whose three log spectra are a function of |ky| and kx."""
    spectra = []
    for side in (224, 112, 112):
        ky = np.abs(np.fft.fftfreq(side, 1 / side))[:, None] * np.ones(side // 2 - 1)
        kx = np.arange(1.0, side // 2) * np.ones((side, 1))
        spectra.append(np.asarray(law(ky, kx), np.float32))
    return frame_with(log_spectra=tuple(spectra))


def ring_of(ky: Floats, kx: Floats) -> Floats:
    return np.asarray(np.hypot(ky, kx) // 2)


def test_names_say_plane_and_frequency() -> None:
    names = list(measure("spectrum.radial", frame_with()))
    assert len(names) == 202
    assert names[:2] == ["y.ring.k000", "y.ring.k002"]
    assert names[55:58] == ["y.ring.k110", "y.sector.b0s0", "y.sector.b0s1"]
    assert names[-1] == "cb.slope.high"


def test_rings_are_two_bins_wide_and_relative() -> None:
    values = measure("spectrum.radial", spectra_of(ring_of))
    for plane, rings in (("y", 56), ("cr", 28), ("cb", 28)):
        means = [values[f"{plane}.ring.k{2 * ring:03d}"] for ring in range(rings)]
        np.testing.assert_allclose(means, np.arange(rings) - (rings - 1) / 2, atol=1e-5)


def test_a_ring_is_the_mean_of_its_samples() -> None:
    values = measure("spectrum.radial", spectra_of(lambda ky, kx: (ky == 3) & (kx == 4)))
    samples = sum(4 <= np.hypot(ky, kx) < 6 for ky in range(-6, 7) for kx in range(1, 7))
    assert values["y.ring.k004"] - values["y.ring.k006"] == pytest.approx(2 / samples)  # ky = 3 and ky = -3


def test_the_row_at_nyquist_counts_once() -> None:
    values = measure("spectrum.radial", spectra_of(lambda ky, kx: ky == 111))
    ring = sum(110 <= np.hypot(ky, kx) < 112 for ky in range(-112, 112) for kx in range(1, 112))
    hits = sum(110 <= np.hypot(111, kx) < 112 for kx in range(1, 112))
    assert values["y.ring.k110"] - values["y.ring.k000"] == pytest.approx(2 * hits / ring)


@pytest.mark.parametrize("slope", [-3.0, 0.0, 2.0])
def test_slopes_are_those_of_a_power_law_whatever_the_first_ring(slope: float) -> None:
    def law(ky: Floats, kx: Floats) -> Floats:
        ring = ring_of(ky, kx)
        return np.asarray(slope * np.log(2 * (ring + 0.5)) + 5 + 7 * (ring == 0))

    values = measure("spectrum.radial", spectra_of(law))
    for plane in ("y", "cr", "cb"):
        assert values[f"{plane}.slope.low"] == pytest.approx(slope, abs=1e-4)
        assert values[f"{plane}.slope.high"] == pytest.approx(slope, abs=1e-4)


def test_sectors_run_from_across_to_down() -> None:
    values = measure("spectrum.radial", spectra_of(lambda ky, kx: np.degrees(np.arctan2(ky, kx)) // 22.5))
    for plane in ("y", "cr", "cb"):
        for band in range(7):
            sectors = [values[f"{plane}.sector.b{band}s{sector}"] for sector in range(4)]
            np.testing.assert_allclose(sectors, [-1.5, -0.5, 0.5, 1.5], atol=1e-5)


def test_a_band_is_a_seventh_of_the_rings() -> None:
    def law(ky: Floats, kx: Floats) -> Floats:
        return np.where((ring_of(ky, kx) // 8 == 2) & (ky > kx), 1.0, 0.0)  # luma: rings 16 to 23

    values = measure("spectrum.radial", spectra_of(law))
    assert values["y.sector.b2s3"] > 0.4
    assert values["y.sector.b2s0"] < -0.4
    assert values["y.sector.b1s3"] == values["y.sector.b3s3"] == 0


def test_a_grating_shows_in_its_ring_and_sector() -> None:
    kx, ky = 60, 25  # 22.6 degrees, ring 64 to 66, band 4
    wave = 100 + 60 * np.cos(2 * np.pi * (kx * POSITION[1] + ky * POSITION[0]) / 224)
    noise = np.random.default_rng(0).integers(0, 50, (224, 224))
    values, plain = (measure("spectrum.radial", grey(noise + plane)) for plane in (np.rint(wave), 100))
    rise = [values[f"y.ring.k{k:03d}"] - plain[f"y.ring.k{k:03d}"] for k in range(52, 78, 2)]
    assert np.argmax(rise) == 6
    assert max((f"y.sector.b4s{sector}" for sector in range(4)), key=lambda name: values[name]) == "y.sector.b4s1"


def test_brightness_moves_the_lowest_rings_alone() -> None:
    wave = np.rint(90 + 30 * np.sin(POSITION[0] ** 2 / 700 + POSITION[1] / 3))
    one, other = (measure("spectrum.radial", grey(wave + more)) for more in (0, 40))
    change = np.array([other[name] - one[name] for name in one if name.startswith("y.ring")])
    np.testing.assert_allclose(change[9:], change[9:].mean(), atol=0.02)
    assert change[0] - change[9:].mean() > 0.2


# Peaks


def test_a_peak_stands_out_from_its_surroundings() -> None:
    values = measure("spectrum.peaks", spectra_of(lambda ky, kx: (ky == 28) & (kx == 56)))
    for name, value in values.items():
        expected = 1 / 9 - 1 / 81 if name in ("v028u056", "v196u056") else 0
        assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("away", "expected"), [(1, 1 / 9 - 1 / 81), (2, -1 / 81), (4, -1 / 81), (5, 0)])
def test_the_surroundings_wrap_at_zero(away: int, expected: float) -> None:
    spectra = spectra_of(lambda ky, kx: np.zeros_like(ky)).log_spectra
    spectra[0][224 - away, 84 - 1] = 1
    values = measure("spectrum.peaks", frame_with(log_spectra=spectra))
    assert values["v000u084"] == pytest.approx(expected, abs=1e-6)


def test_a_lattice_of_eight_pixels_leaves_all_peaks() -> None:
    noise = np.random.default_rng(0).integers(60, 100, (224, 224))
    lattice = (POSITION % 8 == 3).all(axis=0)
    plain, marked = (measure("spectrum.peaks", grey(noise + more * lattice)) for more in (0, 100))
    assert len(plain) == 21
    assert max(plain.values()) < 1 < min(marked.values())
