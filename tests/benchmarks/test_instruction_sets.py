"""Less capable processors are compared with this one."""

from pathlib import Path

import pytest

from benchmarks import instruction_sets
from tests.benchmarks.conftest import Run


def test_jumps_by_hand() -> None:
    before = {"a": (0.5, "real"), "b": (0.2, "real"), "c": (0.9, "fake"), "d": (0.1, "real")}
    now = {"d": (0.1, "real"), "a": (0.5005, "real"), "b": (0.4, "uncertain"), "c": (0.9, "fake")}
    found = instruction_sets.jumps(before, now)
    assert (found["same_bits"], found["within"], found["verdicts"]) == (0.5, 0.75, 1)
    assert found["largest"] == pytest.approx(0.2)


def test_levels_are_compared(run: Run, images: Path, small_detector: Path) -> None:
    figures = run(instruction_sets.main, "--data", images, "--images", 12, "--model", small_detector)["figures"]
    assert figures["images"] == 12
    assert list(figures["levels"]) == list(instruction_sets.LEVELS)
    assert figures["levels"]["again"] == {"same_bits": 1, "within": 1, "q99": 0, "largest": 0, "verdicts": 0}
