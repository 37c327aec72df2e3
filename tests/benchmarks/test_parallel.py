"""Two processes beside two runs, at a small scale: the figures, and that rows which differ are told apart."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import parallel
from tests.benchmarks.conftest import Run


def test_parallel(run: Run, images: Path, small_detector: Path) -> None:
    record = run(parallel.main, "--data", images, "--model", small_detector, "--images", 24, "--rounds", 1)
    figures = record["figures"]
    assert figures["images"] == {"all": 24, "tenth": 2}
    assert figures["same_rows"] == {"all": True, "tenth": True}
    assert figures["same"]
    seconds = {way: spread["median"] for way, spread in figures["seconds"]["all"].items()}
    share = seconds["independent"] / seconds["one_run"]
    assert figures["ratios"]["with_start"]["median"] == pytest.approx(share, rel=1e-2)
    assert [judged["at_least"] for judged in figures["ratios"].values()] == [0.95, 0.95]
    assert figures["images_per_second"]["one_run"]["median"] == pytest.approx(24 / seconds["one_run"], rel=1e-2)


def test_a_run_that_fails_ends_the_measurement() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        parallel._side_by_side([["true"], ["false"]])


def test_rows_that_differ_are_told_apart(tmp_path: Path) -> None:
    rows = [{"path": f"/whole/{name}.jpg", "probability": 0.5} for name in "abc"]
    whole = _written(tmp_path / "whole", [rows])
    moved = [row | {"path": str(row["path"]).replace("whole", "part0")} for row in rows]
    assert parallel.same_rows(whole, _written(tmp_path / "same", [moved[2:], moved[:2]]))
    assert not parallel.same_rows(whole, _written(tmp_path / "lost", [moved[:2]]))
    assert not parallel.same_rows(whole, _written(tmp_path / "twice", [moved, moved[:1]]))
    assert not parallel.same_rows(whole, _written(tmp_path / "other", [[*moved[:2], moved[2] | {"probability": 0.6}]]))


def _written(folder: Path, parts: Sequence[Sequence[dict[str, object]]]) -> Path:
    folder.mkdir()
    for index, rows in enumerate(parts):
        (folder / f"{index}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
