"""Faults of stores and of the server are tried on few images; what each check finds is what it should."""

import random
from pathlib import Path

import pytest

from benchmarks import reliability_server as server
from benchmarks import reliability_stores as stores
from tests.images import corpus


def test_killed_runs(images: Path) -> None:
    assert stores.killed_extracts(1, str(images), 24)["same rows, once each"] >= 1


def test_killed_training(images: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="too few"):
        stores.killed_trains(1, str(images), 24)
    found = stores.killed_trains(1, str(corpus(tmp_path, 80, size=64)), 160)
    assert found == {"tried": 1, "whole and the same": 1, "left_behind": 0}


def test_damaged_shards(images: Path) -> None:
    found = stores.damaged_shards(6, str(images), 24)
    assert found["tried"] == 6
    assert found["set aside, measured again"] >= 3
    assert "silently wrong" not in found


def test_two_writers(images: Path) -> None:
    found = stores.two_writers(1, str(images), 24)
    assert found.get("one refused", 0) + found.get("one after the other", 0) == 1


@pytest.mark.parametrize(
    ("check", "outcome"),
    [(stores.full_disk, "said, and the same after"), (stores.read_only_disk, "said, and untouched")],
)
def test_disks(images: Path, check: stores.DiskCheck, outcome: str) -> None:
    found = check(1, str(images), 24)
    assert found in ({"tried": 1, outcome: 1}, {"tried": 0, "could not be mounted": 1})


def test_clients_that_dawdle() -> None:
    assert server.dawdling_clients(5) == {"tried": 5, "let go": 5, "another was served": 1}


def test_uploads_at_random() -> None:
    found = server.random_uploads(60)
    assert (found["tried"], found["defects"], found["hung"], found["another was served"]) == (60, 0, 0, 1)
    assert sum(found[name] for name in found if name.isdigit()) == 60
    assert found["422"] > 0


def test_made_up_uploads_differ() -> None:
    chance = random.Random(0)
    made = [server._made_up(chance) for _ in range(200)]
    assert len({body for _, body, _ in made}) > 150
    assert len({kind for _, _, kind in made}) > 7


def test_killed_workers() -> None:
    assert server.killed_workers(1) == {"tried": 1, "answered": 20, "lost": 0}


def test_requests_that_are_made_up() -> None:
    found = server.made_up_requests(5)
    assert found["tried"] > 50
    assert (found["failures"], found["another was served"]) == (0, 1)


def test_every_check_has_its_number() -> None:
    for checks in (stores.CHECKS, server.CHECKS):
        for check, tries in checks.values():
            assert callable(check)
            assert tries > 0
