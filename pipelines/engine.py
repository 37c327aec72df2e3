"""Maps a function over jobs, in this process or in several.

Worker processes are started afresh, never forked (a fork after OpenMP has started hangs), hold one thread each, and
end by themselves when the process that started them is gone.
"""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from itertools import chain
from typing import Any, TypeVar

from features.errors import WorkerError

__all__ = ["cores", "map_jobs", "settle"]

J = TypeVar("J")
R = TypeVar("R")

_HEARTBEAT = 0.25  # seconds between a worker's looks at its parent

_REPLACED = "A worker stopped while some jobs were given"
"""loky's warning that a worker which grew, or idled for long, is being replaced. Nothing is lost by that; but where
warnings are errors, the thread that hands out the jobs would end of it, and the results would never come."""


def cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_jobs(
    fn: Callable[[J], R], jobs: Iterable[J], *, workers: int = 1, ordered: bool = False, threads: bool = False
) -> Iterator[R]:
    """Yield `fn(job)` for every job, as the results come or in the order of the jobs.

    Parameters
    ----------
    fn : callable
        A function at the top level of a module.
    jobs : iterable
        Taken as they are needed, a few ahead of the workers.
    workers : int
        With 1 everything runs in this process.
    ordered : bool
        Whether results come in the order of the jobs.
    threads : bool
        Whether the workers are threads of this process.

    Raises
    ------
    WorkerError
        Where a worker process died.
    """
    if workers == 1:
        yield from map(fn, jobs)
        return
    results = _start(fn, jobs, workers, ordered, threads)
    try:
        yield from chain(results)  # a chain does not pass `close` on: that has to be silent
    except BrokenProcessPool as error:
        raise WorkerError("a worker process died; most often it was killed because memory ran out") from error
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that not all results were taken
            results.close()


def _start(fn: Callable[[J], R], jobs: Iterable[J], workers: int, ordered: bool, threads: bool) -> Any:
    """Start the workers; returns joblib's generator of results."""
    from joblib import Parallel, delayed, parallel_config

    warnings.filterwarnings("ignore", _REPLACED)  # for the process: another thread gives it, at any time
    work = fn if threads else partial(_work, fn, os.getpid())
    with parallel_config("threading") if threads else parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(
            n_jobs=workers,
            return_as="generator" if ordered else "generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            max_nbytes=None,
        )
        return parallel(delayed(work)(job) for job in jobs)


def _work(fn: Callable[[J], R], parent: int, job: J) -> R:
    settle(parent)
    return fn(job)


@lru_cache(maxsize=1)
def settle(parent: int) -> None:
    """Prepare a worker process, once: Ctrl-C is its parent's affair, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_HEARTBEAT)
    os._exit(1)
