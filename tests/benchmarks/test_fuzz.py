"""How a fuzzer that crashes is counted and goes on; libFuzzer itself is played."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmarks import fuzz

CRASHED = "#2\tINITED cov: 10 ft: 1\n#40\tNEW    cov: 12 ft: 1\n#100\tREDUCE cov: 12\n==1== ERROR"
DONE = "#2\tINITED cov: 11\n#500\tDONE   cov: 15\nstat::number_of_executed_units: 900\n"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What libFuzzer exits with and says, run by run; after the last it says it again."""
    runs: list[tuple[int, str]] = []
    kept: Iterator[tuple[int, str]] = (runs[min(at, len(runs) - 1)] for at in range(100))
    monkeypatch.setattr(fuzz, "_run", lambda *_: next(kept))
    return runs


def test_a_crash_is_kept_and_the_target_goes_on(said: list[tuple[int, str]], tmp_path: Path) -> None:
    said += [(77, CRASHED), (0, DONE)]
    figures = fuzz.fuzz("zip", 1000, 100, tmp_path / "findings")
    assert (figures["executions"], figures["crashes"]) == (1000, 1)
    assert (figures["coverage_of_seeds"], figures["coverage"]) == (10, 15)
    assert [path.name for path in (tmp_path / "findings").iterdir()] == ["zip-1.log"]


def test_a_target_that_only_crashes_is_given_up(said: list[tuple[int, str]], tmp_path: Path) -> None:
    said += [(77, CRASHED)]
    figures = fuzz.fuzz("zip", 1_000_000, 100, tmp_path)
    assert (figures["executions"], figures["crashes"]) == (2000, 20)


def test_one_that_says_nothing_is_not_asked_for_ever(said: list[tuple[int, str]], tmp_path: Path) -> None:
    said += [(0, "")]
    assert fuzz.fuzz("zip", 1000, 100, tmp_path)["executions"] == 0


def test_every_target_starts_from_what_it_reads(tmp_path: Path) -> None:
    seeds = {target: make() for target, make in fuzz.SEEDS.items()}
    assert all(seeds.values())
    assert {data[0] for data in seeds["bundle"].values()} == set(range(len(fuzz.BUNDLE_FILES)))
    for name, data in seeds["zip"].items():
        (tmp_path / name).write_bytes(data)
        with ZipFile(tmp_path / name) as opened:
            assert opened.namelist() == ["a.jpg", "b/c.png"]
