"""What the network sees: means and deviations of its maps from shallow to deep, its own verdicts, and where.

The network computes in onnxruntime on the CPU, without torch, and in torch on a GPU; both read the same ONNX file, and
agree within 1e-4. Its sha256 and its preprocessing are parameters of the blocks, so that the features of two networks
never meet in one column.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from features.architecture import PLAIN, PREPROCESSING, located_names, pooled_names, widths_of
from features.decode import Pixels
from features.device import DEVICES, choose_device, require
from features.errors import BundleError, FeatureMismatchError
from features.frame import Frame
from features.spec import FeatureSet, Params, Session, Values, block

__all__ = [
    "embedding_logit",
    "embedding_map",
    "embedding_stages",
    "logits_of",
    "network_of",
    "network_params",
    "open_network",
]

_GPU_BATCH: Final = 32  # fixed, since a GPU's kernels are chosen by the size of the batch
_NONE: Final[dict[str, Any]] = {"network": "", "architecture": "lite0", "preprocessing": PREPROCESSING.to_json()}
_OPTIONAL: Final = ("heads", "located")  # parameters: the heads where there are several; True where it is located
_LOGIT: Final = "embedding.logit"
_OUTPUTS: Final = ("logit", "pooled", "map")  # the last only of located networks

Outputs = Mapping[str, Values]
Infer = Callable[[Pixels], Sequence[Values]]


def network_params(
    data: bytes, architecture: str, heads: Sequence[str] = PLAIN, located: bool = False
) -> dict[str, Any]:
    """Give the parameters of the blocks that measure with a network.

    Parameters
    ----------
    data : bytes
        Of `network.onnx`.
    architecture : str
        Its architecture, which names its values.
    heads : sequence of str
        Its heads, which name its logits where there are several.
    located : bool
        Whether it gives a map.
    """
    several = {"heads": list(heads)} if len(heads) > 1 else {}
    own = {"network": hashlib.sha256(data).hexdigest(), "architecture": architecture, **several}
    return {**_NONE, **own, **({"located": True} if located else {})}


def network_of(features: FeatureSet) -> str | None:
    """Find the sha256 of the network that a feature set measures with; None where it needs none."""
    return next((str(spec.params["network"]) for spec in features.blocks if spec.batched), None)


def logits_of(features: FeatureSet) -> tuple[str, ...]:
    """Name the features that are a network's own scores, one a head; none where it measures without a network."""
    return tuple(name for spec in features.blocks if spec.name == _LOGIT for name in spec.names)


@block(
    "embedding.stages",
    version=1,
    names=lambda params: pooled_names(widths_of(params["architecture"])),
    batched=True,
    optional=_OPTIONAL,
    **_NONE,
)
def embedding_stages(frames: tuple[Frame, ...], params: Params, session: Session) -> Values:
    """Mean and standard deviation over the area of each channel of the last map of every resolution, and of the head.

    Returns
    -------
    (k, d) float32; d is 3,584 of the architecture lite0
    """
    return _outputs(frames, params, session)["pooled"]


@block(
    _LOGIT,
    version=1,
    names=lambda params: params.get("heads", ("value",)),
    batched=True,
    optional=_OPTIONAL,
    **_NONE,
)
def embedding_logit(frames: tuple[Frame, ...], params: Params, session: Session) -> Values:
    """Log odds, before calibration, that each head of the network gives a fake.

    Returns
    -------
    (k, heads) float32
    """
    return _outputs(frames, params, session)["logit"]


@block(
    "embedding.map",
    version=1,
    names=lambda params: located_names(),
    batched=True,
    optional=_OPTIONAL,
    **_NONE,
)
def embedding_map(frames: tuple[Frame, ...], params: Params, session: Session) -> Values:
    """Log odds, before calibration, that a located network gives each cell of the face for being forged.

    Returns
    -------
    (k, 49) float32
    """
    return _outputs(frames, params, session)["map"].reshape(len(frames), -1)


def _outputs(frames: tuple[Frame, ...], params: Params, session: Session) -> Outputs:
    if session.digest != params["network"]:
        raise FeatureMismatchError(f"network {session.digest[:16]} is not {params['network'][:16]}, which is measured")
    return session.run(frames)


def open_network(data: bytes, device: str = "cpu") -> Session:
    """Make a network ready to compute.

    Parameters
    ----------
    data : bytes
        Of `network.onnx`.
    device : str
        `cpu` for onnxruntime, on one thread; `cuda` for torch; `auto` for the GPU where there is one.

    Raises
    ------
    BundleError
        The bytes are no network.
    MissingExtraError
        Another device than `cpu`, and torch is not installed.
    DeviceError, UnknownNameError
        `cuda` without a GPU; another name.
    """
    if device != "cpu":
        require("neural", ("torch",))
    chosen = choose_device(device)
    if chosen is DEVICES["cpu"]:
        return _Session(data, _in_onnxruntime(data), 1)  # fastest one by one, and bit for bit whatever the company
    return _Session(data, _in_torch(data, chosen.name), _GPU_BATCH)


class _Session:
    """A network that computes for several blocks once: it remembers what it gave for the frames before."""

    def __init__(self, data: bytes, infer: Infer, batch: int) -> None:
        self.digest = hashlib.sha256(data).hexdigest()
        self.batch = batch
        self._infer = infer
        self._last: tuple[tuple[Frame, ...], Outputs] = ((), {})

    def run(self, frames: tuple[Frame, ...]) -> Outputs:
        """Give `logit`, (k, heads), `pooled`, (k, d), and of a located network `map`, (k, 7, 7), float32."""
        last = self._last
        if last[0] is not frames:
            last = self._last = frames, self._compute(frames)
        return last[1]

    def _compute(self, frames: tuple[Frame, ...]) -> Outputs:
        pieces = [frames[at : at + self.batch] for at in range(0, len(frames), self.batch)]
        found = [self._infer(np.stack([frame.bgr for frame in piece])) for piece in pieces]
        return {name: np.concatenate(parts) for name, parts in zip(_OUTPUTS, zip(*found, strict=True), strict=False)}


def _in_onnxruntime(data: bytes) -> Infer:
    from features.runtime import open_model

    model = open_model(data, "network.onnx")
    given = [value.name for value in (*model.get_inputs(), *model.get_outputs())]
    if given not in (["pixels", *_OUTPUTS[:2]], ["pixels", *_OUTPUTS]):
        raise BundleError("network.onnx is a model of something else")

    def infer(pixels: Pixels) -> Sequence[Values]:
        try:
            outputs: Sequence[Values] = model.run(given[1:], {"pixels": pixels})
        except Exception as error:  # onnxruntime has no common class of errors
            raise BundleError(f"network.onnx does not run: {str(error).splitlines()[0]}") from error
        return outputs

    return infer


def _in_torch(data: bytes, device: str) -> Infer:
    import torch
    from torch.backends import cudnn

    from features.network import normalise, pool
    from features.network_onnx import from_onnx

    network = from_onnx(data).to(device)

    def infer(pixels: Pixels) -> Sequence[Values]:
        whole = np.zeros((_GPU_BATCH, *pixels.shape[1:]), np.uint8)
        whole[: len(pixels)] = pixels
        with torch.inference_mode(), cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            maps = network.maps(normalise(torch.from_numpy(whole).to(device)))
            found = network.classify(maps[-1]), pool(maps), network.locate(maps[-1])
        return [value[: len(pixels)].cpu().numpy() for value in found if value is not None]

    return infer
