"""The network that ships is what the conversion makes of the one that MediaPipe publishes."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from benchmarks import convert_faces
from features import faces

FOLDER = Path(faces.__file__).parent / "weights"
ORIGINAL = FOLDER / "face_detection_short_range.tflite"


def test_converting_again_gives_the_file_that_ships(tmp_path: Path) -> None:
    convert_faces.main([str(ORIGINAL), "-o", str(tmp_path / "blazeface.onnx")])
    assert (tmp_path / "blazeface.onnx").read_bytes() == (FOLDER / "blazeface.onnx").read_bytes()


def test_the_model_is_valid_and_its_weights_are_the_original_s() -> None:
    model = onnx.load(FOLDER / "blazeface.onnx")
    onnx.checker.check_model(model, full_check=True)
    network = cv2.dnn.readNetFromTFLite(np.frombuffer(ORIGINAL.read_bytes(), np.uint8))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kernels = [name.removesuffix(".w") for name in weights if name.endswith(".w")]
    assert len(kernels) == 1 + 2 * 16 + 4
    for name in kernels:
        kernel, bias = network.getLayer(network.getLayerId(name)).blobs
        for part, values in (("w", kernel), ("b", bias[:, 0])):
            found = weights[f"{name}.{part}"]
            inside = tuple(slice(length) for length in values.shape)
            np.testing.assert_array_equal(found[inside], values)
            assert np.count_nonzero(found) == np.count_nonzero(values)
            assert "or" in name or len(found) % 16 == 0  # classificator and regressor are results


def test_the_model_takes_any_size() -> None:
    session = ort.InferenceSession(str(FOLDER / "blazeface.onnx"), providers=["CPUExecutionProvider"])
    for height, width in ((16, 16), (128, 128), (48, 512)):
        fine, _, coarse, points = session.run(None, {"image": np.zeros((1, 3, height, width), np.float32)})
        assert fine.shape == (1, 2, height // 8, width // 8)
        assert coarse.shape == (1, 6, height // 16, width // 16)
        assert points.shape == (1, 96, height // 16, width // 16)


def test_the_readme_names_every_file_and_its_sha256() -> None:
    readme = (FOLDER / "README.md").read_text()
    rows = {cells[1].strip(" `"): cells[3].strip(" `") for cells in (line.split("|") for line in readme.splitlines()
            if line.startswith("| `"))}  # fmt: skip
    assert rows == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in networks()}
    assert faces.WEIGHTS.items() <= rows.items()


def networks() -> list[Path]:
    return [path for path in FOLDER.iterdir() if path.suffix in (".onnx", ".tflite")]
