"""The whole evaluation on toy data: from the command line to the record, and again after a kill."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from models.bundle import CARD, inspect
from pipelines.evaluate import RECORD, SCHEMA, SHOWN
from pipelines.score import load_detector
from tests.images import corpus

SIZE = 112  # below 96 pixels verdicts are withheld


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("sets") / "faces", 12, seed=5, size=SIZE)


def run(*arguments: str | Path, status: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", *map(str, arguments), "--jobs", "1", "--quiet"])
    assert ended.value.code == status


def record(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / RECORD).read_text())
    return found


@pytest.fixture(scope="module")
def evaluated(faces: Path, small_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation of everything."""
    out = tmp_path_factory.mktemp("evaluated")
    run(faces, "--model", small_detector, "--all", "--out", out)
    return out


def test_the_record_holds_what_the_detector_says(evaluated: Path, faces: Path, small_detector: Path) -> None:
    found = record(evaluated)
    (model,) = found["models"]
    assert found["schema"] == SCHEMA
    assert (found["images"]["real"], found["images"]["fake"]) == (12, 12)
    assert model["digest"] == inspect(small_detector)["digest"]
    detector = load_detector(str(small_detector), "off")
    labelled = [(label, detector.score(path)) for label in ("real", "fake") for path in (faces / label).iterdir()]
    right = [(verdict.probability or 0) >= 0.5 for label, verdict in labelled if label == "fake"]
    right += [(verdict.probability or 0) < 0.5 for label, verdict in labelled if label == "real"]
    assert model["figures"]["all"]["accuracy"]["value"] == pytest.approx(np.mean(right), rel=1e-5)
    for label, counts in model["confusion"]["all"]["verdicts"].items():
        for verdict, count in counts.items():
            assert count == sum(said.verdict == verdict for true, said in labelled if true == label)


def test_the_record_has_every_part(evaluated: Path) -> None:
    (model,) = record(evaluated)["models"]
    assert {part["by"] for part in model["slices"]} == {"kind", "source", "brightness", "sharpness"}
    assert [source["source"] for source in model["sources"]] == ["faces"]
    assert len(model["robustness"]["levels"]) == 50
    assert set(model["robustness"]["worst"]) == {"auc", "accuracy", "reals_called_fake"}
    assert model["reliability"]
    assert model["curves"]["roc"][-1] == [1, 1]
    figures = model["figures"]["balanced"]
    assert model["robustness"]["baseline"]["auc"] == figures["auc"]
    assert (figures["majority"], figures["no_face"]) == (0.5, 0)


def test_it_goes_on_where_it_was_killed(evaluated: Path, faces: Path, small_detector: Path, tmp_path: Path) -> None:
    shutil.copytree(evaluated / "rows", tmp_path / "out" / "rows")
    hit, *_ = sorted((tmp_path / "out" / "rows").rglob("*.parquet"))
    hit.write_bytes(hit.read_bytes()[:100])
    run(faces, "--model", small_detector, "--all", "--out", tmp_path / "out")
    first, again = record(evaluated), record(tmp_path / "out")
    assert {**again, "command": ""} == {**first, "command": ""}


def test_a_matrix_of_models_and_data_sets(faces: Path, small_detector: Path, tmp_path: Path) -> None:
    other = shutil.copytree(small_detector, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "name": "second"}))
    more = corpus(tmp_path / "more", 6, seed=9, size=SIZE)
    shutil.rmtree(more / "fake")
    table = tmp_path / "table.json"
    models = ("--model", small_detector, "--model", other)
    run(faces, more, *models, "--all", "--no-robustness", "--out", tmp_path / "out", "-f", "json", "-o", table)
    found = record(tmp_path / "out")
    assert [model["name"] for model in found["models"]] == ["fast", "second"]
    assert found["models"][0]["sources"] == found["models"][1]["sources"]
    assert [(s["source"], s["balanced"]) for s in found["models"][0]["sources"]] == [("faces", True), ("more", False)]
    assert found["models"][0]["robustness"] is None
    rows = json.loads(table.read_text())
    assert [(row["model"], row["images"]) for row in rows] == [
        (name, images) for name in ("fast", "second") for images in ("balanced", "faces", "more")
    ]
    assert all(set(row) == set(SHOWN) for row in rows)


