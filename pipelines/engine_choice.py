"""Chooses where jobs run: in processes of this machine, or on a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, Final, Literal, Protocol, TypeVar

from features.errors import WorkerError
from pipelines.engine import cores, map_jobs
from pipelines.engine_faults import Work, end_children, guarded

__all__ = ["LOCAL", "Engine", "Local", "Setup", "open_engine"]

J = TypeVar("J")
R = TypeVar("R")

_PATIENCE: Final = 3600.0  # seconds that a shard may take on a cluster unless told


@dataclass(frozen=True)
class Setup:
    """Where jobs are to run.

    Attributes
    ----------
    engine : str
        `local` or `dask`.
    scheduler : str, optional
        The address of a Dask scheduler; unless given, `dask` starts workers on this machine.
    shard_timeout : float, optional
        Seconds after which the process of a job is taken for hung; 3600 for `dask`, no limit for `local`.
    """

    engine: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    shard_timeout: float | None = None


LOCAL: Final = Setup()
"""This machine."""


class Engine(Protocol):
    """Where jobs run."""

    @property
    def workers(self) -> int:
        """How many jobs run at once."""
        ...

    @property
    def shared(self) -> bool:
        """Whether jobs run in other folders than here: paths in them have to be absolute."""
        ...

    def map(
        self, work: Work[J, R], jobs: Iterable[J], *, ordered: bool = False, at_most: int | None = None
    ) -> Iterator[R]:
        """Yield the results of every job, several of one that had to be divided.

        Parameters
        ----------
        work : Work
            What is done.
        jobs : iterable
            Taken as they are needed.
        ordered : bool
            Whether results come in the order of the jobs.
        at_most : int, optional
            As many processes of this machine as pay.

        Raises
        ------
        WorkerError
            Where there are no workers any more.
        """
        ...


@dataclass(frozen=True)
class Local:
    """Processes of this machine; with one worker and no limit, this process itself."""

    workers: int
    limit: float | None = None
    shared: ClassVar[bool] = False

    def map(
        self, work: Work[J, R], jobs: Iterable[J], *, ordered: bool = False, at_most: int | None = None
    ) -> Iterator[R]:
        """As `Engine.map`."""
        workers = min(self.workers, at_most or self.workers)
        if self.limit is not None:
            return self._guard(work, jobs, workers, ordered)
        return map(work.run, jobs) if workers == 1 else _outlive(work, jobs, workers, ordered)

    def _guard(self, work: Work[J, R], jobs: Iterable[J], workers: int, ordered: bool) -> Iterator[R]:
        """Let threads of this process supervise a child each."""
        job = partial(guarded, work, self.limit)
        try:
            yield from chain.from_iterable(map_jobs(job, jobs, workers=workers, ordered=ordered, threads=True))
        finally:
            end_children()


def _outlive(work: Work[J, R], jobs: Iterable[J], workers: int, ordered: bool) -> Iterator[R]:
    """Map over processes; where one dies and takes the others with it, do by itself what was under way, and go on."""
    taken: dict[int, J] = {}

    def note() -> Iterator[tuple[int, J]]:
        for number, job in source:
            taken[number] = job
            yield number, job

    source, gone = enumerate(jobs), True
    try:
        while gone:
            gone = False
            try:
                for number, result in map_jobs(partial(_numbered, work.run), note(), workers=workers, ordered=ordered):
                    del taken[number]
                    yield result
            except WorkerError:
                gone = True
            for number in sorted(taken):
                yield from guarded(work, None, taken.pop(number))
    finally:
        end_children()


def _numbered(run: Callable[[J], R], numbered: tuple[int, J]) -> tuple[int, R]:
    number, job = numbered
    return number, run(job)


@contextmanager
def open_engine(setup: Setup, workers: int | None = None) -> Iterator[Engine]:
    """Make an engine ready, and let go of it.

    Parameters
    ----------
    setup : Setup
        Which.
    workers : int, optional
        Processes of this machine; one a core by default. Of no meaning for a scheduler that has workers of its own.

    Raises
    ------
    MissingExtraError
        `dask` is not installed.
    WorkerError
        No scheduler answers, it has no workers, or one is named without `dask`.
    """
    if setup.engine == "local":
        if setup.scheduler:
            raise WorkerError("--scheduler names a Dask scheduler; it goes with --engine dask")
        yield Local(workers or cores(), setup.shard_timeout)
        return
    from pipelines.engine_dask import connect

    with connect(setup.scheduler, workers or cores(), setup.shard_timeout or _PATIENCE) as engine:
        yield engine
