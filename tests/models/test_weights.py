"""A network travels from training to store to bundle as the same bytes, with its record, and damage is named."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features import device
from features.errors import BundleError, MissingExtraError
from models.bundle import resolve
from models.checkpoint import NETWORK, write_network
from models.weights import RECORD, Weights
from tests.networks import HEADS, located, onnx_of, record_of, training_folder


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "training"
    folder.mkdir()
    return training_folder(folder)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder to which a network was written."""
    Weights(onnx_of(), record_of()).write(tmp_path / "kept")
    return tmp_path / "kept"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))


def test_a_training_becomes_the_onnx_of_its_network(training: Path) -> None:
    weights = Weights.read(training)
    assert weights.onnx == onnx_of()
    assert weights.record == record_of()  # without what only the training needs
    assert weights.params["network"] == weights.sha256


def test_what_was_written_is_read_without_torch(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    weights = Weights.read(kept)
    assert (weights.onnx, weights.record) == (onnx_of(), record_of())
    weights.write(kept)
    assert sorted(path.name for path in kept.iterdir()) == [RECORD, "network.onnx"]


def test_a_training_needs_torch(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="torch is not installed"):
        Weights.read(training)


def test_a_damaged_file_is_named(kept: Path, training: Path) -> None:
    for path in (kept / "network.onnx", training / NETWORK):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(BundleError, match=rf"{path.name}: damaged"):
            Weights.read(path.parent)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda r: r.pop("files"), "malformed: 'files'"),
        (lambda r: r.pop("training"), "malformed: 'training'"),
        (lambda r: r.update(files=[1]), "malformed"),
        (lambda r: r.update(files={}), "names neither"),
        (lambda r: r.update(format="fauxface.network/2"), "has the format 'fauxface.network/2'; this version reads"),
    ],
)
def test_a_malformed_record_is_refused(kept: Path, change: Callable[[dict[str, Any]], object], cause: str) -> None:
    edit(kept, change)
    with pytest.raises(BundleError, match=cause):
        Weights.read(kept)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_what_is_no_record_is_refused(kept: Path, text: str) -> None:
    (kept / RECORD).write_text(text)
    with pytest.raises(BundleError, match=r"network\.json: not the record of a network"):
        Weights.read(kept)


def test_folders_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no finished network: no network\.json"):
        Weights.read(tmp_path)
    with pytest.raises(BundleError, match="a detector that measures without a network"):
        Weights.read(resolve("fast"))


def test_heads_and_map_are_parameters_of_the_blocks(training: Path, tmp_path: Path) -> None:
    write_network(training / NETWORK, located())
    sha256 = hashlib.sha256((training / NETWORK).read_bytes()).hexdigest()
    edit(training, lambda record: record.update(located().form, files={NETWORK: sha256}))
    weights = Weights.read(training)
    weights.write(tmp_path / "kept")
    kept = Weights.read(tmp_path / "kept")
    assert kept.params == weights.params
    assert (kept.params["heads"], kept.params["located"]) == ([*HEADS], True)
    assert "heads" not in Weights(onnx_of(), record_of()).params
