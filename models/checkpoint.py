"""Tensors on disk: a network that is finished, and the state of a training that is not.

Both are safetensors files, which hold numbers and text only and cannot run code. They are written to a temporary name
and renamed, so that what is found under the name is whole.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
from safetensors.torch import save
from torch import Tensor

from features.architecture import PREPROCESSING
from features.errors import BundleError, reason_of
from features.network import Network
from features.network_onnx import from_onnx
from models.files import replace_file

__all__ = [
    "BEST",
    "CHECKPOINT",
    "NETWORK",
    "WEIGHTS",
    "find_network",
    "read_network",
    "read_tensors",
    "write_network",
    "write_tensors",
]

NETWORK: Final = "network.safetensors"
"""A finished network, in the folder that `train-network` wrote."""

CHECKPOINT: Final = "checkpoint.safetensors"
"""The state of a training, in the same folder."""

WEIGHTS: Final = (NETWORK, "network.onnx", CHECKPOINT)
"""The files that a network can be read from, those that are finished first."""

BEST: Final = "best."
"""What the names of the best weights so far begin with in a checkpoint."""

_RECORD = "fauxface"  # the key under which a file carries its JSON


def write_tensors(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors by name with a JSON record beside them; raises OutputError where that fails."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    replace_file(path, save(flat, {_RECORD: json.dumps(record, allow_nan=False)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote: tensors and record.

    Raises
    ------
    BundleError
        Absent, damaged, or not written by `write_tensors`; the message names the file.
    """
    try:
        with safetensors.safe_open(path, "pt") as opened:
            record = json.loads((opened.metadata() or {})[_RECORD])
            return {name: opened.get_tensor(name) for name in sorted(opened.keys())}, dict(record)
    except OSError as error:
        raise BundleError(f"{path}: {reason_of(error)}") from error
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{path}: not a file of tensors that fauxface wrote: {error}") from error


def write_network(path: Path, network: Network) -> None:
    """Write a network for use: kernels in float16, biases, some of which are large, in float32.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    tensors = {name: _shortened(tensor) for name, tensor in network.state_dict().items()}
    write_tensors(path, tensors, {**network.form, "preprocessing": PREPROCESSING.to_json()})


def _shortened(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.ndim > 1 else tensor


def read_network(path: str | os.PathLike[str]) -> Network:
    """Read a network in float32, in evaluation mode.

    Parameters
    ----------
    path : path
        A file that `write_network` or `to_onnx` made, a checkpoint, of which the best weights so far are taken, or the
        folder of one, such as a bundle.

    Raises
    ------
    BundleError
        No such file, or one that holds something else.
    """
    file = find_network(path)
    if file.suffix == ".onnx":
        return _read_onnx(file)
    tensors, record = read_tensors(file)
    best = {name.removeprefix(BEST): tensor for name, tensor in tensors.items() if name.startswith(BEST)}
    if record.get("preprocessing") != PREPROCESSING.to_json():
        raise BundleError(f"{file}: its network prepares images otherwise than this version does")
    try:
        network = Network.of(record).eval()
        network.load_state_dict(best or tensors)
    except (KeyError, RuntimeError) as error:
        raise BundleError(f"{file}: not the weights of a network: {str(error).splitlines()[0]}") from error
    return network


def _read_onnx(file: Path) -> Network:
    try:
        return from_onnx(file.read_bytes())
    except OSError as error:
        raise BundleError(f"{file}: {reason_of(error)}") from error
    except BundleError as error:
        raise BundleError(f"{file}: {error}") from error


def find_network(path: str | os.PathLike[str]) -> Path:
    """Find the file of weights that a path means: itself, or the first of WEIGHTS in the folder that it is.

    Raises
    ------
    BundleError
        A folder without any.
    """
    folder = Path(path)
    if not folder.is_dir():
        return folder
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        raise BundleError(f"{folder}: holds no weights of a network: none of {', '.join(WEIGHTS)}")
    return found[0]
