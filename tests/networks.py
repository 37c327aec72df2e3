"""A network for tests: ImageNet's trunk under a classifier made by chance, and the folder a training would leave."""

import copy
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from features.architecture import PREPROCESSING
from features.imagenet import transfer
from features.network import Network
from features.network_onnx import to_onnx
from models.checkpoint import NETWORK, write_network
from models.weights import FORMAT, RECORD

__all__ = ["HEADS", "located", "onnx_of", "record_of", "trained", "training_folder"]

HEADS = ("found", "forged")
"""The heads of the located network."""


@cache
def trained(seed: int = 0) -> Network:
    """Make the network, its kernels rounded as files hold them; do not change it."""
    network = transfer("lite0")
    torch.manual_seed(seed)
    torch.nn.init.normal_(network.classifier.weight, std=0.05)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.half())
    return network


@cache
def located() -> Network:
    """Make a network of two heads that locates, of the same trunk; do not change it."""
    network = copy.deepcopy(trained())
    network.renew(HEADS, located=True)
    assert network.locator is not None
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in (network.classifier.weight, network.locator.weight):
            weight.copy_(torch.nn.init.normal_(weight.clone(), std=0.05).half())
    return network


@cache
def onnx_of(seed: int = 0) -> bytes:
    """Write the network as `network.onnx` holds it."""
    return to_onnx(trained(seed))


def record_of(percent: int = 20) -> dict[str, Any]:
    """Make the record of a training that held back some groups."""
    return {
        "format": FORMAT,
        "architecture": "lite0",
        "preprocessing": PREPROCESSING.to_json(),
        "training": {"groups": {"train": 60}, "held_back": {"percent": percent, "groups": 15, "rows": 30}},
        "validation": {"auc": 0.9},
    }


def training_folder(folder: Path, seed: int = 0, percent: int = 20) -> Path:
    """Write what `train-network` leaves behind."""
    write_network(folder / NETWORK, trained(seed))
    sha256 = hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
    (folder / RECORD).write_text(json.dumps({**record_of(percent), "files": {NETWORK: sha256}, "history": []}))
    return folder
