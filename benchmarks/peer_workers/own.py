"""Our own rows, in the project's interpreter: the detectors, their network alone, the twin, single blocks."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from features.decode import Pixels
from features.device import keep_memory
from features.frame import Frame
from features.runtime import open_model
from features.spec import BlockSpec
from models.bundle import NETWORK_ONNX, resolve
from pipelines.bench_speed import logit_only
from pipelines.score import load_detector

__all__ = ["make", "quantise"]

Steps = tuple[Callable[[str], Any], Callable[[Any], float | None]]
Infer = Callable[[Pixels], Any]

_QUANTISED: Final = ["Conv", "Add", "Clip"]  # the classifier stays as it is, or logits would come in 256 steps


def make(kind: str, *arguments: str) -> Steps:
    """Make the steps of one of our rows.

    Parameters
    ----------
    kind, *arguments : str
        `detector MODEL` and `twin MODEL`, from the file to the row of the verdict and to the verdict; `torch MODEL`,
        `onnxruntime MODEL` and `int8 MODEL FOLDER`, the network of a detector, to its logit; or `block NAME`.
    """
    made: Steps = _KINDS[kind](*arguments)
    return made


def _detector(model: str) -> Steps:
    detector = load_detector(model, faces="off")

    def judge(path: str) -> float | None:
        ((verdict,),) = detector.score_all([(path, path)])
        json.dumps(verdict.to_json())
        return verdict.probability

    return str, judge


def _twin(model: str) -> Steps:
    from benchmarks.twin import twin

    bundle = load_detector(model, faces="off").bundle
    names, blocks = bundle.feature_set.names, [spec.name for spec in bundle.feature_set.blocks]

    def judge(frame: Frame) -> float:
        values = twin(frame.bgr[..., ::-1], blocks)
        probability = float(bundle.probability(np.array([[values[name] for name in names]], np.float32))[0])
        bundle.decide(probability)
        return probability

    return Frame.load, judge


def _block(name: str) -> Steps:
    spec = BlockSpec.of(name)

    def read(path: str) -> Frame:
        frame = Frame.load(path)
        assert frame.pyramid
        assert frame.chroma
        return frame

    def measure(frame: Frame) -> None:
        spec.compute(frame)

    return read, measure


def _network(infer: Infer) -> Steps:
    return lambda path: Frame.load(path).bgr[None], lambda pixels: float(np.asarray(infer(pixels))[0, 0])


def _torch(model: str) -> Steps:
    keep_memory()
    import torch

    from features.network import normalise
    from features.network_onnx import from_onnx

    torch.set_num_threads(1)
    network = from_onnx((resolve(model) / NETWORK_ONNX).read_bytes())

    def infer(pixels: Pixels) -> Any:
        with torch.inference_mode():
            return network(normalise(torch.from_numpy(pixels)))

    return _network(infer)


def _onnxruntime(model: str) -> Steps:
    return _network(_opened(logit_only((resolve(model) / NETWORK_ONNX).read_bytes())))


def _int8(model: str, folder: str) -> Steps:
    images = sorted(map(str, Path(folder).iterdir()))
    network = logit_only((resolve(model) / NETWORK_ONNX).read_bytes())
    return _network(_opened(quantise(network, (Frame.load(path).bgr[None] for path in images))))


def _opened(network: bytes) -> Infer:
    model = open_model(network, NETWORK_ONNX)
    return lambda pixels: model.run(["logit"], {"pixels": pixels})[0]


def quantise(network: bytes, batches: Iterable[Pixels]) -> bytes:
    """Bring a network to int8, weights by channel and activations by what `batches` make them.

    Weights have seven bits: processors without VNNI add two products in 16 bits, which eight would overflow.

    References
    ----------
    Jacob et al. 2018, DOI 10.1109/CVPR.2018.00286
    """
    from onnxruntime.quantization import quantize_static

    with TemporaryDirectory(prefix="fauxface_", ignore_cleanup_errors=True) as folder:
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(folded)  # its weights are constants, no longer cast from float16
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = 1
        ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        how = {"per_channel": True, "reduce_range": True, "op_types_to_quantize": _QUANTISED}
        quantize_static(str(folded), str(quantised), _Batches(batches), **how)
        return quantised.read_bytes()


class _Batches:
    """Hands out inputs one by one, as the quantiser asks for them."""

    def __init__(self, batches: Iterable[Pixels]) -> None:
        self._rest: Iterator[Pixels] = iter(batches)

    def get_next(self) -> dict[str, Pixels] | None:
        """Give the next input; None after the last."""
        pixels = next(self._rest, None)
        return None if pixels is None else {"pixels": pixels}


_KINDS: Final[dict[str, Callable[..., Steps]]] = {
    "detector": _detector,
    "twin": _twin,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
    "int8": _int8,
    "block": _block,
}
