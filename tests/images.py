"""Synthetic images for tests: seeded textures, their encodings, and a small corpus that can be learnt."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from features.decode import Pixels

__all__ = ["corpus", "encode", "jpeg", "photo", "png"]


def photo(seed: int, size: int | tuple[int, int] = 224) -> Pixels:
    """Make a smooth random texture with fine noise; (H, W, 3) uint8 RGB, the same for the same seed.

    `size` is the side of a square, or (height, width).
    """
    height, width = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng(seed)
    image = rng.uniform(80, 176, size=3) + rng.normal(0, 4, size=(height, width, 3))
    for cells, strength in ((3, 40), (9, 20), (33, 9)):
        grid = rng.normal(0, strength, size=(cells, cells, 3))
        image += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def encode(pixels: Pixels | Image.Image, kind: str, **options: object) -> bytes:
    """Encode RGB, RGBA or grey pixels, or a Pillow image, as the Pillow format `kind` (`JPEG`, `PNG`, `WEBP`, ...)."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def jpeg(rgb: Pixels, quality: int = 75, **options: object) -> bytes:
    """Encode (H, W, 3) RGB as a baseline 4:2:0 JPEG."""
    return encode(rgb, "JPEG", quality=quality, **options)


def png(rgb: Pixels, **options: object) -> bytes:
    """Encode (H, W, 3) RGB as PNG."""
    return encode(rgb, "PNG", **options)


def corpus(root: Path, n: int, seed: int = 0, size: int = 224) -> Path:
    """Write `real/` and `fake/` with `n` JPEG each below `root`; each fake is its real of the same name, made smoother.

    The fakes are blurred and a little warmer: spectra, residuals, texture and colour all tell the classes apart.
    """
    for label in ("real", "fake"):
        (root / label).mkdir(parents=True, exist_ok=True)
    for index in range(n):
        real = photo(seed * 1_000_003 + index, size)
        smooth = cv2.GaussianBlur(real, (0, 0), 1.2)
        warm = np.clip(smooth.astype(np.int16) + np.array([8, 0, -8]), 0, 255).astype(np.uint8)
        for label, image in (("real", real), ("fake", warm)):
            (root / label / f"{index:04d}.jpg").write_bytes(jpeg(image))
    return root
