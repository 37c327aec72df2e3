"""Maps jobs over the workers of a Dask cluster.

A worker supervises a child process that does the job (`engine_faults`), so that neither a crash nor a hang takes the
worker with it; a job whose worker is lost goes to another. Only a few jobs are with the scheduler at a time: its memory
does not grow with the data set.
"""

import hashlib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar

from features.errors import FeatureMismatchError, ImageError, MissingExtraError, WorkerError
from features.framing import FRAMING
from features.profiles import feature_set
from features.source import read_bytes
from pipelines import __version__
from pipelines.engine_faults import Work, end_children, guarded, in_child

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["QUIET", "Cluster", "connect"]

J = TypeVar("J")
R = TypeVar("R")

QUIET: Final = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "500ms",
}
"""Settings of Dask with which its processes look at themselves less often, on cores that jobs would have.
`docs/scale.md` gives them to those who start a cluster by hand."""

_AHEAD: Final = 2  # jobs a thread that the scheduler holds
_RETRIES: Final = 2
_PATIENCE: Final = 30.0  # seconds to wait for a first worker, and between two looks whether any is left
_LOOK: Final = 2.0  # seconds between two looks whether those are there that work together
_GO_ON: Final = "what is done stays; run the command again to go on"
_SHARE: Final = "all machines have to reach images, stores and bundles under the same paths"


class _Needs(NamedTuple):
    """What a worker has to agree on: what this version measures, and files with their sha256."""

    version: str
    features: str
    framing: str
    files: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, paths: Iterable[str]) -> "_Needs":
        files = tuple((path, sha256) for path in paths if (sha256 := _sha256(path)))
        return cls(__version__, feature_set("fast").digest, FRAMING, files)


@dataclass(frozen=True, eq=False)
class Cluster:
    """The workers of a Dask scheduler."""

    client: "Client"
    limit: float
    shared: ClassVar[bool] = True

    @property
    def workers(self) -> int:
        """How many threads all workers have together, at least 1."""
        return sum(self.client.nthreads().values()) or 1

    @property
    def threads(self) -> dict[str, int]:
        """How many threads each worker has, by its address."""
        return dict(sorted(self.client.nthreads().items()))

    def together(self, run: Callable[[J], R], jobs: Sequence[J], needs: Iterable[str] = ()) -> list[R]:
        """Run jobs that need each other at the same time, the first on the first worker of `threads`, and so on.

        Parameters
        ----------
        run : callable
            A function at the top level of a module, or a `partial` of one; it runs in a child of the worker.
        jobs : sequence
            As many as there are workers at most.
        needs : iterable of str
            As `Work.needs`.

        Raises
        ------
        WorkerError
            A process died, or a worker is gone; the others are ended. Whatever a job raises ends the others too.
        """
        places, wanted = list(self.threads)[: len(jobs)], _Needs.of(needs)
        done: SimpleQueue[int] = SimpleQueue()
        futures: list[Future[Any]] = []
        try:
            for number, (job, place) in enumerate(zip(jobs, places, strict=True)):
                (sent,) = self.client.scatter([job], workers=[place], hash=False)
                futures.append(self.client.submit(_alone, wanted, run, sent, workers=[place], pure=False))
                futures[-1].add_done_callback(lambda _, number=number: done.put(number))
            results = {number: self._take(futures[number]) for number in self._each(done, places)}
        except BaseException as error:
            gone = self._end(futures, places)
            if gone and isinstance(error, WorkerError):
                raise WorkerError(f"the worker at {gone[0]} is gone; run the command again") from error
            raise
        return [results[number] for number in range(len(jobs))]

    def _each(self, done: SimpleQueue[int], places: Sequence[str]) -> Iterator[int]:
        """Wait for one job of each worker, as long as all of them are there."""
        left = len(places)
        while left:
            try:
                yield done.get(timeout=_LOOK)
                left -= 1
            except Empty:
                if not set(places) <= set(self.threads):
                    raise WorkerError("a worker is gone") from None

    def _end(self, futures: "Sequence[Future[Any]]", places: Sequence[str]) -> list[str]:
        """End jobs and the processes that do them; gives the workers that are gone."""
        there = set(places)
        with suppress(Exception):
            there &= set(self.threads)
            self.client.cancel(futures)
            self.client.run(end_children, workers=sorted(there))
        return [place for place in places if place not in there]

    def map(
        self, work: Work[J, R], jobs: Iterable[J], *, ordered: bool = False, at_most: int | None = None
    ) -> Iterator[R]:
        """As `Engine.map`; `at_most` has no meaning here."""
        done = self._run(work, jobs)
        for _, results in _in_order(done) if ordered else done:
            yield from results

    def _run(self, work: Work[J, R], jobs: Iterable[J]) -> Iterator[tuple[int, list[R]]]:
        """Yield the results of jobs with their numbers, as they come."""
        source, running = enumerate(jobs), dict[int, "Future[Any]"]()
        done: SimpleQueue[int] = SimpleQueue()
        needs = _Needs.of(work.needs)
        try:
            while True:
                for number, job in islice(source, max(_AHEAD * self.workers - len(running), 0)):
                    future = self.client.submit(_task, needs, work, self.limit, job, pure=False, retries=_RETRIES)
                    running[number] = future
                    future.add_done_callback(lambda _, number=number: done.put(number))
                if not running:
                    return
                number = self._next(done)
                results = self._take(running[number])
                running.pop(number).release()
                yield number, results
        finally:
            if running:  # the scheduler tells every client what is cancelled, be it nothing
                with suppress(Exception):
                    self.client.cancel(list(running.values()))

    def _next(self, done: SimpleQueue[int]) -> int:
        """Wait for a job to end, as long as there are workers."""
        absent = False
        while True:
            try:
                return done.get(timeout=_PATIENCE)
            except Empty:
                if absent and not self.client.nthreads():
                    raise WorkerError(f"no worker is left at {_address(self.client)}; {_GO_ON}") from None
                absent = not self.client.nthreads()

    def _take(self, future: "Future[Any]") -> Any:
        """Give the result of a job that ended; raises what it raised."""
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerError(f"four workers were lost over one job, perhaps for lack of memory; {_GO_ON}") from error
        except CancelledError as error:
            raise WorkerError(f"the scheduler at {_address(self.client)} was lost; {_GO_ON}") from error


