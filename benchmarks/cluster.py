"""A Dask cluster of this machine for the scripts, as one starts it by hand, and the memory of its processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.record import ROOT
from pipelines.engine_dask import QUIET

__all__ = ["Machine", "megabytes", "start"]

_DASK: Final = str(Path(sys.executable).parent / "dask")
_PATIENCE: Final = 60.0
_SETTINGS: Final = {f"DASK_{key.upper().replace('.', '__').replace('-', '_')}": f"{QUIET[key]}" for key in QUIET}


@dataclass(frozen=True)
class Machine:
    """A scheduler with workers of one thread each, every one under a nanny that starts it again.

    Attributes
    ----------
    address : str
        Of the scheduler.
    scheduler : int
        Its process.
    """

    address: str
    scheduler: int

    def workers(self) -> list[int]:
        """Give the processes of the workers that are there, in no order."""
        from distributed import Client

        with Client(self.address, timeout=_PATIENCE) as client:
            return list(client.run(os.getpid).values())

    def wait(self, workers: int) -> None:
        """Wait until that many workers are there; raises TimeoutError."""
        from distributed import Client

        with Client(self.address, timeout=_PATIENCE) as client:
            client.wait_for_workers(workers, timeout=_PATIENCE)


@contextmanager
def start(folder: Path, workers: int = 2) -> Iterator[Machine]:
    """Start a scheduler and workers as processes of their own; they are gone afterwards.

    Parameters
    ----------
    folder : Path
        For what they write.
    workers : int
        How many.
    """
    address = f"tcp://127.0.0.1:{_free_port()}"
    options = ("--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(folder))
    with ExitStack() as stack:
        scheduler = _run(stack, folder, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])
        _run(stack, folder, "worker", address, *options)
        machine = Machine(address, scheduler.pid)
        machine.wait(workers)
        yield machine


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def _run(stack: ExitStack, folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [_DASK, *arguments, "--no-dashboard"],
        cwd=folder,
        env={**os.environ, **_SETTINGS, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    stack.callback(process.wait)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process group to end, which closes its files, and kill what is left."""
    process.terminate()
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def megabytes(pid: int) -> dict[str, float]:
    """Read the memory of a process, in units of 10**6 bytes: `now` and `peak`, of the resident set (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.split() for line in lines}
    return {name: 1024 * int(found[key][1]) / 1e6 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}
