"""Encoded bytes become pixels, or a named error: nothing half decoded passes as an image.

JPEG, nearly all of what is scored, is decoded strictly by libjpeg-turbo; every other format by Pillow.
The pixel limit is checked from the header, before any pixel is decoded.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np
import numpy.typing as npt
import simplejpeg

from features.errors import (
    CorruptImageError,
    EmptyFileError,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    UnsupportedImageError,
)

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile as PillowFile

__all__ = ["MAX_PIXELS", "MIN_SIDE", "Pixels", "check_size", "decode", "limit_pixels", "on_white", "sniff"]

MAX_PIXELS: Final = 100_000_000
"""The most pixels an image may announce (100 megapixels)."""

_limit = MAX_PIXELS

MIN_SIDE: Final = 32
"""The shortest side that can be measured, in pixels."""

Pixels = npt.NDArray[np.uint8]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, _PNG_SIGNATURE, "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (4, b"ftyphe", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
)
_SUPPORTED = frozenset({"JPEG", "PNG", "WEBP", "BMP", "TIFF"})
# fmt: off
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error
)
# fmt: on
_VARIANT = re.compile("unsupported|not supported|unknown pixel mode", re.IGNORECASE)
_EXIF_MARK = b"Exif\0\0"
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_ORIENTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


def decode(data: bytes) -> Pixels:
    """Decode an encoded image to upright pixels, after every check that its header allows.

    Parameters
    ----------
    data : bytes
        A whole JPEG, PNG, WebP, BMP or TIFF file; of an animation the first frame counts.

    Returns
    -------
    (H, W, 3) uint8 array, BGR
        Alpha is composited on white, 16-bit samples keep their high byte, grey is repeated
        and the EXIF orientation is applied.

    Raises
    ------
    ImageError
        EmptyFileError, NotAnImageError, UnsupportedImageError, ImageTooLargeError,
        ImageTooSmallError or CorruptImageError.
    """
    kind = sniff(data)
    if kind not in _SUPPORTED:
        raise UnsupportedImageError(f"{kind} is not supported; give JPEG, PNG, WebP, BMP or TIFF")
    return _decode_jpeg(data) if kind == "JPEG" else _decode_other(data, kind)


def sniff(data: bytes) -> str:
    """Name the format whose signature the bytes carry, such as `JPEG`; raise where there is none."""
    if not data:
        raise EmptyFileError("the file is empty")
    for offset, signature, kind in _SIGNATURES:
        if data.startswith(signature, offset):
            return kind
    raise NotAnImageError("not an image: the bytes begin like no known image format")


def limit_pixels(most: int) -> None:
    """Let images announce at most `most` pixels in this process, never more than MAX_PIXELS."""
    global _limit
    _limit = min(most, MAX_PIXELS)


def check_size(height: int, width: int) -> None:
    """Raise ImageTooLargeError or ImageTooSmallError where `height` by `width` pixels cannot be measured."""
    if height * width > _limit:
        raise ImageTooLargeError(f"{width}x{height} pixels are more than the limit of {_limit:,}")
    if min(height, width) < MIN_SIDE:
        raise ImageTooSmallError(f"{width}x{height} pixels; both sides need at least {MIN_SIDE}")


def _decode_jpeg(data: bytes) -> Pixels:
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        check_size(height, width)
        pixels = cast(Pixels, simplejpeg.decode_jpeg(data, colorspace="BGR"))  # inks too, as Adobe stores them
    except ValueError as error:
        raise _refusal("JPEG", error) from error
    return _upright(pixels, exif) if (exif := _jpeg_exif(data)) else pixels


def _jpeg_exif(data: bytes) -> bytes:
    """Cut out the EXIF segment that stands before the first scan, without its mark; empty where there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data.startswith(b"\xff\xe1", at) and data.startswith(_EXIF_MARK, at + 4):
            return data[at + 4 + len(_EXIF_MARK) : end]
        at = end
    return b""


def _decode_other(data: bytes, kind: str) -> Pixels:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow finds odd but not wrong
            image = _open(data, kind)
            check_size(image.height, image.width)
            if kind == "PNG":
                _check_sums(data)
            image.load()
            return _upright(_to_bgr(image), _exif(image))
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"more pixels than the limit of {_limit:,}") from error
    except _DECODER_ERRORS as error:
        raise _refusal(kind, error) from error


def _open(data: bytes, kind: str) -> PillowFile:
    """Read the header only, by the one reader of this kind: `Image.open` would hide why it refused."""
    from PIL import BmpImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    readers: dict[str, type[PillowFile]] = {
        "BMP": BmpImagePlugin.BmpImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
    }
    return readers[kind](io.BytesIO(data))


def _exif(image: PillowFile) -> bytes:
    exif = image.info.get("exif")  # a text chunk of a PNG may bear this name
    return exif.removeprefix(_EXIF_MARK) if isinstance(exif, bytes) else b""


def _check_sums(data: bytes) -> None:
    """Raise ValueError unless every critical chunk of a PNG is sound; Pillow checks none that ends the pixels."""
    view, at, name = memoryview(data), len(_PNG_SIGNATURE), b""
    while name != b"IEND":
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        if end + 4 > len(data):
            raise ValueError("the file ends too early")
        critical = name[0] & 0x20 == 0
        if critical and zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ValueError(f"wrong checksum of chunk {name.decode('ascii', 'replace')}")
        at = end + 4


def _refusal(kind: str, error: Exception) -> CorruptImageError | UnsupportedImageError:
    message = "the header ends too early" if "requires a buffer" in str(error) else str(error)
    if _VARIANT.search(message):
        return UnsupportedImageError(f"{kind} variant not supported: {message}")
    return CorruptImageError(f"damaged or truncated {kind}: {message or type(error).__name__}")


def _to_bgr(image: PillowImage) -> Pixels:
    """Reduce any Pillow mode to three uint8 channels, BGR."""
    if image.mode.startswith("I;16"):
        high = (np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8)
        return np.repeat(high[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise UnsupportedImageError(f"samples of 32 bits are not supported (Pillow mode {image.mode})")
    if image.has_transparency_data:
        return on_white(np.asarray(image.convert("RGBA")))
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def on_white(rgba: Pixels) -> Pixels:
    """Composite straight alpha on white, rounded; (H, W, 4) RGBA to (H, W, 3) BGR."""
    alpha = rgba[..., 3:].astype(np.uint16)
    blended = (rgba[..., 2::-1].astype(np.uint16) * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def _upright(pixels: Pixels, exif: bytes) -> Pixels:
    """Undo the orientation that EXIF data announce."""
    turns, mirrored = _ORIENTATIONS.get(_orientation(exif), (0, False))
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def _orientation(exif: bytes) -> int:
    """Find the orientation (CIPA DC-008) in the first directory of EXIF data; 0 where it is absent or damaged."""
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None:
        return 0
    start = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[start : start + 2], order)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif)), 12):
        if int.from_bytes(exif[entry : entry + 2], order) == _ORIENTATION:
            return int.from_bytes(exif[entry + 8 : entry + 10], order)
    return 0
