"""The network as an ONNX graph: what torch computes, from the same weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from features.errors import BundleError
from features.network import Network, normalise, pool
from features.network_onnx import from_onnx, to_onnx
from models.bundle import resolve
from tests.images import photo
from tests.networks import HEADS, located, onnx_of, trained

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def network() -> Network:
    return trained()


@pytest.fixture(scope="module")
def model() -> bytes:
    return onnx_of()


def run(model: bytes, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> tuple[torch.Tensor, torch.Tensor]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    logit, pooled = session.run(["logit", "pooled"], {"pixels": pixels})
    return torch.from_numpy(logit), torch.from_numpy(pooled)


def test_it_computes_what_torch_computes(network: Network, model: bytes) -> None:
    pixels = np.stack([photo(seed) for seed in range(3)])
    with torch.inference_mode():
        maps = network.maps(normalise(torch.from_numpy(pixels)))
        expected = network.classify(maps[-1]), pool(maps)
    for found, wanted in zip(run(model, pixels), expected, strict=True):
        assert found.shape == wanted.shape
        assert found.std() > 0.01
        assert torch.allclose(found, wanted, rtol=0, atol=1e-4)


def test_a_row_does_not_depend_on_its_batch(model: bytes) -> None:
    pixels = np.stack([photo(seed) for seed in range(5)])
    for together, alone in zip(run(model, pixels), run(model, pixels[3:4]), strict=True):
        assert torch.allclose(together[3:4], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["lite0", "lite1", "lite2"])
def test_it_is_small_enough_to_ship(architecture: str) -> None:
    assert len(to_onnx(Network(architecture))) < 10_000_000


def test_the_network_comes_back_from_the_graph(network: Network, model: bytes) -> None:
    found = from_onnx(model)
    assert found.architecture == "lite0"
    assert not found.training
    for name, weight in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], weight), name


def test_the_same_network_gives_the_same_bytes(network: Network, model: bytes) -> None:
    assert to_onnx(network) == model


def test_heads_and_map_are_those_of_torch() -> None:
    model, pixels = to_onnx(located()), np.stack([photo(seed) for seed in range(3)])
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == ["logit", "pooled", "map"]
    assert session.get_modelmeta().custom_metadata_map["heads"] == json.dumps(HEADS)
    with torch.inference_mode():
        maps = located().maps(normalise(torch.from_numpy(pixels)))
        expected = located().classify(maps[-1]), pool(maps), located().locate(maps[-1])
    for found, wanted in zip(session.run(None, {"pixels": pixels}), expected, strict=True):
        assert wanted is not None
        assert found.shape == wanted.shape
        assert found.std() > 0.01
        np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-4)


def test_heads_and_map_come_back_from_the_graph() -> None:
    found = from_onnx(to_onnx(located()))
    assert found.form == located().form == {"architecture": "lite0", "heads": [*HEADS], "located": True}
    for name, weight in located().state_dict().items():
        assert torch.equal(found.state_dict()[name], weight), name


@pytest.mark.parametrize(
    ("folder", "more"),
    [(ROOT / "checkpoints/found", {}), (resolve("full"), {"heads": [*HEADS], "located": True})],
    ids=["one logit", "ships"],
)
def test_the_graphs_at_hand_are_what_is_written_today(folder: Path, more: dict[str, Any]) -> None:
    data = (folder / "network.onnx").read_bytes()
    network = from_onnx(data)
    assert network.form == {"architecture": "lite0", **more}
    assert to_onnx(network) == data


@pytest.mark.parametrize("data", [b"", b"text", bytes(1000)])
def test_what_is_no_network_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="not the model of a network"):
        from_onnx(data)


def test_half_a_model_is_refused(model: bytes) -> None:
    with pytest.raises(BundleError, match="not the model of a network"):
        from_onnx(model[: len(model) // 2])
