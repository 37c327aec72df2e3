"""The page of speed: limits and whether they hold, the frontier step by step, the stages by what they take."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sources import FiguresError, Sources
from benchmarks.speed_page import BLOCKS
from tests.benchmarks.made_up import table_rows, write_result


def judged(median: float, holds: bool = True, **limit: float) -> dict[str, Any]:
    return {"median": median, "min": median - 1, "max": median + 1, **limit, "holds": holds}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "manifest.json").write_text(json.dumps({"feature_set": {"digest": "these"}}))
    return Sources(tmp_path / "results", tmp_path / "fast")


def test_limits_are_kept_or_missed(sources: Sources) -> None:
    ratios = {f"path_to_imread_{name}": judged(3.0, at_most=8) for name in ("enlarged", "in_photographs")}
    write_result(sources, "speed_large", {"model": {"feature_set": "these"}, "side": 1024, "ratios": ratios})
    shares = {"with_start": judged(2.0, at_least=0.95), "start_aside": judged(1.5, holds=False, at_least=0.95)}
    write_result(sources, "parallel", {"ratios": shares})
    write_result(sources, "startup", {"limits": {"verdict": judged(1.25, at_most=0.5)}})
    found = table_rows(BLOCKS["limits"](sources))
    assert len(found) == 5
    assert "| 3.0 (2.0 to 4.0) x imread | at most 8 | `python -m benchmarks.speed_large` |" in found[0]
    assert "1,024 px" in found[1]
    assert "| 1.50 (0.50 to 2.50) | at least 0.95, **missed** |" in found[3]
    assert "| 1.25 (0.25 to 2.25) | at most 0.5 |" in found[4]


def step(left_out: list[str], lost: float) -> dict[str, Any]:
    time = {"microseconds": judged(1000.0), "path_to_imread": judged(6.0)}
    return {"left_out": left_out, "values": 1200, **time, "auc": 0.9 - lost, "auc_lost": lost}


def frontier(best: list[str]) -> dict[str, Any]:
    steps = [step([], 0.0), step(["a"], 0.001), step(["a", "b"], 0.02)]
    aside = {"seeds": 4, "noise": 0.0005, "most_lost": 0.005, "imread_microseconds": judged(170.0)}
    return {"feature_set": "these", "steps": steps, "best": best, **aside}


def test_each_step_of_the_frontier_is_a_row(sources: Sources) -> None:
    write_result(sources, "frontier", frontier(["a"]))
    page = BLOCKS["frontier"](sources)
    assert table_rows(page) == [
        "| nothing | 1,200 | 1,000 | 6.0 (5.0 to 7.0) | 0.9000 | +0.0000 |",
        "| `a` | 1,200 | 1,000 | 6.0 (5.0 to 7.0) | 0.8990 | +0.0010 |",
        "| and `b` | 1,200 | 1,000 | 6.0 (5.0 to 7.0) | 0.8800 | +0.0200 |",
    ]
    assert "at most 0.005 is the one without `a`." in page.replace("\n", " ")


def test_the_whole_may_be_best(sources: Sources) -> None:
    write_result(sources, "frontier", frontier([]))
    assert "is the whole." in BLOCKS["frontier"](sources)


def test_stages_come_by_what_they_take_and_add_up(sources: Sources) -> None:
    stages = {f"s{index:02d}": float(10 * index) for index in range(1, 15)}
    write_result(sources, "speed", {"model": {"feature_set": "these"}, "stages": stages})
    found = table_rows(BLOCKS["profile"](sources))
    assert found[0] == "| s14 | 140 | 13% |"
    assert found[-1] == "| 2 more | 30 | 3% |"
    assert sum(int(line.split("|")[2]) for line in found) == sum(stages.values())


@pytest.mark.parametrize("name", ["frontier", "profile"])
def test_other_features_are_refused(sources: Sources, name: str) -> None:
    script = {"frontier": "frontier", "profile": "speed"}[name]
    write_result(sources, script, {"feature_set": "other", "model": {"feature_set": "other"}})
    with pytest.raises(FiguresError, match="other features"):
        BLOCKS[name](sources)
