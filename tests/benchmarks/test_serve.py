"""The server's benchmark at a small scale: every figure is there and hangs together."""

import json
from pathlib import Path

import pytest

from benchmarks import serve
from tests.benchmarks.conftest import Run

pytest.importorskip("fastapi")


def test_serve(run: Run, images: Path, small_detector: Path) -> None:
    record = run(
        serve.main,
        *("--data", images, "--model", small_detector, "--seconds", 0.5, "--requests", 120, "--max-concurrent", 64),
    )
    figures = record["figures"]
    assert figures["images"] == 24
    assert list(figures["connections"]) == ["1", "8", "64"]
    for load in figures["connections"].values():
        assert 0 < load["p50"] <= load["p99"]
        assert load["requests_per_second"] > 1
    assert figures["connections"]["64"]["p50"] > figures["connections"]["1"]["p50"]
    overload = figures["overload"]
    assert overload["connections"] == 128
    assert 0 < overload["refused_share"] < 1
    assert set(overload["answers"]) == {"200", "429"}
    assert overload["refused"]["p50"] < overload["served"]["p50"]
    assert overload["afterwards"]["served_share"] == 1
    memory = figures["memory"]
    assert (memory["requests"], memory["first"], memory["failed"]) == (120, 60, 0)
    assert set(memory["mebibytes"]) == {"front", "worker"}
    assert all(20 < one < 2000 for pair in memory["mebibytes"].values() for one in pair)
    assert all(one["at_most"] == serve.GROWTH for one in memory["growth"].values())
    assert str(small_detector.parent) not in json.dumps(record)


def test_a_server_that_does_not_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no model"), serve.running("absent", tmp_path):
        pass


def test_an_answer_that_is_none_is_not_counted() -> None:
    with pytest.raises(RuntimeError, match="500"):
        serve._figures(([serve.Answer(200, 0.1), serve.Answer(500, 0.1)], 1.0))
