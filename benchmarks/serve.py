"""What the server answers on one core: requests a second, at overload, and its memory over many requests.

`python cli.py serve --jobs 1` is started on one core of its own (the last; the client takes the others, where there are
any) and is sent images of a data set as raw JPEG by a client that keeps its connections. At overload there are more
connections than `--max-concurrent`; one that is sent away tries again after 0.1 s. Figures are of whole requests, seen
from the client.

    python -m benchmarks.serve -o benchmarks/results/serve.json
"""

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.record import DATA, ROOT, judge, make_parser, scratch, unpack, write
from models.bundle import resolve

__all__ = ["GROWTH", "Server", "main", "measure", "running"]

GROWTH: Final = 1.05
"""Memory at the end is at most this many times that after the first thousand requests."""

_LOADS: Final = (1, 8, 64)
_IMAGES = 500
_FIRST = 1000
_PAUSE = 0.1  # seconds before a connection that was sent away tries again
_START = 120.0
_REFUSED: Final = (429, 503)


class Answer(NamedTuple):
    """The status of an answer, 0 where the connection was closed instead, and the seconds that it took."""

    status: int
    seconds: float


@dataclass(frozen=True)
class Server:
    """A server that runs in a process of its own.

    Attributes
    ----------
    process : Popen
        The process.
    address : str
        Where it answers.
    log : Path
        What it says: a line for each answer.
    """

    process: "subprocess.Popen[bytes]"
    address: str
    log: Path

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.address.rsplit(":", 1)[1])

    def memory(self) -> dict[str, float]:
        """Give the resident memory of the front and of its worker, in MiB."""
        return {part: _resident(pid) for part, pid in self._parts().items()}

    def processor(self) -> float:
        """Give the processor time of both since they started, in seconds."""
        return sum(_processor(pid) for pid in self._parts().values())

    def _parts(self) -> dict[str, int]:
        pid = self.process.pid
        (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {"front": pid, "worker": int(worker)}


def _resident(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _processor(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(model: str, folder: Path, *options: str) -> Iterator[Server]:
    """Run `serve` with one worker on the last core, and this process on the others, until the block is left."""
    cores = os.sched_getaffinity(0)
    last = {max(cores)}
    command = [sys.executable, str(ROOT / "cli.py"), "serve", "--port", "0", "--jobs", "1", "--model", model, *options]
    os.sched_setaffinity(0, last)
    with (folder / "serve.log").open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors, cwd=folder)
    os.sched_setaffinity(0, cores - last or cores)
    try:
        yield Server(process, _address(process, folder / "serve.log"), folder / "serve.log")
    finally:
        process.terminate()
        process.wait(60)
        os.sched_setaffinity(0, cores)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until a server can judge; give its address."""
    until = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
        with suppress(OSError, IndexError):
            address = log.read_text().split("answers at ")[1].split("/ ")[0]
            urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
            return address
    raise RuntimeError(f"the server did not start: {log.read_text()}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=[DATA], help=f"data sets (default: {DATA})")
    parser.add_argument("--model", default="fast", help="a detector that ships, or the path of a bundle")
    parser.add_argument("--seconds", type=float, default=20, help="of each load (default: 20)")
    parser.add_argument("--requests", type=int, default=200_000, help="of the long run (default: 200000)")
    parser.add_argument("--max-concurrent", type=int, default=64, help="of the server (default: 64)")
    options = parser.parse_args(arguments)
    figures = measure(
        options.data, options.model, seconds=options.seconds, requests=options.requests, places=options.max_concurrent
    )
    write(options.output, "serve", arguments, figures)


def measure(sources: Sequence[str], model: str, *, seconds: float, requests: int, places: int) -> dict[str, Any]:
    """Measure all of it; JSON values, times in milliseconds, memory in MiB.

    Parameters
    ----------
    sources : sequence of str
        Data sets.
    model : str
        A detector that ships, or the path of a bundle.
    seconds : float
        How long each load lasts.
    requests : int
        How many the long run has.
    places : int
        Requests at a time that the server takes.
    """
    with scratch() as folder:
        bodies = [Path(path).read_bytes() for path in unpack(sources, _IMAGES, folder / "images")]
        found = str(resolve(model).absolute())
        with running(found, folder, "--max-concurrent", str(places)) as server:
            sent = [_request(body) for body in bodies]
            _load(server.port, sent, 1, seconds, most=50)  # the first answers do not count
            loads = {str(count): _figures(_load(server.port, sent, count, seconds)) for count in _LOADS}
            overload = _overload(server.port, sent, 2 * places, seconds)
            memory = _memory(server, sent, requests)
    return {
        "model": json.loads((resolve(model) / "manifest.json").read_text())["name"],
        "images": len(bodies),
        "bytes": float(np.median([len(body) for body in bodies])),
        "seconds": seconds,
        "connections": loads,
        "overload": {"max_concurrent": places, **overload},
        "memory": memory,
    }


def _request(body: bytes) -> bytes:
    head = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _load(
    port: int, sent: Sequence[bytes], connections: int, seconds: float, most: int | None = None
) -> tuple[list[Answer], float]:
    """Send requests over some connections, one after another on each, for a time or up to a number."""
    return asyncio.run(_load_all(port, sent, connections, seconds, most))


async def _load_all(
    port: int, sent: Sequence[bytes], connections: int, seconds: float, most: int | None
) -> tuple[list[Answer], float]:
    answers: list[Answer] = []
    source = itertools.islice(itertools.cycle(sent), most)
    began = perf_counter()
    await asyncio.gather(*(_connection(port, source, began + seconds, answers) for _ in range(connections)))
    return answers, perf_counter() - began


async def _connection(port: int, source: Iterator[bytes], end: float, answers: list[Answer]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in source:
        began = perf_counter()
        try:
            status = await _ask(reader, writer, request)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        answers.append(Answer(status, perf_counter() - began))
        if status != 200:
            await asyncio.sleep(_PAUSE)
        if not status:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if perf_counter() > end:
            break
    writer.close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request and read its answer; give its status."""
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(None, 2)[1])


def _figures(run: tuple[list[Answer], float]) -> dict[str, float]:
    """Sum up a run of which every request should have been answered."""
    answers, seconds = run
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError(f"answers other than 200: {Counter(answer.status for answer in answers)}")
    return {"requests": len(answers), "requests_per_second": len(answers) / seconds, **_spread(answers)}


def _spread(answers: Sequence[Answer]) -> dict[str, float]:
    took = [1000 * answer.seconds for answer in answers] or [0.0]
    return dict(zip(("p50", "p99"), map(float, np.quantile(took, [0.5, 0.99])), strict=True))


def _overload(port: int, sent: Sequence[bytes], connections: int, seconds: float) -> dict[str, Any]:
    """Ask for more than is served, and then for little: what is refused, how soon, and what comes afterwards."""
    answers, took = _load(port, sent, connections, seconds)
    after, _ = _load(port, sent, 1, 60.0, most=50)
    done = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status in _REFUSED]
    return {
        "connections": connections,
        "answers": {str(status): count for status, count in sorted(Counter(one.status for one in answers).items())},
        "served_per_second": len(done) / took,
        "served": _spread(done),
        "refused_share": len(refused) / len(answers),
        "refused": _spread(refused) if refused else None,
        "afterwards": {
            "served_share": sum(answer.status == 200 for answer in after) / len(after),
            "first": 1000 * after[0].seconds,
            **_spread(after),
        },
    }


def _memory(server: Server, sent: Sequence[bytes], requests: int) -> dict[str, Any]:
    """Send many requests over eight connections; memory after the first thousand, and at the end."""
    first = min(_FIRST, requests // 2)
    began = perf_counter()
    _load(server.port, sent, 8, float("inf"), most=first)
    before = server.memory()
    answers, _ = _load(server.port, sent, 8, float("inf"), most=requests - first)
    after = server.memory()
    return {
        "requests": first + len(answers),
        "seconds": perf_counter() - began,
        "failed": sum(answer.status != 200 for answer in answers),
        "first": first,
        "mebibytes": {part: [before[part], after[part]] for part in before},
        "growth": {part: judge([after[part] / before[part]], at_most=GROWTH) for part in before},
    }


if __name__ == "__main__":
    main()
