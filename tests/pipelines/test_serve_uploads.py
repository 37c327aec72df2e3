"""What clients send, taken apart: forms, zips and raw bytes, at the edges of the limits."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("python_multipart")

from pipelines.serve_uploads import Limits, RefusedError, Upload, images_of, read_body
from tests.serving import form

LIMITS = Limits(max_bytes=100, max_images=2, timeout=0.2)


async def sent(*chunks: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


def read(*chunks: bytes, declared: str | None = None, pause: float = 0.0) -> bytes:
    return asyncio.run(read_body(sent(*chunks, pause=pause), declared, LIMITS))


def test_a_body_may_be_as_long_as_the_limit() -> None:
    assert read(b"a" * 60, b"b" * 40, declared="100") == b"a" * 60 + b"b" * 40
    assert read() == b""


@pytest.mark.parametrize(("chunks", "declared"), [((b"a" * 60, b"b" * 41), None), ((b"a" * 101,), "101"), ((), "999")])
def test_one_byte_more_is_too_long(chunks: tuple[bytes, ...], declared: str | None) -> None:
    with pytest.raises(RefusedError) as refused:
        read(*chunks, declared=declared)
    assert (refused.value.status, refused.value.kind) == (413, "request_too_large")


def test_a_body_that_trickles_is_given_up() -> None:
    with pytest.raises(RefusedError) as refused:
        read(b"a", b"b", b"c", b"d", pause=0.09)
    assert refused.value.status == 408


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG; q=1", "application/octet-stream", ""])
def test_raw_bytes_are_one_image_without_a_name(kind: str) -> None:
    assert images_of(b"abc", kind, LIMITS) == ([Upload(None, b"abc")], False)


def test_a_form_keeps_every_byte() -> None:
    data = bytes(range(256)) + b"\r\n--mark-of-the-part\r\n\r\n"
    body, kind = form([("a.jpg", data), ("", b"")])
    assert images_of(body, kind, LIMITS) == ([Upload("a.jpg", data), Upload(None, b"")], True)


@pytest.mark.parametrize(
    ("name", "seen"),
    [("h\u00e9 \u732b.jpg", "h\u00e9 \u732b.jpg"), ("a;b=c.jpg", "a;b=c.jpg"), ("C:\\fake\\a.jpg", "a.jpg")],
)
def test_names_arrive(name: str, seen: str) -> None:
    (upload,), several = images_of(*form([(name, b"x")]), LIMITS)
    assert upload.name is not None
    assert upload.name.endswith(seen)
    assert not several


def test_fields_that_are_no_files_are_passed_over() -> None:
    body, kind = form([("a.jpg", b"x")])
    field = b'--mark-of-the-parts\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    assert images_of(field + body, kind, LIMITS) == ([Upload("a.jpg", b"x")], False)


def packed(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["application/zip", "application/x-zip-compressed", "application/octet-stream"])
def test_a_zip_is_taken_apart(kind: str) -> None:
    body = packed(("b.jpg", b"2"), ("a/a.PNG", b"1"), ("c.txt", b"3"))
    assert images_of(body, kind, LIMITS) == ([Upload("a/a.PNG", b"1"), Upload("b.jpg", b"2")], True)


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("a.jpg", b"x" * 100)], None),
        ([("a.jpg", b"x" * 60), ("b.jpg", b"x" * 41)], 413),
        ([("a.jpg", b""), ("b.jpg", b""), ("c.jpg", b"")], 413),
        ([(f"{number}.txt", b"") for number in range(1100)], 413),
    ],
)
def test_what_a_zip_may_hold(files: list[tuple[str, bytes]], status: int | None) -> None:
    try:
        images_of(packed(*files), "application/zip", LIMITS)
        found = None
    except RefusedError as error:
        found = error.status
    assert found == status


def test_images_of_several_parts_are_counted_together() -> None:
    with pytest.raises(RefusedError, match="more than the limit of 2 images"):
        images_of(*form([("a.jpg", b"x"), ("b.zip", packed(("a.jpg", b""), ("b.jpg", b"")))]), LIMITS)
