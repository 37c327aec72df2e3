"""Bad files for tests: damaged, lying, enormous, of strange kinds and of strange names, each by a telling name."""

import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from tests.images import encode, jpeg, photo, png

__all__ = ["archives", "flips", "lies", "make_places", "neighbours", "odd_kinds", "png_head", "truncations"]

_KINDS: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HUGE: Final = 65_000


def neighbours() -> dict[str, bytes]:
    """Make good images, of which nothing beside them may change the verdict."""
    return {f"good{seed}.jpg": jpeg(photo(seed, 128)) for seed in range(4)}


def _good() -> dict[str, bytes]:
    return {ending: encode(photo(7, 96), kind) for kind, ending in _KINDS.items()}


def truncations(step: int = 1) -> dict[str, bytes]:
    """Cut a JPEG, a PNG and a WebP short at every `step` per cent of their length, from 0 to 99."""
    return {
        f"cut{percent:02d}.{ending}": data[: len(data) * percent // 100]
        for ending, data in _good().items()
        for percent in range(0, 100, step)
    }


def flips(count: int) -> dict[str, bytes]:
    """Flip 1 to 16 bits of a JPEG, a PNG and a WebP each `count` times; the same bits every time."""
    chance = random.Random(0)
    made = {}
    for ending, good in _good().items():
        for number in range(count):
            data = bytearray(good)
            for _ in range(chance.randint(1, 16)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            made[f"flip{number:04d}.{ending}"] = bytes(data)
    return made


def lies() -> dict[str, bytes]:
    """Make files that are not what they say: another kind, two kinds at once, far more pixels than bytes."""
    good = _good()
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("inside.jpg", good["jpg"])
    return {
        "empty.jpg": b"",
        "zeros.jpg": bytes(5000),
        "text.png": b"no image at all\n" * 50,
        "script.jpg": b"<script>alert(1)</script>",
        "png_as.jpg": good["png"],
        "jpeg_as.png": good["jpg"],
        "webp_as.tif": good["webp"],
        "jpeg_then_zip.jpg": good["jpg"] + inner.getvalue(),
        "jpeg_then_script.jpg": good["jpg"] + b"<?php echo 1; ?>",
        "png_then_jpeg.png": good["png"] + good["jpg"],
        "signature_only.jpg": b"\xff\xd8\xff",
        "zip_as.jpg": inner.getvalue(),
        "bomb.png": _bomb(20_000),
        "bomb_lies.png": png_head(64, 64) + _chunk(b"IDAT", zlib.compress(bytes(50_000_000))) + _chunk(b"IEND", b""),
        "bomb_text.png": _with_text(good["png"]),
        "huge_head.png": png_head(_HUGE, _HUGE) + _chunk(b"IEND", b""),
        "huge_head.jpg": _resized(good["jpg"]),
        "huge_head.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, _HUGE, _HUGE, 1, 24, 0, 0, 0, 0, 0, 0),
        "huge_head.tif": _tiff(_HUGE, _HUGE, 8, 1, b""),
        "exif_length.jpg": _with_exif(good["jpg"], b"II*\0" + struct.pack("<IH", 0xFFFFFFF0, 0xFFFF)),
        "exif_count.jpg": _with_exif(good["jpg"], b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + b"\xff" * 12),
        "exif_loop.jpg": _with_exif(good["jpg"], b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 2**32 - 1, 8, 8)),
    }


def odd_kinds() -> dict[str, bytes]:
    """Make images that are sound and rare: inks, moving pictures, one pixel, floats, samples of 12 bits."""
    rgb = photo(3, 96)
    frames = [Image.fromarray(photo(seed, 96)) for seed in range(3)]
    ink = encode(Image.fromarray(rgb).convert("CMYK"), "JPEG")
    moving = {kind: encode(frames[0], kind, save_all=True, append_images=frames[1:]) for kind in ("GIF", "WEBP", "PNG")}
    return {
        "cmyk.jpg": ink,
        "progressive.jpg": jpeg(rgb, progressive=True),
        "twelve_bits.jpg": _frame_header(jpeg(rgb), precision=12),
        "arithmetic.jpg": _frame_header(jpeg(rgb), marker=0xC9),
        "lossless.jpg": _frame_header(jpeg(rgb), marker=0xC3),
        "moving.gif": moving["GIF"],
        "moving.webp": moving["WEBP"],
        "moving.png": moving["PNG"],
        "one.png": png(photo(1, 1)),
        "one.jpg": jpeg(photo(1, 1)),
        "line.png": png(photo(1, (1, 4000))),
        "float.tif": encode(Image.fromarray(np.full((64, 64), np.nan, np.float32)), "TIFF"),
        "nan.tif": _tiff(64, 64, 32, 3, np.full(64 * 64, np.nan, "<f4").tobytes()),
        "sixteen.png": encode(Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), "PNG"),
        "palette.png": encode(Image.fromarray(rgb).quantize(), "PNG", transparency=0),
    }


