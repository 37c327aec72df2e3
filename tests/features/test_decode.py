"""Every kind of image gives its pixels, upright; every damaged, huge, tiny or foreign one gives its named error."""

import contextlib
import io
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from features.decode import MAX_PIXELS, MIN_SIDE, Pixels, check_size, decode, on_white, sniff
from features.errors import (
    CorruptImageError,
    EmptyFileError,
    ImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    UnsupportedImageError,
)
from tests.features.samples import EXACT, KINDS, LOSSY, RGB, on_white_slowly, png_chunk, sample
from tests.images import encode, jpeg, photo, png


def rgb_of(data: bytes) -> Pixels:
    pixels = decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    return pixels[..., ::-1]


# Every kind


@pytest.mark.parametrize("kind", sorted(EXACT))
def test_exact_kinds_give_their_very_pixels(kind: str) -> None:
    np.testing.assert_array_equal(rgb_of(sample(kind).data), sample(kind).rgb)


@pytest.mark.parametrize("kind", sorted(LOSSY))
def test_lossy_kinds_give_nearly_their_pixels(kind: str) -> None:
    decoded, expected = rgb_of(sample(kind).data).astype(int), sample(kind).rgb.astype(int)
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).mean() < 8
    assert np.abs((decoded - expected).mean(axis=(0, 1))).max() < 3  # no channel is swapped or inverted


@pytest.mark.parametrize("kind", [kind for kind in sorted(LOSSY) if kind.startswith("jpeg")])
def test_jpeg_agrees_with_another_decoder(kind: str) -> None:
    other = np.asarray(Image.open(io.BytesIO(sample(kind).data)).convert("RGB")).astype(int)
    assert np.abs(rgb_of(sample(kind).data) - other).max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_twice_gives_the_same_bits(kind: str) -> None:
    np.testing.assert_array_equal(decode(sample(kind).data), decode(sample(kind).data))


def test_inks_without_adobe_mark_are_read_as_adobe_stores_them() -> None:
    data = sample("jpeg cmyk").data
    at = data.index(b"\xff\xee")
    unmarked = data[:at] + data[at + 16 :]
    np.testing.assert_array_equal(decode(unmarked), decode(data))


def test_compositing_agrees_with_floating_point() -> None:
    colour, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    rgba = np.dstack([colour, colour[::-1], colour, alpha])
    np.testing.assert_array_equal(on_white(rgba)[..., ::-1], on_white_slowly(rgba))


@pytest.mark.parametrize(
    "array", [RGB.astype(np.float32), RGB[..., 0].astype(np.float32), RGB[..., 0].astype(np.int32)]
)
def test_samples_of_32_bits_are_refused(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    import cv2

    with pytest.raises(UnsupportedImageError):
        decode(cv2.imencode(".tiff", array)[1].tobytes())


@pytest.mark.parametrize("kind", ["GIF", "AVIF", "JPEG2000"])
def test_other_formats_are_named(kind: str) -> None:
    name = kind.replace("JPEG2000", "JPEG 2000")
    with pytest.raises(UnsupportedImageError, match=f"^{name} is not supported"):
        decode(encode(RGB, kind))


def test_signatures_name_their_format() -> None:
    assert sniff(b"\0\0\0\x18ftypheix") == "HEIC"
    assert sniff(b"\0\0\0\x18ftypavis") == "AVIF"
    assert {sniff(sample(kind).data) for kind in KINDS} == {"JPEG", "PNG", "WEBP", "BMP", "TIFF"}


# Damage


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_never_gives_other_pixels(kind: str) -> None:
    data, whole = sample(kind).data, decode(sample(kind).data)
    lengths = {*range(64), *range(64, len(data), max(1, len(data) // 100)), *range(len(data) - 40, len(data))}
    for length in sorted(lengths - {len(data)}):
        with contextlib.suppress(ImageError):
            np.testing.assert_array_equal(decode(data[:length]), whole, err_msg=f"{kind} cut to {length} bytes")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("jpeg", "png", "webp", "bmp"))])
def test_a_truncated_file_is_refused(kind: str) -> None:
    data = sample(kind).data
    for length in range(12, len(data), max(1, len(data) // 50)):
        with pytest.raises(ImageError):
            decode(data[:length])


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.97])
@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\x55"])
@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg with restarts", "png", "png palette"])
def test_a_file_filled_up_is_refused(kind: str, filling: bytes, share: float) -> None:
    """Downloads that broke off leave files of full length whose end is filling."""
    data = sample(kind).data
    kept = data[: int(len(data) * share)]
    for end in (b"", data[-2:]):
        with pytest.raises(CorruptImageError):
            decode(kept + filling * (len(data) - len(kept) - len(end)) + end)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.97])
@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg grey"])
def test_a_cut_jpeg_with_an_end_marker_is_refused(kind: str, share: float) -> None:
    data = sample(kind).data
    with pytest.raises(CorruptImageError):
        decode(data[: int(len(data) * share)] + b"\xff\xd9")


FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1, max_size=6)


def flipped(data: bytes, flips: list[tuple[int, int]]) -> bytes:
    damaged = bytearray(data)
    for position, bit in flips:
        damaged[position % len(damaged)] ^= 1 << bit
    return bytes(damaged)


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_gives_an_image_or_an_image_error(kind: str) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(flips=FLIPS, header=st.booleans())
    def check(flips: list[tuple[int, int]], header: bool) -> None:
        near = [(position % 200, bit) for position, bit in flips] if header else flips
        with contextlib.suppress(ImageError):
            pixels = decode(flipped(sample(kind).data, near))
            assert pixels.dtype == np.uint8
            assert pixels.shape[2:] == (3,)
            assert min(pixels.shape[:2]) >= MIN_SIDE

    check()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("png")])
