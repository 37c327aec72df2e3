"""A bundle is untrusted: what was made to harm is refused by name, before anything of it runs."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from features import runtime
from features.errors import BundleError, FauxfaceError
from features.runtime import open_model
from models.bundle import MANIFEST, load, verify
from models.novelty import Novelty
from models.trees import Trees
from tests.models.test_bundle import edit

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle that may be tampered with."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "copy"))


def vouch(folder: Path, name: str, data: bytes) -> None:
    """Put a file into a bundle, and have its manifest vouch for it, as whoever means harm would."""
    (folder / name).write_bytes(data)
    edit(folder, lambda manifest: manifest["files"].update({name: hashlib.sha256(data).hexdigest()}))


def tampered(folder: Path, change: Change) -> bytes:
    """Change the attributes of the trees of a bundle."""
    model = onnx.load(folder / "booster.onnx")
    change({attribute.name: attribute for attribute in model.graph.node[0].attribute})
    return bytes(model.SerializeToString())


def adds(tensor: TensorProto, output: str = "distance") -> bytes:
    """Make a model of one node that adds a tensor to its rows."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", output)]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], [output])], "g", rows[:1], rows[1:], [tensor])
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(made.SerializeToString())


@pytest.mark.parametrize("optimise", [True, False])
def test_values_in_another_file_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimise: bool) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.arange(400, dtype=np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[400], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "1600")):
        tensor.external_data.add(key=key, value=value)
    with pytest.raises(BundleError, match=r"booster\.onnx keeps values in another file"):
        open_model(adds(tensor), "booster.onnx", optimise=optimise)


def test_the_size_of_a_model_is_bounded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "MAX_BYTES", 100)
    with pytest.raises(BundleError, match=r"booster\.onnx is larger than 100 bytes"):
        load(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda trees: trees["nodes_featureids"].ints.__setitem__(0, 10**6),
        lambda trees: trees["nodes_featureids"].ints.__setitem__(0, -1),
        lambda trees: trees["nodes_truenodeids"].ints.__setitem__(0, 0),
        lambda trees: trees["nodes_truenodeids"].ints.__setitem__(1, 10**6),
        lambda trees: trees["target_ids"].ints.__setitem__(0, 10**6),
        lambda trees: setattr(trees["n_targets"], "i", 3),
        lambda trees: trees["nodes_values"].floats.pop(),
    ],
)
def test_trees_that_lead_astray_are_refused_when_loaded(copy: Path, change: Change) -> None:
    vouch(copy, "booster.onnx", tampered(copy, change))
    with pytest.raises(BundleError, match=r"booster\.onnx"):
        load(copy)


def test_a_width_that_is_no_number_is_refused(copy: Path) -> None:
    model = onnx.load(copy / "booster.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "wide"
    with pytest.raises(BundleError, match="a model of something else"):
        Trees(bytes(model.SerializeToString()))


def test_a_distance_of_many_values_is_refused() -> None:
    tensor = numpy_helper.from_array(np.ones((1, 4), np.float32), "w")
    with pytest.raises(BundleError, match="a model of something else"):
        Novelty(adds(tensor), 1.0)


@pytest.mark.parametrize("name", [MANIFEST, "booster.onnx", "booster.txt"])
def test_a_pipe_or_device_in_a_bundle_is_not_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(BundleError, match="not a regular file"):
        load(copy)
    (copy / name).unlink()
    (copy / name).symlink_to("/dev/zero")
    assert any("not a regular file" in problem for problem in verify(copy))


@pytest.mark.parametrize("version", [True, 1.0, "1", None, [2], 3, 10**30])
def test_a_version_that_is_none_is_named(copy: Path, version: object) -> None:
    edit(copy, lambda manifest: manifest.update(format_version=version))
    with pytest.raises(BundleError, match=r"format_version .* is not known"):
        load(copy)


def test_the_number_of_files_is_bounded(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["files"].update({f"f{number}": "0" for number in range(20)}))
    with pytest.raises(BundleError, match="no table of files, or one of more than 16"):
        load(copy)


def test_no_value_of_the_manifest_brings_the_loader_down(copy: Path) -> None:
    whole = json.loads((copy / MANIFEST).read_text())
    survived = 0
    for key in whole:
        values: list[object] = [None, [], {}, "", -1, 1e308, [None], {"a": {}}, "x" * 1000]
        for value in values:
            (copy / MANIFEST).write_text(json.dumps({**whole, key: value}))
            try:
                load(copy)
            except FauxfaceError:
                survived += 1
    assert survived > 20
