"""On one machine an image has one probability: whatever the run, the number of jobs, the company and the engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.engine_choice import Setup
from pipelines.score import load_detector, score
from tests.golden.verdicts import pictures
from tests.images import jpeg

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 80


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for (name, rgb), _ in zip(pictures(), range(IMAGES), strict=False):
        made.append(folder / f"{name}.jpg")
        made[-1].write_bytes(jpeg(rgb, 90))
    return list(map(str, made))


@pytest.fixture(scope="module")
def expected(paths: list[str]) -> dict[str, bytes]:
    """The bits of each probability, image by image in this process."""
    detector = load_detector("fast", "off")
    return {path: bits(detector.score(path).probability) for path in paths}


def bits(probability: float | None) -> bytes:
    assert probability is not None
    return np.float64(probability).tobytes()


def scored(paths: list[str], workers: int | None, engine: Setup | None = None) -> Iterator[tuple[str, bytes]]:
    setup = engine or Setup()
    for row in score(paths, model="fast", faces="off", workers=workers, engine=setup):
        yield str(row.path), bits(row.probability)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_whatever_the_number_of_jobs(paths: list[str], expected: dict[str, bytes], workers: int) -> None:
    assert dict(scored(paths, workers)) == expected


def test_whatever_the_order_and_the_company(paths: list[str], expected: dict[str, bytes]) -> None:
    assert dict(scored(paths[::-3], 1)) == {path: expected[path] for path in paths[::-3]}


def test_on_a_cluster(paths: list[str], expected: dict[str, bytes]) -> None:
    pytest.importorskip("distributed")
    assert dict(scored(paths, 2, Setup("dask"))) == expected


@pytest.mark.parametrize("run", range(2))
def test_whatever_the_run(paths: list[str], expected: dict[str, bytes], run: int) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), "score", "--faces", "off", "--format", "ndjson", "--quiet"]
    done = subprocess.run([*command, "--jobs", str(run + 1), *paths], capture_output=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["path"]: bits(row["probability"]) for row in rows} == expected
