"""What one detector gets wrong alone is counted, by what the images are like."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import errors
from pipelines.dataset import read_dataset
from tests.benchmarks.conftest import Run
from tests.images import corpus


def test_errors_are_counted_by_class_and_by_fifths() -> None:
    labels = np.array([0] * 5 + [1] * 5)
    own = np.array([0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.2, 0.1])
    other = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.2, 0.2, 0.9])
    found = errors.measure(labels, own, other, {"side": np.arange(10.0)})
    assert found["real"] == {"images": 5, "own": 0.2, "other": 0.0, "own_alone": 0.2}
    assert found["fake"] == {"images": 5, "own": 0.4, "other": 0.4, "own_alone": 0.2}
    assert [fifth["most"] for fifth in found["by"]["side"]] == [1, 3, 5, 7, 9]
    assert [fifth["own_alone"] for fifth in found["by"]["side"]] == [0.5, 0, 0, 0, 0.5]


def test_the_same_detector_twice_errs_alone_nowhere(run: Run, tmp_path: Path, small_detector: Path) -> None:
    data = corpus(tmp_path / "data", 40, size=64)
    model = ("--model", small_detector, "--beside", small_detector)
    figures = run(errors.main, data, *model, "--sheets", tmp_path / "sheets")["figures"]
    validation = [sample for sample in read_dataset([str(data)]) if sample.split == "validation"]
    fewest = min(sum(sample.label == label for sample in validation) for label in (0, 1))
    assert figures["real"]["images"] == figures["fake"]["images"] == fewest > 0
    assert figures["real"]["own_alone"] == figures["fake"]["own_alone"] == 0
    assert figures["real"]["own"] == pytest.approx(figures["real"]["other"])
    assert set(figures["by"]) == {"brightness", "contrast", "sharpness", "saturation"}
    for name in ("real", "fake"):
        assert cv2.imread(str(tmp_path / "sheets" / f"{name}.png")) is not None
