"""A network as features are measured with it: its ONNX bytes, and the record that says what it learnt from.

Both travel from the folder of a training to a feature store, and from there into a bundle, so that rows which the
network was fitted on can be told from others. Only what comes from a training needs torch, which turns it into ONNX.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from features.device import NEURAL, require
from features.embedding import network_params
from features.errors import BundleError
from features.storage import Place, locate
from models.bundle import MANIFEST, NETWORK_ONNX, inspect
from models.files import local_folder, read_bounded, read_checked, replace_file

__all__ = ["FORMAT", "RECORD", "Weights"]

FORMAT: Final = "fauxface.network/1"
"""The form of the record."""

RECORD: Final = "network.json"
"""The record of a finished network, beside it; a bundle keeps it in its manifest."""

_KEPT: Final = ("format", "architecture", "preprocessing", "training", "validation")  # of a record
_FORM: Final = ("heads", "located")  # of the record of a network that is not a plain one
_MAX_RECORD_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class Weights:
    """A network and where it comes from.

    Attributes
    ----------
    onnx : bytes
        What `network.onnx` holds.
    record : mapping
        JSON values: `format`, `architecture`, `preprocessing`, `training`, `validation`; of a network with several
        heads or a map also `heads` and `located`.
    """

    onnx: bytes
    record: Mapping[str, Any]

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters of the blocks that measure with it."""
        form = {key: self.record[key] for key in _FORM if key in self.record}
        return network_params(self.onnx, self.record["architecture"], **form)

    @property
    def sha256(self) -> str:
        """Of its bytes, in hex."""
        return str(self.params["network"])

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "Weights":
        """Read the network of a bundle, of a feature store, or of a training that is finished.

        Raises
        ------
        BundleError
            There is none, or it is damaged; the message names the file.
        MissingExtraError
            It comes from a training, and torch is not installed.
        """
        root = locate(folder)
        record = _of_bundle(root) if (root / MANIFEST).is_file() else _of_folder(root)
        try:
            files, kept = dict(record["files"]), {key: record[key] for key in _KEPT}
            kept |= {key: record[key] for key in _FORM if key in record}
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{root}: its record of the network is malformed: {error}") from error
        if kept["format"] != FORMAT:
            raise BundleError(f"{root}: its network has the format {kept['format']!r}; this version reads {FORMAT}")
        if NETWORK_ONNX in files:
            return cls(read_checked(root / NETWORK_ONNX, files[NETWORK_ONNX]), kept)
        return cls(_convert(root, files), kept)

    def write(self, folder: Place) -> None:
        """Write `network.onnx` and its record into a folder; raises OutputError where that fails."""
        record = {**self.record, "files": {NETWORK_ONNX: self.sha256}}
        replace_file(folder / NETWORK_ONNX, self.onnx)
        replace_file(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def _of_bundle(root: Place) -> dict[str, Any]:
    manifest = inspect(root)
    if NETWORK_ONNX not in manifest["files"]:
        raise BundleError(f"{root}: a detector that measures without a network")
    return {**manifest.get("network", {}), "files": manifest["files"]}


def _of_folder(root: Place) -> dict[str, Any]:
    path = root / RECORD
    if not path.is_file():
        raise BundleError(f"{root}: holds no finished network: no {RECORD}")
    try:
        return dict(json.loads(read_bounded(path, _MAX_RECORD_BYTES)))
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{path}: not the record of a network: {error}") from error


def _convert(root: Place, files: Mapping[str, str]) -> bytes:
    """Turn what a training wrote into ONNX."""
    require("neural", NEURAL)
    from features.network_onnx import to_onnx
    from models.checkpoint import NETWORK, read_network

    if NETWORK not in files:
        raise BundleError(f"{root / RECORD}: names neither {NETWORK_ONNX} nor {NETWORK}")
    read_checked(root / NETWORK, files[NETWORK])
    return to_onnx(read_network(local_folder(root) / NETWORK))
