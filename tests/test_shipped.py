"""The detector that ships is the one that its manifest and the README speak of."""

from pathlib import Path

import numpy as np
import pytest

from features.errors import UnknownNameError
from features.profiles import feature_set
from models.bundle import load, resolve, verify
from models.metrics import balanced, roc_auc
from pipelines.dataset import read_dataset
from pipelines.doctor import doctor
from pipelines.score import score

TOLERANCE = 0.002  # of an AUC, for processors that round otherwise


def test_it_is_whole_and_measures_what_this_version_measures() -> None:
    assert verify(resolve("fast")) == []
    assert load(resolve("fast")).feature_set == feature_set("fast")


def test_a_slip_of_its_name_is_put_right() -> None:
    with pytest.raises(UnknownNameError, match="no model 'fats'; did you mean 'fast'"):
        resolve("fats")


def test_its_self_test_passes() -> None:
    assert [finding.detail for finding in doctor() if finding.status == "broken"] == []


@pytest.mark.realdata
def test_its_figures_are_those_of_its_manifest(deepfake_faces: Path) -> None:
    archives = [deepfake_faces, deepfake_faces.with_name("deepfake-faces-more.zip")]
    samples = [sample for sample in read_dataset(list(map(str, archives))) if sample.split == "test"]
    verdicts = list(score([sample.path for sample in samples], faces="off", ordered=True))
    labels = np.array([sample.label for sample in samples])
    probabilities = np.array([verdict.probability for verdict in verdicts], float)
    at = balanced(labels, np.array([verdict.sha256 for verdict in verdicts]))
    claimed = load(resolve("fast")).manifest["metrics"]["test_balanced"]
    assert len(at) == claimed["rows"]
    found = roc_auc(labels[at], probabilities[at], np.ones(len(at)))
    assert found == pytest.approx(claimed["auc"]["value"], abs=TOLERANCE)
    assert found >= 0.86
