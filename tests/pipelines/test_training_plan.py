"""The estimate of memory, by hand, and what is chosen by it."""

from pathlib import Path

import pytest

from features.store import FeatureStore
from pipelines import training_plan as module
from pipelines.engine_choice import LOCAL, Setup
from pipelines.training_plan import Plan, available, choose_way
from tests import toy


def test_the_estimate_by_hand() -> None:
    plan = Plan(10_000_000, 300, 6e9)
    assert plan.in_memory == 10_000_000 * (9 * 300 + 220) + 1_000_000_000
    assert plan.stored == 10_000_000 * (300 + 220) + 1_000_000_000 + 2 * (1 << 28)
    assert not plan.fits
    assert plan.tell(True) == (
        "10,000,000 rows of 300 features: about 30.2 GB in memory, where 6.0 GB may be used;"
        " values stay in the store: about 6.7 GB"
    )
    assert Plan(10, 300, float("inf")).tell(False) == (
        "10 rows of 300 features: about 1.0 GB in memory; values are held in memory"
    )


def test_values_stay_in_the_store_where_memory_is_short_and_on_a_cluster(tmp_path: Path) -> None:
    said: list[str] = []
    with toy.registered():
        store = FeatureStore(toy.fill(tmp_path, toy.table()))
        ways = [choose_way(store, LOCAL, limit, said.append) for limit in (2e9, 0.5e9)]
        ways.append(choose_way(store, Setup("dask"), 2e9, said.append))
    assert [way.stored for way in ways] == [False, True, True]
    assert ["held in memory" in sentence for sentence in said] == [True, False, False]
    assert all(sentence.startswith("600 rows of 8 features") for sentence in said)


@pytest.mark.parametrize(
    ("machine", "group", "expected"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    2000 kB\n", None, 2_048_000),
        ("MemAvailable:    2000 kB\n", "1000\n", 1000),
        ("MemAvailable:    2000 kB\n", "max\n", 2_048_000),
        (None, None, float("inf")),
    ],
)
def test_what_is_available(
    machine: str | None, group: str | None, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    if machine:
        (tmp_path / "meminfo").write_text(machine)
    if group:
        (tmp_path / "memory.max").write_text(group)
    assert available() == expected
