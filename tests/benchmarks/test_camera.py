"""The benchmark of the live view: a few seconds of it in a real browser, and its sums on figures made up."""

import pytest

from benchmarks import camera
from benchmarks.camera import Shown
from tests.benchmarks.conftest import Run
from tests.browser import need_chromium

pytest.importorskip("fastapi")


def test_camera(run: Run) -> None:
    need_chromium()
    figures = run(camera.main, "--seconds", 6)["figures"]
    assert (figures["model"], figures["pixels"]) == ("fast", [640, 480])
    assert figures["verdicts"] > 1
    shown, server = figures["end_to_end"], figures["server"]
    assert 0 < server["min"] <= server["median"] < shown["median"] <= shown["p99"] <= shown["max"]
    assert (shown["at_most"], server["at_most"], figures["verdicts_per_second"]["at_least"]) == (60, 12, 15)
    assert 0 < server["processor"] < 1000
    assert 0 < figures["longest_gap"] < 6000


def test_a_view_that_stands_still_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    need_chromium()
    monkeypatch.setattr(camera, "_watch", lambda *_: ([Shown(1.0, 1.0)], 0.0))
    with pytest.raises(RuntimeError, match="1 verdicts were shown in 6 s"):
        camera.measure("fast", 6)


def test_times_are_those_of_judged_images() -> None:
    log = (
        "fauxface answers at http://127.0.0.1:1/ with fast\n"
        "POST /v1/score 200 30000 in 400 out 9.5 ms\n"
        "GET /v1/models 200 0 in 300 out 1.0 ms\n"
        "POST /v1/score 503 30000 in 90 out 2.0 ms\n"
        "POST /v1/score 200 30000 in 400 out 11.0 ms\n"
    )
    assert camera.server_times(log) == [9.5, 11.0]


def test_verdicts_are_counted_in_tenths() -> None:
    steady = [Shown(500.0 + 50 * at, 20.0) for at in range(200)]
    assert camera.per_second(steady, 10) == [20.0] * 10
    assert camera.per_second(steady[:20], 10) == [20.0, *[0.0] * 9]
