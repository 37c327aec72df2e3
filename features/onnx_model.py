"""Writes ONNX models that every onnxruntime from 1.20 on reads, the same bytes for the same graph."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["serialize"]

_IR_VERSION: Final = 8
_OPSETS: Final = {"": 17}


def serialize(graph: Any, opsets: Mapping[str, int] = _OPSETS, props: Mapping[str, str] | None = None) -> bytes:
    """Make a model of a graph and give the bytes of its file.

    Parameters
    ----------
    graph : onnx.GraphProto
        What it computes.
    opsets : mapping
        The version of each domain of operators.
    props : mapping, optional
        Text that it carries, by key.
    """
    from onnx import helper

    model = helper.make_model(
        graph,
        producer_name="fauxface",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
    )
    if props:
        helper.set_model_props(model, dict(props))
    return bytes(model.SerializeToString(deterministic=True))
