"""Encoded bytes become pixels, or a named error: nothing half decoded passes as an image.

JPEG, nearly all of what is scored, is decoded strictly by libjpeg-turbo; every other format by Pillow.
The pixel limit is checked from the header, before any pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Final, cast

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

__all__ = ["MAX_PIXELS", "MIN_SIDE", "Pixels", "check_size", "decode", "on_white", "sniff"]

MAX_PIXELS: Final = 100_000_000
"""The most pixels an image may announce (100 megapixels)."""

MIN_SIDE: Final = 32
"""The shortest side that can be measured, in pixels."""

Pixels = npt.NDArray[np.uint8]

_EXIF_ORIENTATION = 0x0112
_EXIF_SEARCH = 65_536  # APP1 stands at the front of a JPEG
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"GIF8", "GIF"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
)
_SUPPORTED = frozenset({"JPEG", "PNG", "WEBP", "BMP", "TIFF"})
# fmt: off
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error
)
# fmt: on
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


def check_size(height: int, width: int) -> None:
    """Raise ImageTooLargeError or ImageTooSmallError where `height` by `width` pixels cannot be measured."""
    if height * width > MAX_PIXELS:
        raise ImageTooLargeError(f"{width}x{height} pixels are more than the limit of {MAX_PIXELS:,}")
    if min(height, width) < MIN_SIDE:
        raise ImageTooSmallError(f"{width}x{height} pixels; both sides need at least {MIN_SIDE}")


def _decode_jpeg(data: bytes) -> Pixels:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        check_size(height, width)
        strict = simplejpeg.decode_jpeg(data, colorspace="CMYK" if space == "CMYK" else "BGR")
    except ValueError as error:
        raise _jpeg_error(str(error)) from error
    if space == "CMYK":  # the strict pass has vouched for the data; Pillow knows the inks' conventions
        return _decode_other(data, "JPEG")
    if data.find(b"Exif\0\0", 0, _EXIF_SEARCH) >= 0:
        return _upright(strict, _jpeg_orientation(data))
    return cast(Pixels, strict)


def _jpeg_error(message: str) -> CorruptImageError | UnsupportedImageError:
    if "nsupported" in message or "not supported" in message.lower():
        return UnsupportedImageError(f"JPEG variant not supported: {message}")
    return CorruptImageError(f"damaged or truncated JPEG: {message}")


def _jpeg_orientation(data: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except (*_DECODER_ERRORS, ZeroDivisionError, OverflowError):  # metadata are no reason to refuse sound pixels
        return 1


def _decode_other(data: bytes, kind: str) -> Pixels:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel limit; ours has been checked by then
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                check_size(image.height, image.width)
                image.load()
                return _upright(_to_bgr(image), int(image.getexif().get(_EXIF_ORIENTATION, 1)))
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(str(error)) from error
    except _DECODER_ERRORS as error:
        raise CorruptImageError(f"damaged or truncated {kind}: {error}") from error


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


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation from 1 to 8 (CIPA DC-008); any other value means upright."""
    turns, mirrored = _ORIENTATIONS.get(orientation, (0, False))
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
