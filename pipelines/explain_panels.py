"""Pictures of what was measured, drawn from the same planes that the values come from."""

from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from features.decode import Pixels
from features.frame import WORKING_SIZE, Frame
from features.planes import lbp_codes

__all__ = ["Picture", "panels"]

_GAIN: Final = 8.0  # of the noise residual, so that single grey levels show
_RANGE: Final = (0.5, 99.5)  # percentiles that become black and white
_BITS: Final = np.array([code.bit_count() for code in range(256)], np.uint8)


class Picture(NamedTuple):
    """A picture with its title and, in words, what it shows; (H, W, 3) uint8 in BGR order."""

    title: str
    text: str
    bgr: Pixels


def panels(frame: Frame) -> list[Picture]:
    """Draw spectrum, residual, local binary patterns and DCT energy of a frame, (224, 224, 3) each."""
    return [
        Picture(
            "Spectrum",
            "Logarithm of the spectrum of brightness, low frequencies in the middle; dots or lines away from it are"
            " regular patterns, as enlarging leaves them. The upright line in the middle is not measured.",
            _grey(_stretched(_spectrum(frame))),
        ),
        Picture(
            "Noise residual",
            f"Brightness minus its 3x3 median, {_GAIN:g} times enlarged: what is left of grain, edges and resampling."
            " Mid-grey is none.",
            _grey(128 + _GAIN * frame.residuals["median"]),
        ),
        Picture(
            "Texture (LBP)",
            "How many of its eight neighbours are at least as bright as each pixel: black none, white all eight.",
            _grey(_patterns(frame.luma)),
        ),
        Picture(
            "DCT energy",
            "Energy of detail in each JPEG block of 8x8 pixels on a logarithmic scale, dark blue little, yellow much.",
            np.asarray(cv2.applyColorMap(_stretched(_energy(frame)), cv2.COLORMAP_VIRIDIS), np.uint8),
        ),
    ]


def _spectrum(frame: Frame) -> npt.NDArray[np.float32]:
    """Complete the half of the spectrum that is measured by its mirror image through the middle, (224, 223)."""
    half = frame.log_spectra[0]
    other = np.roll(half[::-1, ::-1], 1, axis=0)  # -ky is row n - ky
    line = np.full((WORKING_SIZE, 1), half.min(), np.float32)
    return np.asarray(np.fft.fftshift(np.hstack([other, line, half]), axes=0))


def _patterns(luma: Pixels) -> npt.NDArray[np.float64]:
    count = np.pad(_BITS[lbp_codes(luma)], 1, mode="edge")
    return np.asarray(count * (255 / 8), np.float64)


def _energy(frame: Frame) -> npt.NDArray[np.float32]:
    """Sum the squares of the AC coefficients of each block, ln(1 + sum), each block 8x8 pixels large."""
    every = frame.dct_square.sum(axis=(1, 3))
    detail = every - frame.dct_square[:, 0, :, 0]
    return np.asarray(np.log1p(np.maximum(detail, 0)).repeat(8, axis=0).repeat(8, axis=1), np.float32)


def _stretched(plane: npt.NDArray[np.float32]) -> Pixels:
    low, high = np.percentile(plane, _RANGE)
    return np.asarray(np.clip((plane - low) / max(high - low, 1e-6) * 255, 0, 255), np.uint8)


def _grey(plane: npt.NDArray[np.generic]) -> Pixels:
    """Make a plane of 0 to 255 a picture of the working size."""
    pixels = np.clip(np.rint(plane.astype(np.float64)), 0, 255).astype(np.uint8)
    whole = cv2.resize(pixels, (WORKING_SIZE, WORKING_SIZE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_GRAY2BGR), np.uint8)
