"""An audit catches the shortcut and the leaks that are planted, and is quiet where nothing is."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import MissingExtraError
from pipelines import audit as task
from pipelines.audit import LIMIT, WARNING, audit
from pipelines.dataset import Sample, read_dataset, split_of
from pipelines.progress import Progress
from tests.images import jpeg, photo, png
from tests.pipelines.test_dataset import table, touch

COUNT = 60
ADVICE = "save both classes with the same encoder, format and quality"


@contextlib.contextmanager
def silent(name: str) -> Iterator[Progress]:
    yield lambda done, total: None


def run(samples: list[Sample], limit: int = LIMIT) -> tuple[dict[str, Any], dict[str, Any]]:
    """Audit; the record, and its findings by check."""
    record = audit(samples, limit=limit, workers=1, follow=silent)
    assert json.loads(json.dumps(record)) == record
    return record, {finding["check"]: finding for finding in record["findings"]}


def make(root: Path, quality: int = 75, darker: int = 0) -> list[Sample]:
    """Write as many fakes as reals, all different pictures, the fakes saved at `quality` and made darker."""
    for number in range(COUNT):
        touch(root, f"real/{number:03d}.jpg", data=jpeg(photo(number, 64)))
        dark = np.maximum(photo(COUNT + number, 64), darker) - np.uint8(darker)
        touch(root, f"fake/x{number:03d}.jpg", data=jpeg(dark, quality))
    return read_dataset([str(root)])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return make(tmp_path_factory.mktemp("clean"))


def test_a_clean_set_is_quiet(clean: list[Sample]) -> None:
    record, findings = run(clean)
    assert record["levels"] == {"ok": len(findings), "warning": 0, "problem": 0}
    assert record["images"] == 2 * COUNT
    assert record["looked_at"] == {"limit": LIMIT, "real": COUNT, "fake": COUNT}
    for found in record["shortcuts"].values():
        assert found["auc"]["low"] < 0.5 < found["auc"]["high"]
        assert abs(found["auc"]["value"] - 0.5) < WARNING - 0.5
    assert "original_width" in record["shortcuts"]["container"]["constant"]


@pytest.mark.parametrize("quality", [70, 90])
def test_fakes_saved_at_another_quality_are_caught(tmp_path: Path, quality: int) -> None:
    record, findings = run(make(tmp_path, quality))
    found = record["shortcuts"]["container"]
    assert found["auc"]["low"] > 0.99
    assert {"quality", "chroma_quality"} <= {fact for fact, auc in found["facts"].items() if auc > 0.99}
    finding = findings["shortcut by container"]
    assert (finding["level"], ADVICE in finding["text"]) == ("problem", True)
    assert "quality 1.00" in finding["text"]


def test_darker_fakes_are_caught_by_what_any_eye_sees(tmp_path: Path) -> None:
    record, findings = run(make(tmp_path, darker=40))
    assert record["shortcuts"]["statistics"]["facts"]["brightness"] > 0.8
    finding = findings["shortcut by statistics"]
    assert finding["level"] == "problem"
    assert "vary brightness, contrast and colour of both classes" in finding["text"]


def test_another_size_before_resizing_is_caught(clean: list[Sample], tmp_path: Path) -> None:
    rows = [[s.path, str(s.label), s.group, *([["90", "90"], ["300", "310"]][s.label])] for s in clean]
    columns = ["path", "label", "group", "original_width", "original_height"]
    record, findings = run(read_dataset([table(tmp_path / "list.csv", columns, *rows)]))
    assert record["shortcuts"]["container"]["facts"]["original_width"] > 0.99
    assert "pictures of the same sizes" in findings["shortcut by container"]["text"]


def test_a_group_in_two_parts_is_caught(clean: list[Sample], tmp_path: Path) -> None:
    rows = [[s.path, str(s.label), s.group, "train" if number % 2 else "test"] for number, s in enumerate(clean)]
    rows[0][2] = rows[1][2] = "torn"
    findings = run(read_dataset([table(tmp_path / "list.csv", ["path", "label", "group", "split"], *rows)]))[1]
    assert (findings["groups"]["level"], findings["groups"]["examples"]) == ("problem", ["torn"])


def test_a_picture_saved_again_in_another_part_is_caught(tmp_path: Path) -> None:
    make(tmp_path)
    names = [f"again{number}" for number in range(60)]
    train = next(f"{number:03d}" for number in range(COUNT) if split_of(f"{number:03d}") == "train")
    test = next(name for name in names if split_of(name) == "test")
    touch(tmp_path, f"real/{test}.jpg", data=jpeg(photo(int(train), 64), 70))
    finding = run(read_dataset([str(tmp_path)]))[1]["near duplicates across splits"]
    assert finding["level"] == "warning"
    assert [[Path(path).stem for path in pair] for pair in finding["examples"]] == [sorted((train, test))]


def test_images_of_lowest_sha256_are_looked_at(clean: list[Sample]) -> None:
    record, findings = run(clean, limit=25)
    assert record["looked_at"] == {"limit": 25, "real": 25, "fake": 25}
    assert "of 50 compared" in findings["near duplicates across splits"]["text"]
    assert record == run(clean[::-1], limit=25)[0]


def test_too_few_images_are_said_to_be_too_few(clean: list[Sample]) -> None:
    record, findings = run(clean, limit=5)
    assert record["shortcuts"] == {"container": None, "statistics": None}
    assert findings["shortcut by container"]["level"] == "warning"
    assert "not measured" in findings["shortcut by container"]["text"]


def test_one_class_is_a_problem_and_no_crash(clean: list[Sample]) -> None:
    findings = run([sample for sample in clean if sample.label])[1]
    assert findings["labels"]["level"] == "problem"


def test_broken_images_are_counted(tmp_path: Path) -> None:
    make(tmp_path)
    touch(tmp_path, "fake/a.jpg", data=b"text")
    touch(tmp_path, "fake/b.png", data=png(photo(1, 64))[:200])
    finding = run(read_dataset([str(tmp_path)]))[1]["files"]
    assert (finding["level"], finding["text"].partition(" ")[0]) == ("warning", "2")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "DATA", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"pip install 'fauxface\[data\]'"):
        audit([], follow=silent)


@pytest.mark.realdata
def test_stylegan_faces_give_nothing_away_by_their_files(deepfake_faces: Path) -> None:
    samples = read_dataset([str(deepfake_faces.with_name("stylegan-faces.zip"))])
    record, findings = run(samples)
    assert findings["shortcut by container"]["level"] == "ok"
    assert record["levels"]["problem"] == 0
