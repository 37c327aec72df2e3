"""What a file of moving pictures is known by, and what can be said of one that does not open."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from features.decode import sniff
from features.errors import EmptyFileError, ImageError, VideoError
from features.source import read_bytes

__all__ = ["cause", "container", "is_clip", "on_disk"]

_HEAD: Final = 64  # bytes that tell what a file is
_WINDOW: Final = 1 << 22  # bytes at either end of a file in which its tracks are named, most often

_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # what an MP4 or MOV may begin with
_MATROSKA: Final = b"\x1aE\xdf\xa3"

_PICTURES: Final = {
    "MP4": re.compile(rb"hdlr.{8}vide", re.DOTALL),
    "Matroska": re.compile(rb"\x83\x81\x01"),
    "AVI": re.compile(rb"strh.{4}vids", re.DOTALL),
}
_SOUND: Final = {
    "MP4": re.compile(rb"hdlr.{8}soun", re.DOTALL),
    "Matroska": re.compile(rb"\x83\x81\x02"),
    "AVI": re.compile(rb"strh.{4}auds", re.DOTALL),
}


def container(head: bytes) -> str | None:
    """Name what a file is by its first bytes: `MP4` (and MOV), `Matroska` (and WebM), `AVI`; None for anything else."""
    if head.startswith(_MATROSKA):
        return "Matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    return "MP4" if head[4:8] in _BOXES and not _image(head) else None


def is_clip(path: str) -> bool:
    """Tell whether a file, a member of a zip or what lies behind a URL is a clip by its first bytes."""
    try:
        with on_disk(path) as file:
            return container(_read(file, 0, _HEAD)) is not None
    except ImageError:
        return False


@contextmanager
def on_disk(path: str) -> Iterator[str]:
    """Give the path of a plain file that holds what `path` names, for decoders that open files by themselves.

    That of a file is its own, in full, so that nothing in it can be taken for a URL; anything else is copied.

    Raises
    ------
    UnreadableFileError, EmptyFileError, ImageTooLargeError
        It cannot be had, holds nothing, or has to be copied and holds more than 1 GiB.
    """
    if Path(path).is_file() and _is_text(path):
        if not Path(path).stat().st_size:
            raise EmptyFileError("the file is empty")
        yield str(Path(path).absolute())
        return
    data = read_bytes(path)
    if not data:
        raise EmptyFileError("the file is empty")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "clip"
        copy.write_bytes(data)
        del data
        yield str(copy)


def cause(path: str) -> VideoError:
    """Say why a file on disk, named like a clip or a clip by its first bytes, shows no pictures."""
    kind = container(_read(path, 0, _HEAD))
    if kind is None:
        return VideoError("no clip: its first bytes are those of no MP4, MOV, WebM, MKV or AVI")
    size = Path(path).stat().st_size
    ends = _read(path, 0, _WINDOW) + _read(path, max(_WINDOW, size - _WINDOW), _WINDOW)
    if _PICTURES[kind].search(ends):
        return VideoError(f"no frame of this {kind} file decodes: it is damaged, or its codec is not known")
    if _SOUND[kind].search(ends):
        return VideoError(f"this {kind} file holds sound only, no pictures")
    if kind == "MP4" and b"moov" not in ends:
        return VideoError("the index of this MP4 file (its moov box) is missing: it is truncated or was never finished")
    return VideoError(f"this {kind} file names no track of pictures: it is truncated or damaged")


def _image(head: bytes) -> bool:
    try:
        return bool(sniff(head))
    except ImageError:
        return False


def _is_text(path: str) -> bool:
    """Tell a name that OpenCV can be told: one whose bytes are UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: str, start: int, count: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(count)
