"""What the doctor finds: a sound installation is sound, and everything broken is named with its cure."""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from models import bundle
from pipelines import doctor as module
from pipelines.doctor import TOLERANCE, Finding, doctor, note_self_test, specimen
from pipelines.score import load_detector


@pytest.fixture
def shipped(tmp_path: Path, small_detector: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of shipped detectors with a small `fast`, in the place of the real one."""
    shutil.copytree(small_detector, tmp_path / "fast")
    monkeypatch.setattr(bundle, "PRETRAINED", tmp_path)
    monkeypatch.setattr("pipelines.doctor.SHIPPED", ("fast",))
    load_detector.cache_clear()
    yield tmp_path
    load_detector.cache_clear()


def findings() -> dict[str, Finding]:
    return {finding.check.strip(): finding for finding in doctor()}


def test_a_sound_installation_has_nothing_broken(shipped: Path) -> None:
    probability = note_self_test("fast")
    found = findings()
    assert [finding for finding in found.values() if finding.status == "broken"] == []
    manifest = (shipped / "fast" / "manifest.json").read_bytes()
    assert found["detector fast"].detail == f"digest {hashlib.sha256(manifest).hexdigest()}"
    onnx = (shipped / "fast" / "booster.onnx").read_bytes()
    assert found["booster.onnx"].detail == f"sha256 {hashlib.sha256(onnx).hexdigest()}"
    assert found["self-test fast"].detail == f"probability {probability:.6f}, expected {probability:.6f}"


@pytest.mark.parametrize(("moved", "status"), [(TOLERANCE / 2, "ok"), (TOLERANCE * 2, "broken")])
def test_a_probability_that_moved_is_noticed(shipped: Path, moved: float, status: str) -> None:
    note_self_test("fast")
    noted = json.loads((shipped / "self_test.json").read_text())
    noted["fast"]["probability"] += moved
    (shipped / "self_test.json").write_text(json.dumps(noted))
    assert findings()["self-test fast"].status == status


def test_a_note_for_another_detector_does_not_count(shipped: Path) -> None:
    assert findings()["self-test fast"].status == "broken"
    (shipped / "self_test.json").write_text(json.dumps({"fast": {"digest": "0" * 64, "probability": 0.5}}))
    assert findings()["self-test fast"].status == "broken"


def test_a_damaged_detector_is_broken_and_not_tested(shipped: Path) -> None:
    (shipped / "fast" / "booster.onnx").write_bytes(b"x")
    found = findings()
    assert found["detector fast"].status == "broken"
    assert "booster.onnx" in found["detector fast"].detail
    assert "self-test fast" not in found


def test_a_missing_detector_is_broken(shipped: Path) -> None:
    shutil.rmtree(shipped / "fast")
    assert findings()["detector fast"].status == "broken"


def test_a_library_that_does_not_load_is_broken_with_its_cure(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
        if name == "joblib":
            raise ImportError("half installed")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    found = findings()
    assert found["lightgbm"].status == found["joblib"].status == "broken"
    assert "apt-get install libgomp1" in found["lightgbm"].detail
    assert found["joblib"].detail == "does not load: half installed"
    assert found["numpy"].status == "ok"


def test_an_extra_that_is_absent_is_no_fault(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else real(name))
    expected = Finding("extra demo", "absent", "no skimage; pip install 'fauxface[demo]'")
    assert findings()["extra demo"] == expected


def test_extras_and_libraries_are_those_of_the_project() -> None:
    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert all(f'"{package}>=' in project for package in module._LIBRARIES)
    assert all(f"\n{name} = [" in project for name in module._EXTRAS)


def test_the_picture_of_the_self_test_never_changes() -> None:
    picture = specimen()
    assert (picture.shape, str(picture.dtype)) == ((224, 224, 3), "uint8")
    assert (
        hashlib.sha256(picture.tobytes()).hexdigest()
        == "51308cde0626c556e5461ee6014cbec862aae748fe496bdbe83a9080e1bf3961"
    )


def test_this_installation_is_sound() -> None:
    load_detector.cache_clear()
    assert [finding for finding in doctor() if finding.status == "broken"] == []
