"""Opens ONNX models in onnxruntime, on one thread: processes scale, threads do not."""

from typing import Any, Final

import onnxruntime as ort

from features.errors import BundleError

__all__ = ["MAX_BYTES", "open_model"]

MAX_BYTES: Final = 1 << 28
"""The largest model that is opened; it bounds the trees, of which a node takes some 30 bytes."""

_ELSEWHERE: Final = b"location"  # the key under which a tensor names the file that it would be read from


def open_model(data: bytes, name: str, *, optimise: bool = True) -> Any:
    """Open a model on the CPU.

    Parameters
    ----------
    data : bytes
        The model.
    name : str
        Of its file, for the message of an error.
    optimise : bool
        Whether its nodes are fused where that gains something.

    Raises
    ------
    BundleError
        It is no model that runs, is too large, or would read a file beside itself.
    """
    if len(data) > MAX_BYTES:
        raise BundleError(f"{name} is larger than {MAX_BYTES:,} bytes")
    if _ELSEWHERE in data:  # onnxruntime would take it as seen from the current folder
        raise BundleError(f"{name} keeps values in another file, which is not read")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of errors
        raise BundleError(f"{name} does not load: {str(error).splitlines()[0]}") from error
