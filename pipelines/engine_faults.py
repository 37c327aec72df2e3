"""Runs jobs in a child process that may die or hang, and finds the input that is to blame.

A job whose process died or hung is halved until single inputs are left; one that fails alone, twice, is to blame and
gets a result of its own that says so. The same holds for every engine: a Dask worker supervises such a child, and the
local engine turns to it when one of its processes is gone.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from features.errors import WorkerError
from pipelines.engine import settle

__all__ = ["Work", "end_children", "guarded", "halve", "in_child"]

J = TypeVar("J")
R = TypeVar("R")
S = TypeVar("S", list[Any], list[str], Sequence[str], tuple[int, ...])

_IDLE: Final = 300  # seconds after which a child without work ends: the next command finds it started
_LEAST: Final = 60.0  # seconds that a part of a job has at least, unless the whole has less
_THREADS: Final = dict.fromkeys(
    (f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")), "1"
)
_children: dict[int, Any] = {}  # loky's executor of one process, by the thread that it works for


@dataclass(frozen=True)
class Work(Generic[J, R]):
    """What is done with jobs, and what becomes of one that ends its process.

    Attributes
    ----------
    run : callable
        A function at the top level of a module, or a `partial` of one.
    halve : callable
        Divides a job into smaller ones, whose results mean together what its own would; none where it cannot be.
    blame : callable
        Makes the result of a job that cannot be divided, from the reason why there is none.
    needs : tuple of str
        Files that every worker has to see as this machine does.
    """

    run: Callable[[J], R]
    halve: Callable[[J], Sequence[J]]
    blame: Callable[[J, str], R]
    needs: tuple[str, ...] = ()


def halve(items: S) -> list[S]:
    """Divide a list, or what can be sliced like one, in two; nothing of one item."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else []


def guarded(work: Work[J, R], limit: float | None, job: J) -> list[R]:
    """Run a job in a child process of the calling thread; give its result, or those of its parts.

    Parameters
    ----------
    work : Work
        What is done.
    limit : float, optional
        Seconds after which the child is taken for hung and killed; a part of a job has half of them.
    job : object
        The job.
    """
    try:
        return [in_child(work.run, job, limit)]
    except WorkerError:
        parts = work.halve(job)
    if parts:
        shorter = limit and max(limit / 2, min(limit, _LEAST))
        return [result for part in parts for result in guarded(work, shorter, part)]
    try:
        return [in_child(work.run, job, limit)]
    except WorkerError as error:
        return [work.blame(job, str(error))]


def end_children() -> None:
    """Kill the children of all threads of this process; where one is needed again, it is started again."""
    for thread in list(_children):
        _end_child(thread)


def in_child(fn: Callable[[J], R], job: J, limit: float | None = None) -> R:
    """Run a job in the child of the calling thread; raises WorkerError where that died, or hung and was killed."""
    thread = threading.get_ident()
    try:
        future = _child(thread, fn).submit(fn, job)
        wait([future], limit)
        if not future.done():
            raise WorkerError(f"no result after {limit:g} seconds")
        if isinstance(error := future.exception(), BrokenProcessPool):
            raise error
    except BrokenProcessPool as error:
        _end_child(thread)
        raise WorkerError("the process died that worked on this; a crash, or memory ran out") from error
    except BaseException:
        _end_child(thread)
        raise
    result: R = future.result()
    return result


def _child(thread: int, fn: Callable[[J], R]) -> Any:
    """Give the executor of a thread, started with the first job; it holds one process of one thread."""
    if thread not in _children:
        from joblib.externals.loky import ProcessPoolExecutor

        multiprocessing.current_process().daemon = False  # Dask's nannies mark their workers so: no children
        _children[thread] = ProcessPoolExecutor(
            1, timeout=_IDLE, env=_THREADS, initializer=settle, initargs=(os.getpid(),)
        )  # settled before it has a job: one that is started while this process ends must end too
        _children[thread].submit(_ready, fn).result()  # no job's time is spent on the start and on imports
    return _children[thread]


def _ready(fn: Callable[[J], R]) -> None:
    """Do nothing; that `fn` got here says that its module is imported."""


def _end_child(thread: int) -> None:
    if (child := _children.pop(thread, None)) is not None:
        child.shutdown(kill_workers=True)
