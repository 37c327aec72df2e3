"""Constant memory at a small scale: the figures, and that growth and lost rows are told."""

from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.memory import Look, Run
from tests.benchmarks import conftest


def test_memory(run: conftest.Run, images: Path, small_detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PERIOD", 0.02)
    given = ("--data", images, "--model", small_detector, "--images", 400, "--crops", 20)
    figures = run(memory.main, *given)["figures"]
    assert (figures["images"], figures["files"]) == (400, 20)
    assert figures["every_image"]
    assert figures["one_row_each"]
    assert list(figures["growth"]) == ["jobs_1 parent", "jobs_2 parent", "jobs_2 worker"]
    assert all(judged["at_most"] == 1.05 for judged in figures["growth"].values())
    assert {jobs: list(one["megabytes"]) for jobs, one in figures["jobs"].items()} == {
        "1": ["parent"],
        "2": ["parent", "worker"],
    }
    for one in figures["jobs"].values():
        assert (one["rows"], one["failed"]) == (400, 0)
        assert all(20 < size < 2000 for sizes in one["megabytes"].values() for size in sizes.values())


def test_growth_is_that_from_the_first_twentieth_to_the_last() -> None:
    looks = [Look(0, {"parent": 1})] * 9 + [Look(image, {"parent": 100 + image}) for image in range(1, 200)]
    figures = memory.figures_of(Run(looks, 200, 0, set(map(str, range(200)))), 200)
    (role, judged), *others = figures["growth"]
    assert (role, others) == ("parent", [])
    assert figures["looks"] == 199
    assert judged["median"] == pytest.approx(295 / 114, rel=0.02)
    assert not judged["holds"]


def test_memory_that_stays_holds_and_lost_images_are_told() -> None:
    looks = [Look(image, {"parent": 100, "worker": 200}) for image in range(1, 100)]
    figures = memory.figures_of(Run(looks, 100, 0, set(map(str, range(99)))), 100)
    assert all(judged["holds"] for _, judged in figures["growth"])
    assert not figures["every_image"]
    assert figures["one_row_each"]


def test_a_run_too_short_to_look_at_is_said() -> None:
    with pytest.raises(ValueError, match="too few"):
        memory.figures_of(Run([Look(0, {"parent": 1}), Look(5, {"parent": 1})], 5, 0, {"a"}), 5)
