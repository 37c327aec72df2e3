"""The networks that are timed for comparison: those that were published, by their weights and their shapes."""

import pytest
import torch
from torch import Tensor, nn

from pipelines.bench_networks import ARCHITECTURES, build, fold
from pipelines.bench_references import REFERENCES

PARAMETERS = {"ResNet-50": 25_557_032, "Xception": 22_855_952, "EfficientNet-B4": 19_341_616}
MAPS = {"ResNet-50": (2048, 7, 7), "Xception": (2048, 10, 10), "EfficientNet-B4": (1792, 12, 12)}
"""The shapes of the last maps, as published for the usual inputs."""


def test_every_reference_has_its_network() -> None:
    assert list(ARCHITECTURES) == list(REFERENCES) == list(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_with_a_thousand_classes_they_have_the_published_parameters(name: str) -> None:
    with torch.device("meta"):  # shapes without values
        network = ARCHITECTURES[name](1000)
    assert sum(weight.numel() for weight in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_maps_and_logits_have_the_published_shapes(name: str) -> None:
    size = REFERENCES[name].size
    with torch.device("meta"):
        network, pixels = ARCHITECTURES[name](1000), torch.empty(2, 3, size, size)
        assert tuple(network[:-3](pixels).shape) == (2, *MAPS[name])
        assert tuple(network(pixels).shape) == (2, 1000)


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_is_timed_gives_one_ordinary_logit_an_image(name: str) -> None:
    torch.manual_seed(0)
    network = build(name)
    kinds = {type(part) for part in network.modules()}
    assert nn.Conv2d in kinds
    assert nn.BatchNorm2d not in kinds
    assert not network.training
    kernels = [weight for weight in network.parameters() if weight.ndim == 4]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    found: list[Tensor] = []
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda part, given, value: found.append(value.abs().max()))
    with torch.inference_mode():
        logits = network(torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last))
    assert logits.shape == (2, 1)
    assert torch.isfinite(logits).all()
    assert logits[0] != logits[1]
    largest = torch.stack(found)
    assert largest.min() > 1e-6  # far from numbers that processors are slow with
    assert largest.max() < 1e6


def test_folding_changes_no_result() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 2, 1))
    )
    for value in network[1].state_dict().values():
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5, 2)
    network.eval()
    pixels = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        expected = network(pixels)
        fold(network)
        assert isinstance(network[1], nn.Identity)
        torch.testing.assert_close(network(pixels), expected)
