"""Writes the network that finds faces as ONNX, from the tflite file in which MediaPipe publishes it.

The weights stay as they are. Channels are filled up with zeros to multiples of 16, which fit the processor's registers;
the input may have any size whose sides are multiples of 16.

BlazeFace, short range (Bazarevsky et al. 2019, arXiv:1907.05047): a convolution, then sixteen blocks of a depthwise and
a pointwise convolution around which the input is added, halved and with empty channels where the block does so. Two
maps of anchors, at strides 8 and 16, each give confidences and boxes with keypoints.

    python -m benchmarks.convert_faces features/weights/face_detection_short_range.tflite -o blazeface.onnx
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from benchmarks.record import make_parser

__all__ = ["convert", "main"]

Weights = npt.NDArray[np.float32]

_STRIDES: Final = (1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""The stride of each block's depthwise convolution."""

_MAPS: Final = {8: 11, 16: 16}
"""The stride of each map of anchors, and after how many blocks it is read."""

_HEADS: Final = ("classificator", "regressor")
_LANES: Final = 16
_OPSET, _IR = 17, 9


def convert(tflite: bytes) -> bytes:
    """Write the network as ONNX: `image`, (1, 3, h, w) float32, to confidences and points at strides 8 and 16."""
    graph = _Graph(tflite)
    levels = [graph.activate(graph.convolve("image", "conv2d", "s0", stride=2), "a0")]
    for index, stride in enumerate(_STRIDES):
        levels.append(graph.block(levels[-1], index, stride))
    outputs = [
        graph.convolve(levels[blocks], f"{head}_{stride}", f"{head}_{stride}_out", fill=False)
        for stride, blocks in _MAPS.items()
        for head in _HEADS
    ]
    return graph.serialize("image", outputs)


class _Graph:
    """An ONNX graph in the making, its convolutions named as in the tflite file."""

    def __init__(self, tflite: bytes) -> None:
        network = cv2.dnn.readNetFromTFLite(np.frombuffer(tflite, np.uint8))
        self._layers = {name: network.getLayer(network.getLayerId(name)) for name in network.getLayerNames()}
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._width = {"image": 3}  # channels of each value

    def block(self, x: str, index: int, stride: int) -> str:
        """Append a block; returns the name of its output."""
        suffix = f"_{index}" if index else ""
        inner = self.convolve(x, f"depthwise_conv2d{suffix}", f"d{index}", stride=stride)
        inner = self.convolve(inner, f"conv2d_{index + 1}", f"p{index}")
        if stride == 2:
            x = self._append("MaxPool", [x], f"m{index}", self._width[x], kernel_shape=[2, 2], strides=[2, 2])
        if missing := self._width[inner] - self._width[x]:
            ends = self._constant(f"pad{index}", np.array([0, 0, 0, 0, 0, missing, 0, 0], np.int64))
            x = self._append("Pad", [x, ends], f"k{index}", self._width[inner])
        return self.activate(self._append("Add", [inner, x], f"q{index}", self._width[inner]), f"a{index + 1}")

    def activate(self, x: str, output: str) -> str:
        """Append a ReLU."""
        return self._append("Relu", [x], output, self._width[x])

    def convolve(self, x: str, name: str, output: str, *, stride: int = 1, fill: bool = True) -> str:
        """Append the convolution `name` with "same" padding, its channels filled up unless they are a result."""
        weights, bias = self._layers[name].blobs
        depthwise, kernel = name.startswith("depthwise"), weights.shape[2]
        channels = -(-len(weights) // _LANES) * _LANES if fill else len(weights)
        weights = _filled(weights, channels, 1 if depthwise else self._width[x])
        before, after = (kernel - stride) // 2, (kernel - 1) // 2  # of an even side
        return self._append(
            "Conv",
            [x, self._constant(f"{name}.w", weights), self._constant(f"{name}.b", _filled(bias[:, 0], channels))],
            output,
            channels,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=channels if depthwise else 1,
        )

    def serialize(self, source: str, outputs: Sequence[str]) -> bytes:
        """Give the finished model as the bytes of its file."""
        taken = helper.make_tensor_value_info(source, TensorProto.FLOAT, [1, 3, "h", "w"])
        shapes = {name: [1, self._width[name], None, None] for name in outputs}
        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        graph = helper.make_graph(self._nodes, "blaze", [taken], given, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        return bytes(model.SerializeToString())

    def _append(self, kind: str, inputs: Sequence[str], output: str, width: int, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        self._width[output] = width
        return output

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _filled(weights: npt.NDArray[Any], *lengths: int) -> Weights:
    """Fill the first axes up to these lengths with zeros."""
    missing = [(0, length - have) for length, have in zip(lengths, weights.shape, strict=False)]
    missing += [(0, 0)] * (weights.ndim - len(missing))
    return np.pad(weights, missing).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the file that the command line names."""
    parser = make_parser(__doc__)
    parser.add_argument("network", type=Path, metavar="TFLITE", help="the network as MediaPipe publishes it")
    options = parser.parse_args(arguments)
    options.output.write_bytes(convert(options.network.read_bytes()))


if __name__ == "__main__":
    main()