def test_two_models_of_one_name_are_told_apart(faces: Path, small_detector: Path, tmp_path: Path) -> None:
    other = shutil.copytree(small_detector, tmp_path / "other")
    (other / "manifest.json").write_text((other / "manifest.json").read_text() + "\n")
    models = ("--model", small_detector, "--model", other, "--model", small_detector)
    run(faces, *models, "--all", "--no-robustness", "--limit", "8", "--out", tmp_path / "out")
    found = record(tmp_path / "out")["models"]
    assert [model["name"] for model in found] == [f"fast {model['digest'][:6]}" for model in found]
    assert len(found) == 2


def test_reals_alone_get_their_false_alarms(faces: Path, small_detector: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(faces / "real", alone / "real")
    run(alone, "--model", small_detector, "--all", "--out", tmp_path / "out")
    found = record(tmp_path / "out")
    (model,) = found["models"]
    assert "There are no fake images; figures that need them are missing." in found["warnings"]
    assert model["figures"]["balanced"] is model["curves"] is model["reliability"] is None
    assert model["figures"]["all"]["auc"]["value"] is None
    for name in ("reals_called_fake", "coverage"):
        assert 0 <= model["figures"]["all"][name]["value"] <= 1
        assert all(0 <= level[name]["value"] <= 1 for level in model["robustness"]["levels"])
    assert model["robustness"]["worst"]["auc"] is None
    assert model["robustness"]["worst"]["reals_called_fake"]["name"]


def test_images_that_fail_are_named_and_change_the_status(faces: Path, small_detector: Path, tmp_path: Path) -> None:
    some = shutil.copytree(faces, tmp_path / "some")
    (some / "fake" / "broken.jpg").write_bytes(b"no image")
    run(some, "--model", small_detector, "--all", "--no-robustness", "--out", tmp_path / "out", status=3)
    images = record(tmp_path / "out")["images"]
    assert images["left_out"]["failed"] == 1
    assert images["failures"] == [
        {"path": "fake/broken.jpg", "type": "not_an_image", "message": images["failures"][0]["message"]}
    ]


def test_faces_that_are_not_found_are_counted(faces: Path, small_detector: Path, tmp_path: Path) -> None:
    run(faces, "--model", small_detector, "--all", "--faces", "auto", "--limit", "6", "--out", tmp_path / "out")
    (model,) = record(tmp_path / "out")["models"]
    figures = model["figures"]["all"]
    assert figures["no_face"] == 6
    assert figures["coverage"]["value"] == 0
    assert figures["accuracy"]["value"] is None


def test_nothing_to_judge_is_an_error(small_detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = corpus(tmp_path / "faces", 1, size=40)
    run(faces, "--model", small_detector, "--out", tmp_path / "out", status=1)
    assert "--all judges every group" in capsys.readouterr().err


@pytest.fixture
def trained(small_detector: Path, tmp_path: Path) -> Path:
    """A copy of the detector, whose card may be written."""
    return shutil.copytree(small_detector, tmp_path / "bundle")


def test_a_card_is_filled_from_the_test_groups(trained: Path, small_detector: Path, tmp_path: Path) -> None:
    before = inspect(trained)["digest"]
    own = small_detector.parent / "corpus"
    run(own, "--model", trained, "--card", "--out", tmp_path / "out")
    card = (trained / CARD).read_text()
    (model,) = record(tmp_path / "out")["models"]
    auc = model["figures"]["balanced"]["auc"]
    assert f"| AUC | {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f}) |" in card
    assert "## Robustness" in card
    assert "| jpeg (quality) | 95: " in card
    assert "--card" in card
    assert inspect(trained)["digest"] == before
    load_detector.cache_clear()
    assert load_detector(str(trained), "off").bundle.digest == before


def test_a_card_is_not_filled_from_other_images(
    trained: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / CARD).read_text()
    run(faces, "--all", "--model", trained, "--card", "--no-robustness", "--out", tmp_path / "out", status=1)
    assert "the test groups of its own data" in capsys.readouterr().err
    assert (trained / CARD).read_text() == before
