"""What audits want to know of an image: facts of its container, trivial statistics of its pixels, a perceptual hash.

None of it is a feature of any detector: it tells data sets apart, not fakes.
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np

from features.decode import Pixels, sniff
from features.errors import ImageError
from features.frame import Frame, load_pixels
from features.source import read_bytes
from pipelines.engine import cores, map_jobs
from pipelines.progress import Progress, counted

__all__ = [
    "CONTAINER",
    "HASH_BITS",
    "STATISTICS",
    "Container",
    "Look",
    "estimate_quality",
    "look_at",
    "over_images",
    "perceptual_hash",
    "read_container",
    "statistics",
]

CONTAINER: Final = (
    "format",
    "quality",
    "chroma_quality",
    "subsampling",
    "progressive",
    "metadata",
    "width",
    "height",
    "bytes_per_pixel",
)
"""What a file says without being decoded, by name; NaN where a format has no such fact."""

STATISTICS: Final = ("brightness", "contrast", "sharpness", "red", "green", "blue", "saturation", "saturation_spread")
"""What any eye sees of the pixels, by name."""

HASH_BITS: Final = 256
"""The length of a perceptual hash."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIC", "HEIF", "AVIF", "JPEG 2000")
_METADATA = frozenset({"exif", "icc_profile", "xmp", "comment", "photoshop"})
_CHUNK = 64  # images a job
_LUMA_SUM = 3688  # of the table for luma in ITU-T T.81, annex K.1
_CHROMA_SUM = 5505  # and of that for chroma
_HASH_SIDE = 16
_NAN = float("nan")
T = TypeVar("T")


class Look(NamedTuple):
    """What the pixels of an image say: the values of `STATISTICS`, and its perceptual hash in 32 bytes."""

    values: tuple[float, ...]
    hash: bytes


class Container(NamedTuple):
    """What the bytes of an image say without being decoded: their sha256, and the values of `CONTAINER`."""

    sha256: str
    values: tuple[float, ...]


def over_images(
    read: Callable[[bytes], T], paths: Sequence[str], *, workers: int | None = None, progress: Progress | None = None
) -> list[tuple[T | None, str]]:
    """Apply a function to the bytes of each image, in order.

    Parameters
    ----------
    read : callable
        A function at the top level of a module, which may raise ImageError.
    paths : sequence of str
        The images.
    workers : int, optional
        Processes; one a core by default.
    progress : callable, optional
        Told how many images are done.

    Returns
    -------
    list of (result, error)
        One of an image that cannot be read is None, with the error as `code: message`; else the error is empty.
    """
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    done = map_jobs(partial(_read_all, read), chunks, workers=min(workers or cores(), len(chunks)) or 1, ordered=True)
    results = chain.from_iterable(done)
    return list(counted(results, progress, len(paths)) if progress else results)


def _read_all(read: Callable[[bytes], T], paths: Sequence[str]) -> list[tuple[T | None, str]]:
    return [_read_one(read, path) for path in paths]


def _read_one(read: Callable[[bytes], T], path: str) -> tuple[T | None, str]:
    try:
        return read(read_bytes(path)), ""
    except ImageError as error:
        return None, f"{error.code}: {error}"
    except Exception as error:  # a fault of ours, not of the image
        error.add_note(f"while looking at {path}")
        raise


def read_container(data: bytes) -> Container:
    """Read what a file says of itself; raises ImageError where it does not begin like an image."""
    kind = sniff(data)
    facts = {"format": float(_FORMATS.index(kind)), **_header(data)}
    return Container(hashlib.sha256(data).hexdigest(), tuple(facts.get(name, _NAN) for name in CONTAINER))


def _header(data: bytes) -> dict[str, float]:
    """Read the facts of a header; none where it is damaged."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            facts = {"width": float(image.width), "height": float(image.height)}
            facts["bytes_per_pixel"] = len(data) / (image.width * image.height)
            facts["metadata"] = float(not _METADATA.isdisjoint(image.info))
            if isinstance(image, JpegImageFile):
                facts["subsampling"] = float(get_sampling(image))
                facts["progressive"] = float("progressive" in image.info)
                facts |= _qualities(list(image.quantization.values()))
    except Exception:  # whatever a parser stumbles on
        return {}
    return facts


def _qualities(tables: Sequence[Sequence[int]]) -> dict[str, float]:
    names = ("quality", "chroma_quality")
    bases = (_LUMA_SUM, _CHROMA_SUM)
    return {name: estimate_quality(sum(t), base) for name, base, t in zip(names, bases, tables, strict=False)}


def estimate_quality(total: int, base: int) -> float:
    """Estimate the quality, 1 to 100, at which libjpeg scales a table of sum `base` to one of sum `total`.

    It scales by 5000 / q per cent below q = 50, and by 200 - 2 q from there on (`jpeg_quality_scaling` in jcparam.c).
    """
    scale = 100 * total / base
    return round(min(max(5000 / scale if scale > 100 else (200 - scale) / 2, 1), 100), 1)


def look_at(data: bytes) -> Look:
    """Measure what any eye sees of an image, and hash it; raises ImageError where it cannot be decoded."""
    bgr = load_pixels(data)
    return Look(statistics(Frame.of(bgr)), perceptual_hash(bgr))


def statistics(frame: Frame) -> tuple[float, ...]:
    """Measure the values of `STATISTICS`: means, standard deviations, and the logarithm of the Laplacian's variance."""
    blue, green, red = frame.bgr.mean(axis=(0, 1)).tolist()
    saturation = cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2HSV)[..., 1]
    sharpness = float(np.log1p(cv2.Laplacian(frame.luma, cv2.CV_32F).var()))
    brightness, contrast = float(frame.luma.mean()), float(frame.luma.std())
    return brightness, contrast, sharpness, red, green, blue, float(saturation.mean()), float(saturation.std())


def perceptual_hash(bgr: Pixels) -> bytes:
    """Hash (H, W, 3) uint8 pixels so that pictures that look alike differ in few of `HASH_BITS` bits.

    Sixteen by sixteen low frequencies of a DCT, each above their median or not: ImageHash's `phash`.
    """
    import imagehash
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))
    return bytes(np.packbits(imagehash.phash(image, hash_size=_HASH_SIDE).hash))
