"""Progress: silent when asked, sparing without a terminal, honest about what is left."""

import io

import pytest

from pipelines import progress
from pipelines.progress import INTERVAL, counted, follow


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error; not a fixture, for pytest puts its own there after those."""
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def test_without_a_terminal_a_line_comes_every_ten_seconds(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with follow("extract") as report:
        for done in range(101):
            report(done, 200)
            clock.now += INTERVAL / 40
    assert capsys.readouterr().err.splitlines() == [
        "extract: 40 of 200 done, 4/s, 40 s left",
        "extract: 80 of 200 done, 4/s, 30 s left",
    ]


def test_what_an_earlier_run_did_does_not_count(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with follow("extract") as report:
        report(1_000, 1_100)
        clock.now = INTERVAL
        report(1_050, 1_100)
    assert capsys.readouterr().err == "extract: 1,050 of 1,100 done, 5/s, 10 s left\n"


def test_where_nothing_moves_or_the_end_is_unknown_no_time_is_promised(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with follow("score") as report:
        clock.now = INTERVAL
        report(0, 5)
        clock.now = 2 * INTERVAL
        report(3, None)
    assert capsys.readouterr().err.splitlines() == [
        "score: 0 of 5 done, 0/s, time left unknown",
        "score: 3 done, 0/s",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with follow("score", quiet=True) as report:
        clock.now = 5 * INTERVAL
        report(1, 2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with follow("score") as report:
        report(1, 2)
    assert "score" in terminal.getvalue()
    assert "1 of 2 done" in terminal.getvalue()


def test_a_bar_never_mixes_with_results_on_the_same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with follow("score", shared=True) as report:
        report(1, 2)
    assert terminal.getvalue() == ""


def test_counted_passes_on_and_reports_each() -> None:
    seen: list[tuple[int, int | None]] = []
    assert list(counted("ab", lambda done, total: seen.append((done, total)), 2)) == ["a", "b"]
    assert seen == [(1, 2), (2, 2)]
