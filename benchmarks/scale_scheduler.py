"""Very many jobs of no work through the engine: what each costs, and the memory of scheduler and client."""

import os
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

from benchmarks.cluster import Machine, megabytes, start
from benchmarks.record import scratch
from pipelines.engine_choice import Setup, open_engine
from pipelines.engine_faults import Work

__all__ = ["scheduler"]

_LOOKS: Final = 10


def scheduler(size: int) -> dict[str, Any]:
    """Map nothing over `size` jobs on two workers; JSON values, times in seconds, memory in megabytes (10**6 bytes)."""
    with scratch() as folder, start(folder) as machine, open_engine(Setup("dask", machine.address)) as engine:
        list(engine.map(Work(nothing, apart, blame), range(engine.workers)))
        history = [_look(machine, 0, 0.0)]
        started, every, last = perf_counter(), max(1, size // _LOOKS), 0
        results = engine.map(Work(nothing, apart, blame), range(size))
        for done, result in enumerate(results, start=1):
            last += result
            if done % every == 0 or done == size:
                history.append(_look(machine, done, perf_counter() - started))
    first, end = history[0], history[-1]
    return {
        "jobs": size,
        "workers": 2,
        "each_once": last == size * (size - 1) // 2 and end["done"] == size,
        "seconds": end["seconds"],
        "milliseconds_a_job": 1000 * end["seconds"] / size,
        "megabytes": {
            name: {"before": first[name]["now"], "after": end[name]["now"], "peak": end[name]["peak"]}
            for name in ("scheduler", "client")
        },
        "history": history,
    }


def nothing(job: int) -> int:
    """Do no work."""
    return job


def apart(job: int) -> Sequence[int]:
    """Divide what cannot be divided."""
    return ()


def blame(job: int, reason: str) -> int:
    """Give a result that spoils the sum."""
    return -1


def _look(machine: Machine, done: int, seconds: float) -> dict[str, Any]:
    """Note how far it is, and the memory of both processes."""
    memory = {"scheduler": megabytes(machine.scheduler), "client": megabytes(os.getpid())}
    return {"done": done, "seconds": seconds, **memory}
