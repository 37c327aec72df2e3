"""Tells on standard error how far a run has come: a bar on a terminal, else a plain line every ten seconds."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

__all__ = ["INTERVAL", "Progress", "counted", "follow"]

T = TypeVar("T")
Progress = Callable[[int, int | None], None]
"""Takes how many are done and how many there are, None where that is not known yet."""

INTERVAL: Final = 10.0
"""Seconds between two plain lines."""


@contextlib.contextmanager
def follow(task: str, *, quiet: bool = False, shared: bool = False) -> Iterator[Progress]:
    """Follow a task named `task`.

    Parameters
    ----------
    task : str
        What the lines begin with, such as `score`.
    quiet : bool
        Whether nothing is said at all.
    shared : bool
        Whether results go to the same terminal, where they show by themselves how far things are.
    """
    if quiet or (shared and sys.stderr.isatty()):
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(task) as progress:
            yield progress
    else:
        yield _lines(task)


def counted(items: Iterable[T], progress: Progress, total: int | None = None) -> Iterator[T]:
    """Pass items on and report each."""
    for done, item in enumerate(items, 1):
        progress(done, total)
        yield item


@contextlib.contextmanager
def _bar(task: str) -> Iterator[Progress]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[pace]}"),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row, pace = bar.add_task(task, total=None, pace=""), _Pace()
        yield lambda done, total: bar.update(row, completed=done, total=total, pace=pace.describe(done, total))


def _lines(task: str) -> Progress:
    pace = _Pace()
    last = time.monotonic()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        pace.begin(done, now)
        if now - last >= INTERVAL:
            last = now
            print(f"{task}: {pace.describe(done, total)}", file=sys.stderr, flush=True)

    return report


class _Pace:
    """How fast things go, counted from the first report: what an earlier run had done does not count."""

    def __init__(self) -> None:
        self._start: tuple[int, float] | None = None

    def begin(self, done: int, now: float) -> tuple[int, float]:
        """Note the first report, and give it back."""
        if self._start is None:
            self._start = done, now
        return self._start

    def describe(self, done: int, total: int | None) -> str:
        """Say how many are done, how fast, and how long the others will take."""
        now = time.monotonic()
        first, start = self.begin(done, now)
        rate = (done - first) / (now - start) if now > start else 0.0
        if total is None:
            return f"{done:,} done, {rate:,.0f}/s"
        left = f"{(total - done) / rate:,.0f} s left" if rate else "time left unknown"
        return f"{done:,} of {total:,} done, {rate:,.0f}/s, {left}"
