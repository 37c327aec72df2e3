"""The EXIF orientation is undone in every format, and nothing that EXIF data say can do more than turn the image."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decode import Pixels, decode
from tests.features.samples import RGB, png_chunk, sample
from tests.images import encode

UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored.transpose(1, 0, 2)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored.transpose(1, 0, 2)[::-1],
}
"""What makes a stored image upright, by the meaning of each value in CIPA DC-008."""


def exif(orientation: int, order: str = ">", *, others: int = 2) -> bytes:
    """EXIF data, in TIFF form, whose first directory holds `others` tags and then the orientation."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 7) for i in range(others)]
    entries.append(struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0))
    head = b"MM\0*" if order == ">" else b"II*\0"
    return head + struct.pack(order + "IH", 8, len(entries)) + b"".join(entries) + bytes(4)


def jpeg_with(segment: bytes, marker: int = 0xE1) -> bytes:
    data = sample("jpeg").data
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment + data[2:]


def png_with(chunk: bytes, content: bytes) -> bytes:
    data = sample("png").data
    return data[:33] + png_chunk(chunk, content) + data[33:]


CARRIERS: dict[str, Callable[[bytes], bytes]] = {
    "jpeg": lambda tags: jpeg_with(b"Exif\0\0" + tags),
    "png": lambda tags: png_with(b"eXIf", tags),
    "webp lossless": lambda tags: encode(RGB, "WEBP", lossless=True, exif=tags),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", CARRIERS)
def test_exif_orientation_is_undone(kind: str, orientation: int, order: str) -> None:
    expected = UPRIGHT[orientation](decode(sample(kind).data))
    np.testing.assert_array_equal(decode(CARRIERS[kind](exif(orientation, order))), expected)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_tiff_orientation_is_undone(orientation: int, compression: str) -> None:
    data = encode(RGB, "TIFF", tiffinfo={0x0112: orientation}, compression=compression)
    np.testing.assert_array_equal(decode(data), UPRIGHT[orientation](RGB[..., ::-1]))


def test_the_orientation_of_inks_is_undone() -> None:
    data = sample("jpeg cmyk").data
    tags = b"Exif\0\0" + exif(6)
    turned = data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(tags) + 2) + tags + data[2:]
    np.testing.assert_array_equal(decode(turned), UPRIGHT[6](decode(data)))


def test_exif_counts_even_behind_a_large_colour_profile() -> None:
    data = jpeg_with(b"Exif\0\0" + exif(6))
    profile = struct.pack(">BBH", 0xFF, 0xE2, 65_535) + bytes(65_533)
    expected = UPRIGHT[6](decode(sample("jpeg").data))
    np.testing.assert_array_equal(decode(data[:2] + profile * 3 + data[2:]), expected)


def test_what_only_looks_like_exif_does_not_count() -> None:
    plain = decode(sample("jpeg").data)
    tags = b"Exif\0\0" + exif(6)
    np.testing.assert_array_equal(decode(jpeg_with(tags, marker=0xFE)), plain)  # a comment
    np.testing.assert_array_equal(decode(sample("jpeg").data + tags), plain)
    np.testing.assert_array_equal(decode(png_with(b"iTXt", b"exif\0\0\0\0\0" + tags)), RGB[..., ::-1])


HOSTILE = {
    "empty": b"",
    "no order": b"XX*\0" + exif(6)[4:],
    "value 0": exif(0),
    "value 9": exif(9),
    "value 65535": exif(65_535),
    "directory outside": b"MM\0*\xff\xff\xff\xff",
    "directory in the head": b"MM\0*\0\0\0\0",
    "65535 entries": b"MM\0*\0\0\0\x08\xff\xff" + bytes(range(12)) * 3,
    "a circle": b"MM\0*\0\0\0\x08\0\0\0\0\0\x08",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize("tags", HOSTILE.values(), ids=HOSTILE)
def test_hostile_exif_leaves_the_pixels_as_they_are(kind: str, tags: bytes) -> None:
    np.testing.assert_array_equal(decode(CARRIERS[kind](tags)), decode(sample(kind).data))


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_hostile_tiff_orientation_leaves_the_pixels_as_they_are(orientation: int) -> None:
    np.testing.assert_array_equal(decode(encode(RGB, "TIFF", tiffinfo={0x0112: orientation})), RGB[..., ::-1])


@pytest.mark.parametrize("kind", CARRIERS)
def test_exif_cut_anywhere_turns_the_pixels_or_leaves_them(kind: str) -> None:
    tags, plain = exif(6), decode(sample(kind).data)
    for length in range(len(tags)):
        decoded = decode(CARRIERS[kind](tags[:length]))
        assert np.array_equal(decoded, plain) or np.array_equal(decoded, UPRIGHT[6](plain))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    tags=st.binary(max_size=200),
    head=st.sampled_from([b"", b"II*\0", b"MM\0*", b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0"]),
)
def test_any_exif_gives_one_of_eight_views(tags: bytes, head: bytes) -> None:
    decoded, plain = decode(CARRIERS["jpeg"](head + tags)), decode(sample("jpeg").data)
    assert any(np.array_equal(decoded, view(plain)) for view in UPRIGHT.values())
