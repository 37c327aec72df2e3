"""A bad file costs one row, which says why; the batch goes on, and the files beside it keep their verdicts."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import pytest

from benchmarks import reliability_images
from features.decode import decode
from features.errors import DatasetError, ImageError, UnreadableFileError
from features.source import read_bytes
from pipelines.dataset import read_dataset
from pipelines.inputs import expand
from tests import hostile


@pytest.mark.parametrize(
    "make",
    [hostile.truncations, lambda: hostile.flips(60), hostile.lies, hostile.odd_kinds],
    ids=["truncations", "flips", "lies", "odd kinds"],
)
def test_every_bad_image_is_decoded_or_named(make: Callable[[], Mapping[str, bytes]]) -> None:
    for name, data in make().items():
        began = monotonic()
        fate = outcome(data)
        assert fate == "decoded" or len(fate) > 10, name
        assert monotonic() - began < 10, name


def test_nothing_cut_short_passes_for_an_image() -> None:
    passed = [name for name, data in hostile.truncations().items() if outcome(data) == "decoded"]
    assert passed == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("huge_head.png", "image_too_large"),
        ("huge_head.jpg", "image_too_large"),
        ("huge_head.bmp", "image_too_large"),
        ("huge_head.tif", "image_too_large"),
        ("bomb.png", "image_too_large"),
        ("empty.jpg", "empty_file"),
        ("zeros.jpg", "not_an_image"),
        ("zip_as.jpg", "not_an_image"),
    ],
)
def test_lies_are_named(name: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(hostile.lies()[name])
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("one.png", "image_too_small"),
        ("line.png", "image_too_small"),
        ("moving.gif", "unsupported_image"),
        ("nan.tif", "unsupported_image"),
        ("twelve_bits.jpg", "unsupported_image"),
    ],
)
def test_rare_kinds_are_named(name: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(hostile.odd_kinds()[name])
    assert caught.value.code == code


@pytest.mark.parametrize("check", ["images lie", "images are of rare kinds", "zips lie"])
def test_whole_commands_go_on(check: str) -> None:
    run, _ = reliability_images.CHECKS[check]
    sound(run(1))


def test_strange_files_and_names_cost_a_row_each() -> None:
    sound(reliability_images.bad_places(1))


def test_a_zip_of_a_version_to_come_is_a_row_and_no_end_of_the_batch(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as made:
        made.writestr("a.jpg", b"bytes")
    data = (tmp_path / "some.zip").read_bytes()
    at = data.index(b"PK\1\2") + 6
    (tmp_path / "some.zip").write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(DatasetError, match="zip file version"):
        read_dataset([str(tmp_path / "some.zip")])
    (address,) = map(str, expand([str(tmp_path / "some.zip")]))
    with pytest.raises(UnreadableFileError, match="zip file version"):
        read_bytes(address)


def test_a_member_without_a_name_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as made:
        made.writestr("a", b"bytes")
    data = (tmp_path / "some.zip").read_bytes()
    at = data.index(b"PK\1\2")
    nameless = data[: at + 28] + b"\0\0" + data[at + 30 : at + 46]
    end = data[data.index(b"PK\5\6") :]
    size = (len(nameless) - at).to_bytes(4, "little")
    (tmp_path / "some.zip").write_bytes(nameless + end[:12] + size + end[16:])
    with pytest.raises(UnreadableFileError):
        read_bytes(f"{tmp_path / 'some.zip'}!/")


def outcome(data: bytes) -> str:
    """Say `decoded`, or why not."""
    try:
        decode(data)
    except ImageError as error:
        return str(error)
    return "decoded"


def sound(record: Mapping[str, int]) -> None:
    assert record["tried"] > 10
    for outcome in ("lost", "neighbours changed", "commands failed"):
        assert record.get(outcome, 0) == 0, record
    assert record["a reason"] > 0
    assert record["most MB"] < 1500
