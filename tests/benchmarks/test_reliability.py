"""The checks run by name, as often as asked, and what is known is kept where a later one fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reliability


def fine(tries: int) -> dict[str, Any]:
    return {"tried": 10 * tries, "same": 10 * tries}


def broken(tries: int) -> dict[str, Any]:
    raise RuntimeError(f"tried {tries} times")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "PARTS", {"stores": {"a": (fine, 7), "b": (broken, 3)}})


def checked(path: Path) -> Any:
    return json.loads(path.read_text())["figures"]["checks"]


@pytest.mark.usefixtures("checks")
def test_a_check_that_fails_costs_none_before_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="tried 3 times"):
        reliability.main(["stores", "-o", str(tmp_path / "a.json")])
    assert checked(tmp_path / "a.json") == {"a": {"tried": 70, "same": 70, "asked": 7, "part": "stores"}}


@pytest.mark.usefixtures("checks")
def test_only_what_is_named_runs_and_as_often_as_asked(tmp_path: Path) -> None:
    reliability.main(["stores", "--only", "a", "--tries", "2", "-o", str(tmp_path / "a.json")])
    assert checked(tmp_path / "a.json")["a"]["tried"] == 20


@pytest.mark.usefixtures("checks")
def test_a_name_that_is_no_check_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        reliability.main(["stores", "--only", "c", "-o", str(tmp_path / "a.json")])
    assert "'c' is no check of stores; known: a, b" in capsys.readouterr().err