def archives(folder: Path) -> None:
    """Write zips that expand beyond measure, lie about a member, or name members outside themselves."""
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        made.writestr("bomb.jpg", bytes(200_000_000))
        made.writestr("good.jpg", neighbours()["good0.jpg"])
    with zipfile.ZipFile(folder / "paths.zip", "w") as made:
        for name in ("../../escape.jpg", "/etc/absolute.jpg", "a\nb.jpg", "good.jpg"):
            made.writestr(name, neighbours()["good0.jpg"])
    whole = (folder / "paths.zip").read_bytes()
    (folder / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (folder / "lies.zip").write_bytes(whole.replace(struct.pack("<I", len(neighbours()["good0.jpg"])), b"\xff" * 4))
    (folder / "empty.zip").write_bytes(b"PK\5\6" + bytes(18))


def make_places(folder: Path) -> Iterator[str]:
    """Make what is no plain file, and plain files of hostile names, below `folder`; yields what was made."""
    places: Mapping[str, str] = {"loop_a.jpg": "loop_b.jpg", "loop_b.jpg": "loop_a.jpg", "gone.jpg": "nowhere"}
    for name, target in {**places, "zero.jpg": "/dev/zero", "up": ".."}.items():
        (folder / name).symlink_to(target)
        yield name
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "locked.jpg").write_bytes(neighbours()["good0.jpg"])
    (folder / "locked.jpg").chmod(0)
    yield from ("pipe.jpg", "folder.jpg", "locked.jpg")
    for raw in (b"new\nline.jpg", b"not\xffutf8.jpg", b"n" * 251 + b".jpg", b"-rf.jpg", b"@list.jpg", b"[a].jpg"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_bytes(neighbours()["good1.jpg"])
        yield os.fsdecode(raw)


def png_head(width: int, height: int) -> bytes:
    """Write the signature and the header of an RGB PNG of that many pixels."""
    return _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bomb(side: int) -> bytes:
    """Compress black pixels: a gigabyte and more in a megabyte."""
    packer, row = zlib.compressobj(9), bytes(1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side // 20))
    return png_head(side, side) + _chunk(b"IDAT", data + packer.flush()) + _chunk(b"IEND", b"")


def _with_text(data: bytes) -> bytes:
    """Put a compressed text of 100 MB before the pixels of a PNG."""
    at = len(png_head(1, 1))
    return data[:at] + _chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(100_000_000), 9)) + data[at:]


def _frame_header(data: bytes, *, marker: int | None = None, precision: int | None = None) -> bytes:
    """Change the marker or the bits a sample of a baseline JPEG's frame header."""
    made, at = bytearray(data), data.index(b"\xff\xc0")
    made[at + 1] = marker or made[at + 1]
    made[at + 4] = precision or made[at + 4]
    return bytes(made)


def _resized(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", _HUGE, _HUGE) + data[at + 4 :]


def _with_exif(data: bytes, tiff: bytes) -> bytes:
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def _tiff(width: int, height: int, bits: int, sample: int, data: bytes) -> bytes:
    """Write a grey TIFF by hand: `bits` a sample, of format `sample` (1 whole, 3 float)."""
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: 1,
        273: 0,
        277: 1,
        278: height,
        279: len(data),
        339: sample,
    }
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data
