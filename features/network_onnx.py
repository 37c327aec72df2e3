"""The network as an ONNX graph, written node by node: what scoring runs in onnxruntime, without torch.

    pixels  (n, 224, 224, 3) uint8, BGR, as Frame.bgr holds them
    logit   (n, heads) float32
    pooled  (n, d) float32, what features.network.pool gives, named by features.architecture.pooled_names
    map     (n, 7, 7) float32, of located networks: the log odds, cell by cell, that it was forged

Kernels are stored in float16 and computed with in float32. Their names are those of torch's state, so that the network
can be read back from the graph.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from features.architecture import LOCATOR_SIDE, MAPS, POOLED, PREPROCESSING, pooled_names
from features.errors import BundleError
from features.network import Conv, Network
from features.onnx_model import serialize

__all__ = ["from_onnx", "to_onnx"]

_FORM: Final = ("architecture", "heads", "located")  # the keys of the metadata; the first is text, the others JSON


def to_onnx(network: Network) -> bytes:
    """Write a network as an ONNX model with the input and the outputs above; its batch may be any size."""
    content = _Graph(network)
    outputs = content.build()
    size = PREPROCESSING.size
    graph = helper.make_graph(
        content.nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in outputs.items()],
        content.constants,
    )
    form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in network.form.items()}
    return serialize(graph, props=form)


def from_onnx(data: bytes) -> Network:
    """Read the network back that `to_onnx` wrote, in float32, in evaluation mode.

    Raises
    ------
    BundleError
        The bytes are no such model.
    """
    try:
        model = onnx.load_from_string(data)
        props = {prop.key: prop.value for prop in model.metadata_props if prop.key in _FORM}
        more = {key: json.loads(value) for key, value in props.items() if key != _FORM[0]}
        network = Network.of({**props, **more}).eval()
        known = network.state_dict()
        found = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer if value.name in known}
        network.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in found.items()})
    except Exception as error:  # protobuf, onnx and torch have no common class of errors
        raise BundleError(f"not the model of a network: {str(error).splitlines()[0]}") from error
    return network


class _Graph:
    """Nodes and constants of a network, in the order in which they were added."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = {module: name for name, module in network.named_modules()}

    def build(self) -> dict[str, tuple[int, ...]]:
        """Add the whole network; returns its outputs and the shape of each for one image."""
        self._constant("low", np.float32(0))
        self._constant("high", np.float32(6))
        x = self._conv(self._prepare(), self.network.stem)
        maps = {}
        for name, stage in zip(MAPS, self.network.stages, strict=False):
            for block in stage.children():
                x = self._block(x, block)
            maps[name] = x
        maps[MAPS[-1]] = self._conv(x, self.network.head)
        means = {name: self._add("GlobalAveragePool", [maps[name]], f"{name}.mean") for name in POOLED}
        moments = [part for name, mean in means.items() for part in (mean, self._deviation(maps[name], mean, name))]
        flat = [self._add("Flatten", [moment], f"{moment}.flat") for moment in moments]
        weight, bias = self._parameters("classifier", self.network.classifier)
        logit = self._add("Gemm", [f"{MAPS[-1]}.mean.flat", weight, bias], "logit", transB=1)
        pooled = self._add("Concat", flat, "pooled", axis=1)
        widths = len(self.network.heads), len(pooled_names(self.network.widths))
        return {logit: widths[:1], pooled: widths[1:], **self._located(maps[MAPS[-1]])}

    def _located(self, x: str) -> dict[str, tuple[int, ...]]:
        if self.network.locator is None:
            return {}
        self._constant("axes", np.array([1], np.int64))
        cells = self._conv(x, self.network.locator)
        return {self._add("Squeeze", [cells, "axes"], "map"): (LOCATOR_SIDE, LOCATOR_SIDE)}

    def _prepare(self) -> str:
        self._constant("order", np.array([2, 1, 0], np.int64))
        self._constant("mean", np.float32(PREPROCESSING.mean))
        self._constant("std", np.float32(PREPROCESSING.std))
        planes = self._add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
        rgb = self._add("Gather", [planes, "order"], "rgb", axis=1)
        levels = self._add("Cast", [rgb], "levels", to=TensorProto.FLOAT)
        return self._add("Div", [self._add("Sub", [levels, "mean"], "centred"), "std"], "normalised")

    def _block(self, x: str, block: Any) -> str:
        wide = self._conv(x, block.expand) if isinstance(block.expand, Conv) else x
        y = self._conv(self._conv(wide, block.depthwise), block.project)
        return self._add("Add", [x, y], f"{self._names[block]}.sum") if block.residual else y

    def _conv(self, x: str, conv: Conv) -> str:
        name = self._names[conv]
        options = {"kernel_shape": conv.kernel_size, "strides": conv.stride, "group": conv.groups}
        y = self._add("Conv", [x, *self._parameters(name, conv)], f"{name}.out", auto_pad="SAME_UPPER", **options)
        return self._add("Clip", [y, "low", "high"], f"{name}.clipped") if conv.activated else y

    def _deviation(self, x: str, mean: str, name: str) -> str:
        apart = self._add("Sub", [x, mean], f"{name}.apart")
        variance = self._add("GlobalAveragePool", [self._add("Mul", [apart, apart], f"{name}.square")], f"{name}.var")
        return self._add("Sqrt", [variance], f"{name}.std")

    def _parameters(self, name: str, module: Conv | torch.nn.Linear) -> tuple[str, str]:
        """Add kernel and bias; returns the names under which they are used."""
        kernel, bias = (value.detach().float().numpy() for value in module.parameters())
        self._constant(f"{name}.weight", kernel.astype(np.float16))
        self._constant(f"{name}.bias", bias)
        return self._add("Cast", [f"{name}.weight"], f"{name}.kernel", to=TensorProto.FLOAT), f"{name}.bias"

    def _constant(self, name: str, value: npt.NDArray[Any] | np.generic) -> None:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))

    def _add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output
