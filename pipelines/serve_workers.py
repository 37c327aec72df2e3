"""The worker processes of the server: each judges one image at a time; one that dies or hangs is replaced."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from features.errors import WorkerError
from pipelines.serve_wire import LENGTHS, Message, Setting, pack, unpack

__all__ = ["BusyError", "Pool", "SlowError"]

_ROOT: Final = Path(__file__).resolve().parents[1]
_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_START: Final = 120.0  # seconds in which a worker has to be ready
_END: Final = 5.0  # seconds in which it has to end
_PAUSE: Final = 1.0  # seconds before another is started in the place of one that never got ready
_TRIES: Final = 3  # starts in a row that may fail
_DEATHS: Final = 2  # workers that an image may cost before it is given up
_BUFFER: Final = 1 << 20


class BusyError(WorkerError):
    """No worker process was free in time."""


class SlowError(WorkerError):
    """An image took longer than it may."""


class _Worker:
    """A process, and what it said when it was ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.busy = self.killed = False

    @property
    def alive(self) -> bool:
        return not self.killed and self.process.returncode is None

    async def ask(self, head: Mapping[str, Any], body: bytes) -> Message:
        assert self.process.stdin is not None
        self.process.stdin.write(pack(dict(head), body))
        self.process.stdin.write(body)
        await self.process.stdin.drain()
        return await self.hear()

    async def hear(self) -> Message:
        assert self.process.stdout is not None
        head, body = LENGTHS.unpack(await self.process.stdout.readexactly(LENGTHS.size))
        return unpack(await self.process.stdout.readexactly(head), await self.process.stdout.readexactly(body))

    def kill(self) -> None:
        self.killed = True
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Let it finish: it ends when nothing more can come."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(_END):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()


class Pool:
    """Worker processes that judge images.

    Parameters
    ----------
    models : sequence of str
        What each loads.
    count : int
        How many there are.
    max_pixels : int
        The most pixels an image may announce.
    timeout : float
        Seconds that an image may wait for a worker, and seconds that it may take.

    Attributes
    ----------
    models : list of dict
        What the first worker that was ready said of its detectors.
    restarts : int
        How many were started in the place of others.
    failed : asyncio.Event
        Set where workers cannot be started at all.
    """

    def __init__(self, models: Sequence[str], count: int, *, max_pixels: int, timeout: float) -> None:
        self._setting = Setting(list(models), max_pixels, os.getpid())
        self._timeout = timeout
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: list[_Worker | None] = [None] * count
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.models: list[dict[str, Any]] = []
        self.restarts = 0
        self.failed = asyncio.Event()

    @property
    def count(self) -> int:
        """How many workers there should be."""
        return len(self._workers)

    @property
    def ready(self) -> int:
        """How many workers are there and loaded."""
        return sum(worker is not None and worker.alive for worker in self._workers)

    @property
    def busy(self) -> int:
        """How many workers judge an image right now."""
        return sum(worker is not None and worker.busy for worker in self._workers)

    def start(self) -> None:
        """Start all workers; they are not waited for."""
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self.count)]

    async def stop(self) -> None:
        """End all workers, and wait until none is left."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._workers if worker))

    async def run(self, head: Mapping[str, Any], body: bytes) -> Message:
        """Have one image judged.

        Parameters
        ----------
        head : mapping
            What to do, as `serve_worker.answer` takes it.
        body : bytes
            The image.

        Raises
        ------
        BusyError
            No worker was free in time.
        SlowError
            It took longer than it may; the worker was killed and is replaced.
        WorkerError
            Two workers died over it, and are replaced.
        """
        for _ in range(_DEATHS):  # the first may have died of something else
            if (reply := await self._judge(head, body)) is not None:
                return reply
        raise WorkerError("the process that judged the image died, and so did a second; others take their places")

    async def _judge(self, head: Mapping[str, Any], body: bytes) -> Message | None:
        """Have the next free worker judge; None where it died."""
        worker = await self._take()
        worker.busy = True
        try:
            async with asyncio.timeout(self._timeout):
                reply = await worker.ask(head, body)
        except TimeoutError as error:
            worker.kill()
            raise SlowError(f"the image took longer than {self._timeout:g} seconds") from error
        except (OSError, asyncio.IncompleteReadError):
            worker.kill()
            return None
        except asyncio.CancelledError:
            worker.kill()  # its answer would be taken for that of the next image
            raise
        finally:
            worker.busy = False
        self._idle.put_nowait(worker)
        return reply

    async def _take(self) -> _Worker:
        try:
            async with asyncio.timeout(self._timeout):
                while not (worker := await self._idle.get()).alive:
                    pass
                return worker
        except TimeoutError as error:
            raise BusyError(f"no worker was free within {self._timeout:g} seconds") from error

    async def _keep(self, slot: int) -> None:
        """Have a worker in this slot, whatever becomes of it."""
        failures = 0
        while failures < _TRIES:
            if await self._open(slot):
                failures = 0
                worker = self._workers[slot]
                assert worker is not None
                await worker.process.wait()
            else:
                failures += 1
                await asyncio.sleep(_PAUSE)
            self.restarts += 1
        self.failed.set()

    async def _open(self, slot: int) -> bool:
        """Start a worker and wait until it is ready; tell whether it came to that."""
        worker = _Worker(await self._spawn())
        self._workers[slot] = None
        try:
            async with asyncio.timeout(_START):
                said = await worker.hear()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            worker.kill()
            await worker.process.wait()
            return False
        except asyncio.CancelledError:
            worker.kill()
            await worker.process.wait()
            raise
        self.models = said.head["models"]
        self._workers[slot] = worker
        self._idle.put_nowait(worker)
        return True

    async def _spawn(self) -> asyncio.subprocess.Process:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what lies in the folder that the server runs in is none of its modules
            "-m",
            "pipelines.serve_worker",
            json.dumps(asdict(self._setting)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_BUFFER,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
        )