def test_no_flipped_bit_of_a_png_changes_its_pixels(kind: str) -> None:
    data, whole = sample(kind).data, decode(sample(kind).data)
    for position in {*range(60), *range(60, len(data), 7), *range(len(data) - 300, len(data))}:
        with contextlib.suppress(ImageError):
            damaged = decode(flipped(data, [(position, position % 8)]))
            np.testing.assert_array_equal(damaged, whole, err_msg=f"bit {position % 8} of byte {position}")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tail=st.binary(max_size=300), kind=st.sampled_from(KINDS), kept=st.integers(2, 40))
def test_noise_behind_a_signature_is_an_image_error(tail: bytes, kind: str, kept: int) -> None:
    with pytest.raises(ImageError):
        decode(sample(kind).data[:kept] + tail)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "tiff"])
def test_messages_are_plain_and_repeatable(kind: str) -> None:
    for length in range(12, 200, 3):
        messages = []
        for _ in range(2):
            with pytest.raises(ImageError) as caught:
                decode(sample(kind).data[:length])
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert "object at 0x" not in messages[0]
        assert "requires a buffer" not in messages[0]


def test_no_warning_escapes_and_no_filter_changes() -> None:
    before = list(warnings.filters)
    for kind in KINDS:
        decode(sample(kind).data)
    assert list(warnings.filters) == before


# Size


def png_header(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(99))) + png_chunk(b"IEND", b"")


def jpeg_header(width: int, height: int) -> bytes:
    data = sample("jpeg").data
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def bmp_header(width: int, height: int) -> bytes:
    data = sample("bmp").data
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def tiff_header(width: int, height: int) -> bytes:
    data = bytearray(sample("tiff").data)
    directory = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<HHI", data, directory + 2, 0x0100, 4, 1)
    struct.pack_into("<I", data, directory + 10, width)
    struct.pack_into("<HHI", data, directory + 14, 0x0101, 4, 1)
    struct.pack_into("<I", data, directory + 22, height)
    return bytes(data)


def webp_header(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<I", 14) + b"\x2f" + struct.pack("<I", bits) + bytes(9)
    return b"RIFF" + struct.pack("<I", len(body)) + body


HEADERS: dict[str, tuple[Callable[[int, int], bytes], int]] = {
    "png": (png_header, 60_000),
    "png of two billion": (png_header, 2**31 - 1),
    "jpeg": (jpeg_header, 65_500),
    "bmp": (bmp_header, 60_000),
    "tiff": (tiff_header, 60_000),
    "webp": (webp_header, 16_383),
}


@pytest.mark.parametrize(("make", "side"), HEADERS.values(), ids=HEADERS)
def test_too_many_pixels_are_refused_by_the_header(
    make: Callable[[int, int], bytes], side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(simplejpeg, "decode_jpeg", decoded)
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    with pytest.raises(ImageTooLargeError):
        decode(make(side, side))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_the_shortest_side_is_32(kind: str) -> None:
    assert decode(encode(photo(0, (MIN_SIDE, MIN_SIDE)), kind)).shape == (32, 32, 3)
    for size in ((31, 64), (64, 31), (1, 1)):
        with pytest.raises(ImageTooSmallError, match=f"^{size[1]}x{size[0]} pixels"):
            decode(encode(photo(0, size), kind))


def test_the_limit_is_100_megapixels() -> None:
    assert MAX_PIXELS == 100_000_000
    check_size(10_000, 10_000)
    check_size(32, 3_125_000)
    for size in ((10_000, 10_001), (32, 3_125_001)):
        with pytest.raises(ImageTooLargeError):
            check_size(*size)


def test_100_megapixels_are_decoded_in_reasonable_memory_and_time() -> None:
    code = (
        "import io, time\n"
        "from PIL import Image\n"
        "from features.frame import Frame\n"
        "from pipelines.bench_worker import peak_memory\n"
        "stream = io.BytesIO(); Image.new('1', (10_000, 10_000), 1).save(stream, 'PNG')\n"
        "start = time.process_time()\n"
        "assert (Frame.load(stream.getvalue()).bgr == 255).all()\n"
        "print(time.process_time() - start, peak_memory() / 2**20)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    seconds, mebibytes = map(float, printed.split())
    assert seconds < 20
    assert mebibytes < 1_500


# What is no image, or more than one thing


def test_no_bytes_is_an_empty_file() -> None:
    with pytest.raises(EmptyFileError):
        decode(b"")


@pytest.mark.parametrize(
    "data", [b"\0", b"<html><body>404</body></html>", b"%PDF-1.7", b"PK\3\4", b"\xff\xd8", b"8BPS" * 9]
)
def test_what_begins_like_no_image_is_none(data: bytes) -> None:
    with pytest.raises(NotAnImageError):
        decode(data)


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp"])
def test_an_image_with_something_behind_it_is_still_that_image(kind: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("page.html", "<script>")
    for tail in (stream.getvalue(), b"<?php ?>", png(photo(5, 40)), jpeg(photo(6, 40))):
        np.testing.assert_array_equal(decode(sample(kind).data + tail), decode(sample(kind).data))
