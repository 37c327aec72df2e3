"""How what is missing is divided into jobs."""

from itertools import chain
from pathlib import Path

import pytest

from features.profiles import feature_set
from pipelines.measure import LEAST_ROWS, SHARD_ROWS, Job, divide

WHOLE = Job(Path("store"), feature_set("fast"), "off", "cpu")


@pytest.mark.parametrize(
    ("count", "workers", "sizes"),
    [
        (0, 2, []),
        (20, 2, [20]),
        (100, 2, [32, 32, 32, 4]),
        (400, 2, [100, 75, 56, 42, 32, 32, 32, 31]),
        (3000, 1, [1000, 1000, 500, 250, 125, 62, 32, 31]),
    ],
)
def test_jobs_become_smaller_towards_the_end(count: int, workers: int, sizes: list[int]) -> None:
    missing = {(f"{number:064x}", ""): f"{number}.jpg" for number in range(count)}
    jobs = list(divide(WHOLE, missing, [], workers))
    assert [len(job.images) for job in jobs] == sizes
    assert list(chain.from_iterable(job.images for job in jobs)) == [(path, key) for key, path in missing.items()]


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_workers_are_done_at_about_the_same_time(workers: int) -> None:
    jobs = list(divide(WHOLE, {(f"{number:064x}", ""): "x" for number in range(20_000)}, [], workers))
    busy = [0] * workers
    for job in jobs:
        busy[busy.index(min(busy))] += len(job.images)
    assert max(busy) - min(busy) <= LEAST_ROWS
    assert max(len(job.images) for job in jobs) <= SHARD_ROWS