@contextmanager
def connect(scheduler: str | None, workers: int, limit: float) -> Iterator[Cluster]:
    """Connect to a scheduler, or start `workers` processes of this machine as a cluster.

    Parameters
    ----------
    scheduler : str, optional
        Its address, such as `tcp://10.0.0.1:8786`.
    workers : int
        Processes of one thread each, where none is named.
    limit : float
        Seconds that a job may take.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    WorkerError
        No scheduler answers there, or it has no workers.
    """
    try:
        import dask
        from distributed import LocalCluster

        from pipelines.engine_plugin import EndChildren
    except ImportError as error:
        raise MissingExtraError("dask", "cluster") from error
    with ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(dask.config.set(QUIET))
            started = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")
            scheduler = stack.enter_context(started).scheduler_address
        try:
            client = stack.enter_context(_client(scheduler))
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise WorkerError(f"{scheduler} has no workers; start some with: dask worker {scheduler}") from error
        except (OSError, ValueError) as error:
            raise WorkerError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        client.register_plugin(EndChildren())
        yield Cluster(client, limit)


def _client(scheduler: str) -> "Client":
    """Connect, once more where news for all clients came along with the greeting, which Dask takes for an error."""
    from distributed import Client

    with suppress(AssertionError):
        return Client(scheduler, timeout=_PATIENCE)
    return Client(scheduler, timeout=_PATIENCE)


def _address(client: "Client") -> str:
    return str(getattr(client.scheduler, "address", "its address"))


def _in_order(done: Iterator[tuple[int, R]]) -> Iterator[tuple[int, R]]:
    """Put numbered results in order."""
    early: dict[int, R] = {}
    turn = 0
    for number, results in done:
        early[number] = results
        while turn in early:
            yield turn, early.pop(turn)
            turn += 1


def _task(needs: _Needs, work: Work[J, R], limit: float, job: J) -> list[R]:
    _check(needs)
    return guarded(work, limit, job)


def _alone(needs: _Needs, run: Callable[[J], R], job: J) -> R:
    _check(needs)
    return in_child(run, job)


@lru_cache(maxsize=4)
def _check(needs: _Needs) -> None:
    """Compare a worker, once, with the machine that sent its jobs."""
    here = _Needs.of(())
    worker = f"the worker on {socket.gethostname()}"
    if here[:3] != needs[:3]:
        raise FeatureMismatchError(
            f"{worker} has fauxface {here.version}, which measures otherwise than {needs.version} here"
            f" (features {here.features[:12]} and {needs.features[:12]}); install the same version on both"
        )
    for path, sha256 in needs.files:
        if (found := _sha256(path)) != sha256:
            cause = "it finds another file there" if found else "it cannot read it"
            raise WorkerError(f"{worker} does not see {path} as this machine does: {cause}; {_SHARE}")


def _sha256(path: str) -> str | None:
    """Hash a file; None where it cannot be read."""
    with suppress(ImageError):
        return hashlib.sha256(read_bytes(path)).hexdigest()
    return None
