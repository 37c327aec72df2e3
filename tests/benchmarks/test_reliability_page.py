"""The page of what was tried: a row a check, with its faults and the command that repeats it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability import PARTS
from benchmarks.reliability_page import BLOCKS, FAULTS
from benchmarks.sources import FiguresError, Sources
from tests.benchmarks.made_up import table_rows, write_result


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "fast").mkdir()
    (tmp_path / "fast" / "manifest.json").write_text("fast")
    found = Sources(tmp_path / "results", tmp_path / "fast")
    for part in PARTS:
        write_result(found, f"reliability/{part}", {"checks": {}})
    return found


def test_each_check_is_a_row_with_its_outcomes_and_its_command(sources: Sources) -> None:
    kill = {"part": "stores", "asked": 200, "tried": 1200, "same": 1199, "lost": 1, "left_behind": 0}
    send = {"part": "server", "asked": 3, "tried": 3, "200": 3, "hung": 0}
    write_result(sources, "reliability/stores", {"checks": {"it is killed": kill}})
    write_result(sources, "reliability/server", {"checks": {"uploads": send}})
    page = BLOCKS["tried"](sources)
    assert page.startswith("1,203 trials, 1 faults:")
    assert table_rows(page) == [
        "| it is killed | 1,200 | 1 | same: 1,199, lost: 1 |"
        " `python -m benchmarks.reliability stores --only 'it is killed' --tries 200 -o FILE` |",
        "| uploads | 3 | 0 | status 200: 3 |"
        " `python -m benchmarks.reliability server --only uploads --tries 3 -o FILE` |",
    ]


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_counts(sources: Sources, fault: str) -> None:
    write_result(sources, "reliability/images", {"checks": {"a": {"part": "images", "asked": 1, "tried": 5, fault: 2}}})
    assert "5 trials, 2 faults" in BLOCKS["tried"](sources)


def test_every_fault_is_one_that_a_check_counts() -> None:
    scripts = "".join(Path(f"benchmarks/reliability_{part}.py").read_text() for part in PARTS)
    assert not [fault for fault in FAULTS if f'"{fault}"' not in scripts]


def test_a_part_that_was_not_tried_is_no_page(sources: Sources) -> None:
    (sources.results / "reliability" / "stores.json").unlink()
    with pytest.raises(FiguresError, match="stores"):
        BLOCKS["tried"](sources)


def test_executions_and_crashes_are_added_up(sources: Sources) -> None:
    target = {"executions": 600_000, "crashes": 1, "coverage_of_seeds": 80, "coverage": 120, "seconds": 61.4}
    write_result(sources, "fuzz", {"targets": {"zip": target, "frame": target}})
    page = BLOCKS["fuzzed"](sources)
    assert page.startswith("1,200,000 executions, 2 crashes.")
    assert table_rows(page)[0] == "| `zip` | 600,000 | 1 | 80 to 120 | 61 |"


def test_levels_are_rows_and_of_the_detector_that_ships(sources: Sources) -> None:
    level = {"same_bits": 0.5, "within": 0.995, "q99": 0.0004, "largest": 0.02, "verdicts": 1}
    figures: dict[str, Any] = {"images": 2000, "tolerance": 0.001, "levels": {"AVX2": level}}
    write_result(sources, "instruction_sets", {"model": hashlib.sha256(b"fast").hexdigest(), **figures})
    assert table_rows(BLOCKS["same"](sources)) == ["| AVX2 | 50.00% | 99.50% | 0.00040 | 0.0200 | 1 |"]
    write_result(sources, "instruction_sets", {"model": "another", **figures})
    with pytest.raises(FiguresError, match="another detector"):
        BLOCKS["same"](sources)


@pytest.mark.parametrize(("holds", "every", "said"), [(True, True, "It stays"), (False, False, "IT GROWS")])
def test_memory_that_grows_is_said(sources: Sources, holds: bool, every: bool, said: str) -> None:
    sizes = {"parent": {"early": 151.2, "late": 152.0, "most": 160.0}}
    figures = {"images": 1000, "growth": {"jobs_2 parent": {"holds": holds}}, "jobs": {"2": {"megabytes": sizes}}}
    write_result(sources, "memory", {**figures, "every_image": every, "one_row_each": True})
    page = BLOCKS["memory"](sources)
    assert said in page
    assert ("every image has one row" in page) == every
    assert table_rows(page) == ["| 2 processes, parent | 151 | 152 | 160 |"]


def test_results_are_committed_for_every_part() -> None:
    assert set(BLOCKS) == {"tried", "fuzzed", "same", "memory"}
    assert json.loads(Path("benchmarks/results/reliability/images.json").read_text())["figures"]["checks"].keys() == (
        PARTS["images"].keys()
    )
