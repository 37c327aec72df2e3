"""What happens to an image on its way to us, one step a function: to train past it, and to measure what it costs.

Every function takes (H, W, 3) uint8 pixels in BGR order and gives pixels of the same size; it leaves its argument
alone, but may return it where there is nothing to do. The same arguments give the same pixels.
"""

import math
from typing import Final, Literal

import cv2
import numpy as np
import simplejpeg

from features.decode import Pixels
from features.planes import resize

__all__ = ["blur", "double_jpeg", "jpeg", "log_uniform", "noise", "reframe", "rescale", "screenshot", "tone", "webp"]

_LUMA: Final = np.array([0.114, 0.587, 0.299])  # of B, G and R (ITU-R BT.601)
_MIDDLE: Final = 127.5
_OFF_GRID: Final = 4  # pixels, half a block of JPEG


def jpeg(bgr: Pixels, quality: int, *, chroma: Literal["444", "422", "420"] = "420") -> Pixels:
    """Encode as baseline JPEG of `quality` 1 to 100 (libjpeg's scale) with this chroma sampling, and decode."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(bgr), quality, colorspace="BGR", colorsubsampling=chroma)
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"), dtype=np.uint8)


def double_jpeg(bgr: Pixels, first: int, second: int) -> Pixels:
    """Save as JPEG of quality `first`, then as that of quality `second` with the grid moved by half a block."""
    once = cv2.copyMakeBorder(jpeg(bgr, first), _OFF_GRID, 0, _OFF_GRID, 0, borderType=cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(jpeg(np.asarray(once, dtype=np.uint8), second)[_OFF_GRID:, _OFF_GRID:])


def webp(bgr: Pixels, quality: int) -> Pixels:
    """Encode as lossy WebP of `quality` 1 to 100 (libwebp's scale), and decode."""
    _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def screenshot(bgr: Pixels, scale: float, sharpening: float, quality: int) -> Pixels:
    """Show the image on a screen and take a picture of that: resized, sharpened, saved; then brought back to its size.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The image.
    scale : float
        How many times as wide and as high it is shown.
    sharpening : float
        How much of what a Gaussian of one pixel takes away is added.
    quality : int
        Of the JPEG that it is saved as, as `jpeg` takes it.
    """
    height, width = bgr.shape[:2]
    shown = resize(bgr, max(1, round(width * scale)), max(1, round(height * scale)))
    sharp = cv2.addWeighted(shown, 1 + sharpening, blur(shown, 1.0), -sharpening, 0)
    return resize(jpeg(np.asarray(sharp, dtype=np.uint8), quality), width, height)


def rescale(bgr: Pixels, side: int) -> Pixels:
    """Resize until the longer side has `side` pixels, and back: area averages down, cubic up, as frames are."""
    height, width = bgr.shape[:2]
    factor = side / max(height, width)
    small = resize(bgr, max(1, round(width * factor)), max(1, round(height * factor)))
    return resize(small, width, height)


def blur(bgr: Pixels, sigma: float) -> Pixels:
    """Blur by a Gaussian of standard deviation `sigma` pixels; 0 changes nothing, borders are mirrored."""
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), sigma), dtype=np.uint8) if sigma > 0 else bgr


def noise(bgr: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Add to every sample its own Gaussian noise of standard deviation `sigma` (in levels of 255), and clip."""
    grain = rng.standard_normal(bgr.shape, dtype=np.float32) * np.float32(sigma)
    return np.asarray(cv2.add(bgr, grain, dtype=cv2.CV_8U), dtype=np.uint8)


def tone(bgr: Pixels, brightness: float = 0.0, contrast: float = 1.0, saturation: float = 1.0) -> Pixels:
    """Scale each sample's distance from luma, then from middle grey, then shift it; rounded and clipped at the end.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The image.
    brightness : float
        What is added, in levels of 255; 0 for none.
    contrast : float
        Factor of the distance from 127.5; 1 for no change.
    saturation : float
        Factor of the distance from the sample's luma (ITU-R BT.601); 0 makes the image grey, 1 changes nothing.
    """
    mix = contrast * (saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1)))
    shift = np.full((3, 1), _MIDDLE * (1 - contrast) + brightness)
    return np.asarray(cv2.transform(bgr, np.hstack([mix, shift])), dtype=np.uint8)


def reframe(bgr: Pixels, scale: float, dx: float = 0.0, dy: float = 0.0) -> Pixels:
    """Show what another crop of the same scene would: wider or narrower, and shifted.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The image, a crop of a scene.
    scale : float
        How many times as wide and as high the other crop is; below 1 it shows less, larger.
    dx, dy : float
        How far its centre lies to the right and down, in widths and heights of the image.

    Returns
    -------
    (H, W, 3) uint8 array
        The other crop, its edges on whole pixels, resampled once (area averages down, cubic up); what lies outside the
        image is mirrored at its border.
    """
    height, width = bgr.shape[:2]
    left, right = _span(width, scale, dx)
    top, bottom = _span(height, scale, dy)
    outside = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    scene = np.asarray(cv2.copyMakeBorder(bgr, *outside, borderType=cv2.BORDER_REFLECT_101), dtype=np.uint8)
    y, x = max(0, top), max(0, left)
    return np.ascontiguousarray(resize(scene[y : y + bottom - top, x : x + right - left], width, height))


def _span(side: int, scale: float, shift: float) -> tuple[int, int]:
    """Place an interval of round(side * scale) pixels whose centre is `shift` sides beyond that of [0, side]."""
    length = max(1, round(side * scale))
    start = round(side * (0.5 + shift) - length / 2)
    return start, start + length


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a strength between `low` and `high`, both above 0, whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
