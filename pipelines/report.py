"""Verdicts as one HTML file: totals, and a row each with a small picture, to sort, filter and search.

The head of the page counts the rows and the rows are sorted, so both wait for the last verdict. Until then each row, as
HTML with its picture, lies in a temporary file beside the report; memory holds its place in that file and what it is
sorted by. Rows are sorted here and not only in the browser, so that the file is the same, to the last byte, in whatever
order verdicts came, and reads the same on paper or without scripts.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import simplejpeg

from features.decode import Pixels
from features.errors import ImageError, OutputError, UnreadableFileError, reason_of
from features.frame import load_pixels
from features.source import read_bytes
from models.verdict import ModelRef, Verdict
from pipelines.inputs import STDIN
from pipelines.page import plain
from pipelines.report_page import KINDS, Terms, bottom, row, top
from pipelines.video_report import picture_of, timeline
from pipelines.video_verdict import VideoVerdict

__all__ = ["THUMBNAIL", "Terms", "reported", "thumbnail"]

THUMBNAIL: Final = 96
"""The longer side of a small picture, in pixels."""

_QUALITY: Final = 75  # of its JPEG

Reasons = Callable[[Verdict], Sequence[str]]
"""Gives sentences that say why a verdict is what it is."""


def reported(
    verdicts: Iterable[Verdict], path: str | os.PathLike[str], terms: Terms, *, reasons: Reasons | None = None
) -> Iterator[Verdict]:
    """Pass verdicts on, and when the last has gone through write the page of all of them.

    Parameters
    ----------
    verdicts : iterable of Verdict
        In any order; the page is the same.
    path : path
        The HTML file. It appears whole, once all verdicts were taken, or not at all.
    terms : Terms
        What they mean.
    reasons : callable, optional
        What else the page says of why, a list to each verdict.

    Raises
    ------
    OutputError
        At the first verdict where the folder is missing or not to be written to; later where the disk is full.
    """
    target = Path(path)
    with contextlib.ExitStack() as stack:
        with _failing(target):
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "this is a folder")
            file = stack.enter_context(tempfile.TemporaryFile(dir=target.parent, buffering=0))
        spool = _Spool(target, file, terms)
        for verdict in verdicts:
            spool.add(verdict, reasons(verdict) if reasons else ())
            yield verdict
        spool.finish()


@contextlib.contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason_of(error)}") from error


def thumbnail(bgr: Pixels, face: tuple[int, int, int, int] | None = None) -> bytes:
    """Make a small JPEG of a picture, or of a face in it; nothing is enlarged.

    Parameters
    ----------
    bgr : (H, W, 3) uint8 array
        The whole picture.
    face : (x, y, w, h), optional
        The part to show, in pixels.
    """
    if face:
        x, y, width, height = face
        bgr = bgr[y : y + height, x : x + width]
    scale = min(1.0, THUMBNAIL / max(bgr.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in bgr.shape[:2])
    small = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return bytes(
        simplejpeg.encode_jpeg(np.ascontiguousarray(small), _QUALITY, colorspace="BGR", colorsubsampling="420")
    )


class _Place(NamedTuple):
    """Where the HTML of a row lies in the temporary file, after what it is sorted by."""

    rank: int
    doubt: float
    path: str
    face: tuple[int, ...]
    at: int
    size: int


class _Spool:
    """Rows on their way into a report."""

    def __init__(self, path: Path, file: FileIO, terms: Terms) -> None:
        self._path = path
        self._file = file
        self._terms = terms
        self._clips: set[str] = set()
        self._places: list[_Place] = []
        self._counts: Counter[str] = Counter()
        self._model: ModelRef | None = None
        self._pictures = _Pictures()

    def add(self, verdict: Verdict, reasons: Sequence[str]) -> None:
        """Take a row in."""
        kind, chance = verdict.verdict or "failed", verdict.probability
        html = row(verdict, kind, reasons, self._pictures.show(verdict), self._more(verdict)).encode()
        rank = list(KINDS).index(kind) if chance is None else 0
        path, face = plain(verdict.path or ""), verdict.face or ()
        self._places.append(_Place(rank, -(chance or 0.0), path, face, self._file.tell(), len(html)))
        with _failing(self._path):
            if self._file.write(html) != len(html):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._counts[kind] += 1
        self._model = verdict.model

    def _more(self, verdict: Verdict) -> str:
        if not isinstance(verdict, VideoVerdict):
            return ""
        self._clips.add(plain(verdict.path or ""))
        return timeline(verdict, self._terms.shown)

    def finish(self) -> None:
        """Write the page."""
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        images = len({place.path for place in self._places} - self._clips)
        try:
            with _failing(self._path):
                with fresh.open("wb") as page:
                    page.write(top(self._counts, images, self._model, self._terms, clips=len(self._clips)).encode())
                    for place in sorted(self._places):
                        self._file.seek(place.at)
                        page.write(self._file.read(place.size))
                    page.write(bottom().encode())
                fresh.replace(self._path)
        finally:
            fresh.unlink(missing_ok=True)


class _Pictures:
    """Small pictures of what was judged; an image is read once for all its faces, which come together."""

    def __init__(self) -> None:
        self._last: tuple[str | None, str | None] | None = None
        self._held: Pixels | str = ""

    def show(self, verdict: Verdict) -> bytes | str:
        """Give the JPEG for a row, or say why there is none."""
        if verdict.error:
            return "no picture"
        if isinstance(verdict, VideoVerdict):
            return picture_of(verdict) or "no picture"
        if (asked := (verdict.path, verdict.sha256)) != self._last:
            self._last, self._held = asked, _pixels(verdict)
        return self._held if isinstance(self._held, str) else thumbnail(self._held, verdict.face)


def _pixels(verdict: Verdict) -> Pixels | str:
    """Read an image again, as it was judged; else why it is not to be had."""
    if verdict.path is None or verdict.path == STDIN:
        return "no picture: it came on standard input and was not kept"
    try:
        data = read_bytes(verdict.path)
        if hashlib.sha256(data).hexdigest() != verdict.sha256:
            raise UnreadableFileError("the file has changed since it was judged")
        return load_pixels(data)
    except ImageError as error:
        return f"no picture: {error}"
