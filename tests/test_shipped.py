"""The detectors that ship are those that their manifests and the README speak of."""

from pathlib import Path

import numpy as np
import pytest

from features.embedding import network_of
from features.errors import UnknownNameError
from features.profiles import RETIRED, feature_set
from models.bundle import PRETRAINED, load, resolve, verify
from models.metrics import balanced, roc_auc
from models.weights import Weights
from pipelines.batches import sound_images
from pipelines.dataset import read_dataset
from pipelines.doctor import SHIPPED, doctor
from pipelines.score import score

TOLERANCE = 0.002  # of an AUC, for processors that round otherwise
LEAST = {"fast": 0.86, "full": 0.945}
MOST_BYTES = 60_000_000  # of all model files in the repository


def test_all_that_ship_are_known() -> None:
    assert sorted(SHIPPED) == sorted(LEAST) == sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_whole_and_measures_what_this_version_measures(name: str) -> None:
    root = resolve(name)
    assert verify(root) == []
    found = load(root)
    network = Weights.read(root).params if network_of(found.feature_set) else None
    own, expected = found.feature_set.blocks, feature_set(name, network).blocks
    assert [spec for spec in own if spec.name not in RETIRED] == list(expected)
    assert found.novelty is not None


def test_the_network_is_small() -> None:
    assert (resolve("full") / "network.onnx").stat().st_size < 12_000_000
    files = [path for path in PRETRAINED.parent.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_a_slip_of_its_name_is_put_right() -> None:
    with pytest.raises(UnknownNameError, match="no model 'fats'; did you mean 'fast'"):
        resolve("fats")


def test_its_self_test_passes() -> None:
    assert [finding.detail for finding in doctor() if finding.status == "broken"] == []


@pytest.mark.realdata
@pytest.mark.parametrize("name", SHIPPED)
def test_its_figures_are_those_of_its_manifest(name: str, deepfake_faces: Path) -> None:
    archives = [deepfake_faces, deepfake_faces.with_name("deepfake-faces-more.zip")]
    samples = [sample for sample in read_dataset(list(map(str, archives))) if sample.split == "test"]
    sound = sound_images(samples, workers=2)
    digests = np.array([sound.digests[sample.path] for sample in sound.images])
    at = balanced(np.array([sample.label for sample in sound.images]), digests)
    chosen = [sound.images[row] for row in at]
    rows = list(score([sample.path for sample in chosen], model=name, faces="off", ordered=True))
    labels = np.array([sample.label for sample in chosen])
    claimed = load(resolve(name)).manifest["metrics"]["test_balanced"]
    assert len(at) == claimed["rows"]
    found = roc_auc(labels, np.array([row.probability for row in rows], float), np.ones(len(at)))
    assert found == pytest.approx(claimed["auc"]["value"], abs=TOLERANCE)
    assert found >= LEAST[name]
