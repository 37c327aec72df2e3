"""What clients send, raw, as a form or as a zip, becomes named images, within limits; all of it stays in memory."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from features.errors import ImageError, UnreadableFileError
from features.source import READ_ERRORS
from pipelines.inputs import SUFFIXES

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Limits", "RefusedError", "Upload", "drain", "images_of", "read_body"]

MIB: Final = 1 << 20

_ZIPS: Final = ("application/zip", "application/x-zip-compressed")
_RAW: Final = ("application/octet-stream", "")
_ZIP_SIGNATURE: Final = b"PK\3\4"
_ENTRY: Final = b"PK\1\2"  # stands before each entry of a zip's directory
_OTHERS: Final = 1000  # entries of a zip that need not be images


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes
    ----------
    max_bytes : int
        Of its body, and of what a zip in it unpacks to.
    max_pixels : int
        That an image announces.
    max_images : int
        In one request.
    timeout : float
        Seconds for its body to arrive, for an image to be taken up, and for it to be judged.
    max_concurrent : int
        Requests that are read or judged at a time; any more are sent away.
    """

    max_bytes: int = 64 * MIB
    max_pixels: int = 100_000_000
    max_images: int = 100
    timeout: float = 30.0
    max_concurrent: int = 64


class RefusedError(Exception):
    """A request that is not done, with the HTTP status and the kind of error to answer."""

    def __init__(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers


class Upload(NamedTuple):
    """An image as it came: its name where it has one, its bytes, and why these cannot be had."""

    name: str | None
    data: bytes
    error: ImageError | None = None


class _Part(NamedTuple):
    """A file of a form."""

    name: str | None
    kind: str
    data: bytes


async def read_body(stream: AsyncIterator[bytes], declared: str | None, limits: Limits) -> bytes:
    """Read a body that is no longer than it may be, by what it declares and by what comes.

    Raises
    ------
    RefusedError
        413 where it is too long, 408 where it does not arrive in time.
    """
    if declared and declared.isdecimal() and int(declared) > limits.max_bytes:
        await drain(stream, limits)
        raise _too_long(limits)
    try:
        async with asyncio.timeout(limits.timeout):
            chunks: list[bytes] = []
            size = 0
            async for chunk in stream:
                size += len(chunk)
                if size > limits.max_bytes:
                    chunks.clear()
                    await drain(stream, limits)
                    raise _too_long(limits)
                chunks.append(chunk)
            return b"".join(chunks)
    except TimeoutError as error:
        raise RefusedError(408, "too_slow", f"the request did not arrive within {limits.timeout:g} seconds") from error


async def drain(stream: AsyncIterator[bytes], limits: Limits) -> None:
    """Let a client that sends somewhat too much finish, so that it reads the answer; give up where it goes on."""
    left = limits.max_bytes
    try:
        async with asyncio.timeout(min(limits.timeout, 5.0)):
            async for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    return
    except TimeoutError:
        return


def _too_long(limits: Limits) -> RefusedError:
    return RefusedError(413, "request_too_large", f"more than the limit of {limits.max_bytes:,} bytes a request")


def images_of(body: bytes, content_type: str, limits: Limits) -> tuple[list[Upload], bool]:
    """Name the images of a request.

    Parameters
    ----------
    body : bytes
        All of it.
    content_type : str
        As its header gives it.
    limits : Limits
        What it may hold.

    Returns
    -------
    list of Upload
        In their order; those of a zip by name. At least one.
    bool
        Whether they were sent as several, so that what is wrong with one stands in its row.

    Raises
    ------
    RefusedError
        415 for what is no image, form or zip; 422 for one that is damaged or empty; 413 for too many images.
    """
    kind, options = _header(content_type)
    if kind == "multipart/form-data":
        parts = _form(body, options.get("boundary", ""))
    elif kind in (*_ZIPS, *_RAW) or kind.startswith("image/"):
        parts = [_Part(None, kind, body)]
    else:
        raise RefusedError(
            415, "unsupported_media_type", f"cannot take {kind}: send image/*, multipart/form-data or application/zip"
        )
    several = len(parts) > 1 or any(_is_zip(part) for part in parts)
    found = [upload for part in parts for upload in _unpacked(part, limits)]
    if len(found) > limits.max_images:
        raise _too_many(limits)
    return found, several


def _header(value: str) -> tuple[str, dict[str, str]]:
    """Split the value of a header, as latin-1, into what it names, in lower case, and its parameters."""
    from python_multipart.multipart import parse_options_header

    first, options = parse_options_header(value)
    return first.decode("latin-1").strip().lower(), {
        name.decode("latin-1"): said.decode("utf-8", "replace") for name, said in options.items()
    }


def _too_many(limits: Limits) -> RefusedError:
    return RefusedError(413, "too_many_images", f"more than the limit of {limits.max_images:,} images a request")


def _is_zip(part: _Part) -> bool:
    named = (part.name or "").lower().endswith(".zip") or part.kind in _ZIPS
    return named or (part.kind in _RAW and part.data.startswith(_ZIP_SIGNATURE))


def _unpacked(part: _Part, limits: Limits) -> Iterator[Upload]:
    if _is_zip(part):
        yield from _members(part, limits)
    else:
        yield Upload(part.name, part.data)


def _members(part: _Part, limits: Limits) -> Iterator[Upload]:
    """Unpack the images of a zip; one that cannot be had carries the reason."""
    if part.data.count(_ENTRY) > limits.max_images + _OTHERS:  # or its directory alone would fill the memory
        raise _too_many(limits)
    try:
        archive = zipfile.ZipFile(io.BytesIO(part.data))
    except READ_ERRORS as error:
        raise RefusedError(422, "corrupt_zip", "the zip is damaged or is none") from error
    entries = sorted(
        (entry for entry in archive.infolist() if entry.filename.lower().endswith(SUFFIXES)),
        key=lambda entry: entry.filename,
    )
    if not entries:
        raise RefusedError(422, "empty_zip", "the zip holds no images")
    if len(entries) > limits.max_images:
        raise _too_many(limits)
    if sum(entry.file_size for entry in entries) > limits.max_bytes:
        raise RefusedError(413, "request_too_large", f"the zip unpacks to more than {limits.max_bytes:,} bytes")
    for entry in entries:
        yield _member(archive, entry)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Upload:
    try:
        return Upload(entry.filename, archive.read(entry))  # never more than it declares
    except READ_ERRORS as error:
        return Upload(entry.filename, b"", UnreadableFileError(str(error).strip("'\"") or type(error).__name__))


def _form(body: bytes, boundary: str) -> Sequence[_Part]:
    """Take the files out of a form (RFC 7578), without writing any of them to a disk."""
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError

    form = _Form()
    try:
        if not boundary:
            raise FormParserError("no boundary")
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise RefusedError(422, "corrupt_form", "the multipart form is damaged") from error
    if not form.ended:
        raise RefusedError(422, "corrupt_form", "the multipart form ends too early")
    if not form.parts:
        raise RefusedError(422, "empty_form", "the form holds no file")
    return form.parts


class _Form:
    """What a parser finds in a form."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False
        self._headers: dict[str, str] = {}
        self._name = self._value = b""
        self._data = io.BytesIO()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers, self._data = {}, io.BytesIO()

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data.write(data[start:end])

    def _end(self) -> None:
        """Keep a part that is a file; any other field of a form says nothing to a server without forms."""
        _, options = _header(self._headers.get("content-disposition", ""))
        if "filename" in options:
            kind, _ = _header(self._headers.get("content-type", ""))
            self.parts.append(_Part(options["filename"] or None, kind, self._data.getvalue()))

    def _finish(self) -> None:
        self.ended = True
