"""Models as files: their form, and that they run."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from features.onnx_model import serialize
from features.runtime import open_model


def doubling() -> onnx.GraphProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    return helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", values[:1], values[1:])


def test_a_model_runs_and_is_the_same_every_time() -> None:
    data = serialize(doubling())
    assert data == serialize(doubling())
    (found,) = open_model(data, "doubling.onnx").run(["y"], {"x": np.array([1, 2], np.float32)})
    assert found.tolist() == [2, 4]


def test_a_model_says_what_it_needs_and_what_it_was_given() -> None:
    model = onnx.load_from_string(serialize(doubling(), {"": 17, "ai.onnx.ml": 3}, {"architecture": "lite0"}))
    assert model.ir_version == 8
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert [(prop.key, prop.value) for prop in model.metadata_props] == [("architecture", "lite0")]
