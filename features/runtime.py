"""Opens ONNX models in onnxruntime, on one thread: processes scale, threads do not."""

from typing import Any

import onnxruntime as ort

from features.errors import BundleError

__all__ = ["open_model"]


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
        It is no model that runs.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of errors
        raise BundleError(f"{name} does not load: {str(error).splitlines()[0]}") from error
