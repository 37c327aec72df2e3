"""The `dataset` commands as they are typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from pipelines.audit import LIMIT
from pipelines.dataset import read_dataset, split_of
from pipelines.duplicates import DISTANCE
from tests.images import corpus, jpeg, photo

Command = Callable[..., tuple[int, list[Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Command:
    """A function that runs `dataset ...` in one process and gives its status, its rows and what it said."""

    def call(*arguments: object) -> tuple[int, list[Any], str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["dataset", *map(str, arguments), "--jobs", "1"])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), [json.loads(line) for line in out.splitlines()], err

    return call


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return corpus(tmp_path / "faces", 30, size=64)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_split_writes_a_manifest_and_says_how_it_splits(run: Command, faces: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    status, out, err = run("split", faces, "-o", manifest)
    assert (status, out) == (0, [])
    rows = rows_of(manifest)
    assert list(rows[0]) == ["path", "label", "group", "kind", "source", "split"]
    assert all(row["split"] == split_of(row["group"]) for row in rows)
    train = sum(row["split"] == "train" for row in rows)
    assert f"train: {train // 2} real, {train // 2} fake, {train // 2} groups" in err
    assert read_dataset([str(manifest)]) == read_dataset([str(faces)])


def test_rows_of_a_manifest_go_wherever_results_go(run: Command, faces: Path) -> None:
    status, rows, _ = run("split", faces)
    assert (status, len(rows), rows[0]["label"]) == (0, 60, "fake")


def test_merge_keeps_sources_apart(run: Command, faces: Path, tmp_path: Path) -> None:
    other, manifest = corpus(tmp_path / "other", 3, seed=1, size=64), tmp_path / "manifest.csv"
    (other / "real" / "bad.jpg").symlink_to(tmp_path / "nowhere.jpg")
    status, _, err = run("merge", faces, other, "-o", manifest)
    assert status == 3
    assert "3 groups renamed, 0 joined, 1 images unreadable" in err
    rows = rows_of(manifest)
    assert {row["group"] for row in rows if row["source"] == "other"} == {"bad", *(f"other:000{n}" for n in range(3))}
    assert {sample.source for sample in read_dataset([str(manifest)])} == {"faces", "other"}


def test_dedupe_leaves_out_copies_and_says_which(run: Command, faces: Path, tmp_path: Path) -> None:
    (faces / "real" / "copy.jpg").write_bytes((faces / "real" / "0003.jpg").read_bytes())
    manifest, dropped = tmp_path / "manifest.csv", tmp_path / "dropped.csv"
    status, _, err = run("dedupe", faces, "-o", manifest, "--dropped", dropped)
    assert status == 0
    assert "left out: 1 exact; 1 groups joined" in err
    (row,) = rows_of(dropped)
    assert (Path(row["path"]).name, row["reason"], Path(row["like"]).name) == ("copy.jpg", "exact", "0003.jpg")
    assert len(rows_of(manifest)) == 60


def test_check_names_what_is_broken(run: Command, faces: Path) -> None:
    assert run("check", faces)[:2] == (0, [])
    (faces / "fake" / "bad.jpg").write_bytes(b"text")
    status, (row,), err = run("check", faces)
    assert (status, Path(row["path"]).name, row["error"].partition(":")[0]) == (3, "bad.jpg", "not_an_image")
    assert "61 images, 1 broken" in err


@pytest.fixture
def shortcut(tmp_path: Path) -> Path:
    """Images whose class shows in nothing but the quality they were saved at."""
    for number in range(60):
        for label, quality in (("real", 90), ("fake", 75)):
            path = tmp_path / "set" / label / f"{label}{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(photo(2 * number + (label == "fake"), 64), quality))
    return tmp_path / "set"


def test_audit_lists_findings_and_writes_the_record(run: Command, shortcut: Path, tmp_path: Path) -> None:
    record = tmp_path / "audit.json"
    status, rows, err = run("audit", shortcut, "--out", record)
    assert status == 0
    problems = [row["check"] for row in rows if row["level"] == "problem"]
    assert "shortcut by container" in problems
    assert f"{len(problems)} problem" in err
    written = json.loads(record.read_text())
    assert written["findings"] == rows
    assert written["shortcuts"]["container"]["auc"]["value"] > 0.99


def test_audit_can_fail_on_what_it_finds(run: Command, shortcut: Path, faces: Path) -> None:
    assert run("audit", shortcut, "--fail-on", "problem")[0] == 4
    assert run("audit", shortcut, "--fail-on", "warning", "--limit", "2")[0] == 4
    assert run("audit", shortcut, "--fail-on", "problem", "--limit", "2")[0] == 0


def test_defaults_are_those_of_the_pipelines(capsys: pytest.CaptureFixture[str]) -> None:
    for command, default in (("audit", LIMIT), ("dedupe", DISTANCE)):
        with pytest.raises(SystemExit):
            cli.main(["dataset", command, "--help"])
        assert f"[default: {default};" in " ".join(capsys.readouterr().out.split())
