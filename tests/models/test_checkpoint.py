"""Tensors on disk."""

from pathlib import Path

import pytest
import torch

from features.architecture import PREPROCESSING
from features.errors import BundleError
from features.network import Network
from features.network_onnx import to_onnx
from models.checkpoint import (
    BEST,
    CHECKPOINT,
    NETWORK,
    find_network,
    read_network,
    read_tensors,
    write_network,
    write_tensors,
)
from tests.networks import HEADS, located

ROOT = Path(__file__).parents[2]
RECORD = {"architecture": "lite0", "preprocessing": PREPROCESSING.to_json()}


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(3)
    return Network("lite0")


def same(first: Network, second: Network, tolerance: float = 0.0) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.allclose(one, other, rtol=tolerance, atol=1e-7 * (tolerance > 0)) for one, other in pairs)


def test_tensors_and_record_come_back(tmp_path: Path) -> None:
    tensors = {"a.b": torch.arange(6.0).reshape(2, 3).T, "c": torch.tensor(7)}
    record = {"number": 0.1 + 0.2, "list": [1, {"é": None}]}
    write_tensors(tmp_path / "x.safetensors", tensors, record)
    found, read = read_tensors(tmp_path / "x.safetensors")
    assert read == record
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_network_is_kept_with_short_kernels_and_long_biases(network: Network, tmp_path: Path) -> None:
    write_network(tmp_path / NETWORK, network)
    assert (tmp_path / NETWORK).stat().st_size < 10_000_000
    found = read_network(tmp_path)
    assert not found.training
    assert same(found, network, tolerance=2**-11)
    assert all(torch.equal(found.state_dict()[n], w) for n, w in network.state_dict().items() if w.ndim == 1)
    assert {tensor.dtype for tensor in found.state_dict().values()} == {torch.float32}


def test_a_checkpoint_gives_the_best_weights(network: Network, tmp_path: Path) -> None:
    best = {f"{BEST}{name}": tensor + 1 for name, tensor in network.state_dict().items()}
    write_tensors(tmp_path / CHECKPOINT, {"weights.x": torch.zeros(1), **best}, RECORD)
    found = read_network(tmp_path)
    assert all(torch.equal(tensor, best[f"{BEST}{name}"]) for name, tensor in found.state_dict().items())


def test_a_folder_with_a_graph_gives_its_network(network: Network, tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(to_onnx(network))
    assert same(read_network(tmp_path), network, tolerance=2**-11)


@pytest.mark.parametrize("data", [b"", b"text", b"\xff" * 8 + b"{}"])
@pytest.mark.parametrize("name", [NETWORK, "network.onnx"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BundleError, match=name):
        read_network(tmp_path / name)


def test_a_file_cut_short_is_refused(network: Network, tmp_path: Path) -> None:
    write_network(tmp_path / NETWORK, network)
    data = (tmp_path / NETWORK).read_bytes()
    (tmp_path / NETWORK).write_bytes(data[:-100])
    with pytest.raises(BundleError, match="not a file of tensors"):
        read_network(tmp_path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (RECORD, "not the weights"),
        ({**RECORD, "preprocessing": {"size": 240}}, "prepares images otherwise"),
        ({"preprocessing": PREPROCESSING.to_json()}, "not the weights"),
    ],
)
def test_other_tensors_are_refused(tmp_path: Path, record: dict[str, object], message: str) -> None:
    write_tensors(tmp_path / NETWORK, {"x": torch.zeros(1)}, record)
    with pytest.raises(BundleError, match=message):
        read_network(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no weights"):
        read_network(tmp_path)
    for name in ("a.safetensors", "a.onnx"):
        with pytest.raises(BundleError, match=f"{name}: no such file"):
            read_network(tmp_path / name)


def test_training_can_go_on_from_the_network_that_ships() -> None:
    network = read_network(find_network(ROOT / "models" / "pretrained" / "full"))
    assert network.architecture == "lite0"
    assert bool(network.classifier.weight.count_nonzero())


def test_heads_and_locator_come_back(tmp_path: Path) -> None:
    whole = located()
    write_network(tmp_path / NETWORK, whole)
    best = {f"{BEST}{name}": tensor for name, tensor in whole.state_dict().items()}
    write_tensors(tmp_path / CHECKPOINT, best, {**RECORD, **whole.form})
    for name in (NETWORK, CHECKPOINT):
        found = read_network(tmp_path / name)
        assert found.form == {"architecture": "lite0", "heads": [*HEADS], "located": True}
        assert same(found, whole)


def test_a_plain_network_is_recorded_as_before(network: Network, tmp_path: Path) -> None:
    write_network(tmp_path / NETWORK, network)
    assert read_tensors(tmp_path / NETWORK)[1] == RECORD
