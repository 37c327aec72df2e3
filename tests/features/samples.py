"""One small file of every kind that is decoded, each with the pixels it must give."""

import struct
import zlib
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from features.decode import Pixels
from tests.images import encode, jpeg, photo, png

__all__ = ["EXACT", "KINDS", "LOSSY", "RGB", "Sample", "on_white_slowly", "png_chunk", "sample"]

RGB = photo(1, (48, 64))
"""(48, 64, 3): neither square nor of whole JPEG macroblocks, so that no axis can be taken for the other."""

GREY = RGB[..., 1]
ALPHA = np.clip(photo(2, (48, 64))[..., 0].astype(int) * 3 - 250, 0, 255).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
DEEP = RGB.astype(np.uint16) * 256 + photo(3, (48, 64))
"""(48, 64, 3) uint16 whose high bytes are RGB and whose low bytes are anything."""


@dataclass(frozen=True)
class Sample:
    """An encoded image and the (H, W, 3) RGB pixels that it holds."""

    data: bytes
    rgb: Pixels


def on_white_slowly(rgba: Pixels) -> Pixels:
    """Composite straight alpha on white in float64; the oracle of `on_white`."""
    share = rgba[..., 3:] / 255.0
    return np.asarray(np.rint(rgba[..., :3] * share + 255 * (1 - share)), dtype=np.uint8)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Frame `content` as a chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _grey3(plane: Pixels) -> Pixels:
    return np.dstack([plane, plane, plane])


def _opencv(extension: str, array: npt.NDArray[np.uint16]) -> bytes:
    return bytes(cv2.imencode(extension, array)[1])


def _palette() -> Image.Image:
    return Image.fromarray(RGB).quantize(32)


def _palette_rgb() -> Pixels:
    image = _palette()
    colours = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    return np.take(colours, np.asarray(image), axis=0)


def _palette_hole() -> Pixels:
    pixels = _palette_rgb()
    pixels[np.asarray(_palette()) == 3] = 255
    return pixels


def _bilevel() -> Image.Image:
    return Image.fromarray(GREY > 128)


def _still(**options: object) -> bytes:
    return encode(Image.fromarray(RGB), "WEBP", save_all=True, append_images=[Image.fromarray(255 - RGB)], **options)


def _pages() -> bytes:
    return encode(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[Image.fromarray(255 - RGB)])


def _inks() -> Image.Image:
    return Image.merge("CMYK", [Image.fromarray(255 - RGB[..., i]) for i in range(3)] + [Image.new("L", (64, 48))])


_BILEVEL_RGB = _grey3(np.where(GREY > 128, 255, 0).astype(np.uint8))

EXACT = {
    "png": lambda: Sample(png(RGB), RGB),
    "png grey": lambda: Sample(png(GREY), _grey3(GREY)),
    "png alpha": lambda: Sample(png(RGBA), on_white_slowly(RGBA)),
    "png grey alpha": lambda: Sample(
        encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]), "PNG"),
        on_white_slowly(np.dstack([_grey3(GREY), ALPHA])),
    ),
    "png palette": lambda: Sample(encode(_palette(), "PNG"), _palette_rgb()),
    "png palette with a hole": lambda: Sample(encode(_palette(), "PNG", transparency=3), _palette_hole()),
    "png one bit": lambda: Sample(encode(_bilevel(), "PNG"), _BILEVEL_RGB),
    "png 16 bit grey": lambda: Sample(_opencv(".png", DEEP[..., 1]), _grey3(GREY)),
    "png 16 bit": lambda: Sample(_opencv(".png", DEEP[..., ::-1]), RGB),
    "webp lossless": lambda: Sample(encode(RGB, "WEBP", lossless=True), RGB),
    "webp lossless alpha": lambda: Sample(encode(RGBA, "WEBP", lossless=True, exact=True), on_white_slowly(RGBA)),
    "webp animated": lambda: Sample(_still(lossless=True), RGB),
    "bmp": lambda: Sample(encode(RGB, "BMP"), RGB),
    "bmp grey": lambda: Sample(encode(GREY, "BMP"), _grey3(GREY)),
    "bmp palette": lambda: Sample(encode(_palette(), "BMP"), _palette_rgb()),
    "bmp one bit": lambda: Sample(encode(_bilevel(), "BMP"), _BILEVEL_RGB),
    "tiff": lambda: Sample(encode(RGB, "TIFF"), RGB),
    "tiff grey": lambda: Sample(encode(GREY, "TIFF"), _grey3(GREY)),
    "tiff alpha": lambda: Sample(encode(RGBA, "TIFF"), on_white_slowly(RGBA)),
    "tiff palette": lambda: Sample(encode(_palette(), "TIFF"), _palette_rgb()),
    "tiff inks": lambda: Sample(encode(_inks(), "TIFF"), RGB),
    "tiff pages": lambda: Sample(_pages(), RGB),
    "tiff lzw": lambda: Sample(encode(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "tiff deflate": lambda: Sample(encode(RGB, "TIFF", compression="tiff_adobe_deflate"), RGB),
    "tiff packbits": lambda: Sample(encode(RGB, "TIFF", compression="packbits"), RGB),
    "tiff fax": lambda: Sample(encode(_bilevel(), "TIFF", compression="group4"), _BILEVEL_RGB),
    "tiff 16 bit grey": lambda: Sample(encode(Image.fromarray(DEEP[..., 1]), "TIFF"), _grey3(GREY)),
    "tiff 16 bit": lambda: Sample(_opencv(".tiff", DEEP[..., ::-1]), RGB),
    "bigtiff": lambda: Sample(encode(RGB, "TIFF", big_tiff=True), RGB),
}
"""Files that hold their pixels exactly."""

LOSSY = {
    "jpeg": lambda: Sample(jpeg(RGB), RGB),
    "jpeg 4:4:4": lambda: Sample(jpeg(RGB, subsampling="4:4:4"), RGB),
    "jpeg 4:2:2": lambda: Sample(jpeg(RGB, subsampling="4:2:2"), RGB),
    "jpeg progressive": lambda: Sample(jpeg(RGB, progressive=True), RGB),
    "jpeg grey": lambda: Sample(jpeg(GREY), _grey3(GREY)),
    "jpeg stored as RGB": lambda: Sample(jpeg(RGB, quality=90, keep_rgb=True), RGB),
    "jpeg with restarts": lambda: Sample(jpeg(RGB, restart_marker_blocks=2), RGB),
    "jpeg cmyk": lambda: Sample(encode(_inks(), "JPEG", quality=90), RGB),
    "jpeg ycck": lambda: Sample(
        simplejpeg.encode_jpeg(np.dstack([RGB, np.full_like(GREY, 255)]), quality=90, colorspace="CMYK"), RGB
    ),
    "webp": lambda: Sample(encode(RGB, "WEBP", quality=80), RGB),
    "webp alpha": lambda: Sample(encode(RGBA, "WEBP", quality=80), on_white_slowly(RGBA)),
    "tiff jpeg": lambda: Sample(encode(RGB, "TIFF", compression="jpeg", quality=90), RGB),
}
"""Files that hold their pixels nearly."""

KINDS = sorted(EXACT | LOSSY)
"""The names of all samples."""


@cache
def sample(kind: str) -> Sample:
    """Make the sample of this name, once."""
    return (EXACT | LOSSY)[kind]()
