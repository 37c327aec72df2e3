"""Facts of files and pictures, each against what the file was made with."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.errors import EmptyFileError, NotAnImageError
from features.frame import Frame, load_pixels
from pipelines.image_facts import (
    CONTAINER,
    HASH_BITS,
    STATISTICS,
    estimate_quality,
    look_at,
    over_images,
    perceptual_hash,
    read_container,
    statistics,
)
from tests.images import encode, jpeg, photo, png


def facts(data: bytes) -> dict[str, float]:
    return dict(zip(CONTAINER, read_container(data).values, strict=True))


def test_a_jpeg_says_how_it_was_saved() -> None:
    data = jpeg(photo(1, (48, 64)), 60, subsampling="4:2:2", progressive=True, comment=b"mine")
    found = facts(data)
    assert read_container(data).sha256 == hashlib.sha256(data).hexdigest()
    assert found["quality"] == pytest.approx(60, abs=0.5)
    assert (found["width"], found["height"], found["subsampling"], found["progressive"]) == (64, 48, 1, 1)
    assert (found["metadata"], found["bytes_per_pixel"]) == (1, len(data) / (64 * 48))


def test_a_png_has_no_quality() -> None:
    found = facts(png(photo(1, 64)))
    assert all(math.isnan(found[name]) for name in ("quality", "chroma_quality", "subsampling", "progressive"))
    assert (found["format"], found["metadata"], found["width"]) == (1, 0, 64)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 95, 100])
def test_the_quality_is_estimated_from_the_tables(quality: int) -> None:
    found = facts(jpeg(photo(1, 64), quality))
    assert found["quality"] == pytest.approx(quality, abs=5 if quality == 10 else 1)
    assert found["chroma_quality"] == pytest.approx(quality, abs=10 if quality == 10 else 1)


@pytest.mark.parametrize(("total", "quality"), [(3688, 50), (7376, 25), (1844, 75), (0, 100), (10**9, 1)])
def test_a_table_scaled_by_hand(total: int, quality: float) -> None:
    assert estimate_quality(total, 3688) == quality


def test_a_damaged_header_leaves_only_the_format() -> None:
    found = facts(b"\x89PNG\r\n\x1a\nbroken")
    assert found.pop("format") == 1
    assert all(map(math.isnan, found.values()))


@pytest.mark.parametrize(("data", "error"), [(b"text", NotAnImageError), (b"", EmptyFileError)])
def test_what_is_no_image_has_no_facts(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_container(data)


def test_a_format_that_is_not_measured_has_facts_too() -> None:
    found = facts(encode(photo(1, 64), "GIF"))
    assert (found["format"], found["width"]) == (5, 64)


def test_statistics_of_a_plain_colour() -> None:
    plain = np.full((64, 64, 3), (200, 100, 0), np.uint8)
    found = dict(zip(STATISTICS, statistics(Frame.of(plain[..., ::-1])), strict=True))
    assert (found["red"], found["green"], found["blue"]) == (200, 100, 0)
    assert found["brightness"] == pytest.approx(0.299 * 200 + 0.587 * 100, abs=1)
    assert (found["contrast"], found["sharpness"], found["saturation"], found["saturation_spread"]) == (0, 0, 255, 0)


def distance(first: bytes, second: bytes) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def test_a_hash_survives_what_leaves_the_picture_alike() -> None:
    picture = photo(3)
    hashed = perceptual_hash(picture)
    again = load_pixels(jpeg(picture, 50))[..., ::-1]
    half = np.asarray(Image.fromarray(picture).resize((112, 112)))
    assert len(hashed) * 8 == HASH_BITS
    assert max(distance(hashed, perceptual_hash(np.ascontiguousarray(other))) for other in (again, half)) <= 12
    assert distance(hashed, perceptual_hash(photo(4))) > 64


def test_a_look_is_statistics_and_hash() -> None:
    data = jpeg(photo(1, 64))
    pixels = load_pixels(data)
    assert look_at(data) == (statistics(Frame.of(pixels)), perceptual_hash(pixels))


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_file_stops_nothing(tmp_path: Path, workers: int) -> None:
    names = [f"{number}.png" for number in range(70)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(png(photo(number, 32)) if number != 65 else b"text")
    reports: list[int] = []
    paths = [str(tmp_path / name) for name in [*names, "missing.png"]]
    found = over_images(look_at, paths, workers=workers, progress=lambda done, total: reports.append(done))
    assert [at for at, (look, _) in enumerate(found) if look is None] == [65, 70]
    assert [error.partition(":")[0] for _, error in found if error] == ["not_an_image", "unreadable_file"]
    assert reports == list(range(1, 72))


def fail(data: bytes) -> int:
    raise ZeroDivisionError


def test_a_fault_of_ours_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ZeroDivisionError) as caught:
        over_images(fail, [str(tmp_path / "a.png")], workers=1)
    assert "a.png" in caught.value.__notes__[0]
