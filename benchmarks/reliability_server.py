"""What becomes of the server when clients dawdle, send noise or ask what nobody would, and when workers die.

Each check takes how often to try and gives a JSON record: `tried`, and how many of the trials came to each outcome. The
server runs in a process of its own, as `cli.py serve` starts it.
"""

import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.record import scratch
from tests.images import encode, jpeg, photo, png
from tests.serving import Server, form, serving

__all__ = ["CHECKS", "dawdling_clients", "killed_workers", "made_up_requests", "random_uploads"]

_HANG: Final = 10.0  # seconds
_HEAD: Final = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n"
_HALVES: Final = (b"", b"PO", _HEAD[:40], _HEAD, _HEAD + b"\r\n", _HEAD + b"\r\nabc")
_EACH: Final = 50  # connections at a time, fewer than there are places


def dawdling_clients(tries: int) -> dict[str, Any]:
    """Leave requests half sent, fifty at a time: each is let go, and others are served meanwhile."""
    done: Counter[str] = Counter()
    with scratch() as folder, serving(folder, "--timeout", "2") as server:
        for trial in range(max(1, tries // _EACH)):
            with ExitStack() as stack:
                slow = [stack.enter_context(_connect(server)) for _ in range(min(tries, _EACH))]
                for one in slow:
                    one.sendall(_HALVES[trial % len(_HALVES)])
                done["another was served"] += _asked(server)[0] == 200
                for one in slow:
                    done[_let_go(one)] += 1
    return {"tried": sum(done[name] for name in ("let go", "hung")), **done}


def _connect(server: Server) -> socket.socket:
    host, port = server.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=_HANG)


def _let_go(client: socket.socket) -> str:
    try:
        client.recv(1000)
    except TimeoutError:
        return "hung"
    except OSError:
        pass
    return "let go"


def _asked(server: Server) -> tuple[int, float]:
    began = time.monotonic()
    return server.ask("/v1/score?faces=off", _GOOD["image/jpeg"]).status, time.monotonic() - began


def random_uploads(tries: int) -> dict[str, Any]:
    """Send noise, and images, zips and forms that are cut, altered or called something else."""
    chance, done, slowest = random.Random(0), Counter[str](), 0.0
    with scratch() as folder, serving(folder) as server, ThreadPoolExecutor(4) as threads:
        wanted = [_made_up(chance) for _ in range(tries)]
        for status, seconds in threads.map(lambda upload: _sent(server, *upload), wanted):
            done[str(status)] += 1
            slowest = max(slowest, seconds)
        done["defects"] += done["500"]
        done["hung"] += slowest > _HANG
        done["another was served"] += _asked(server)[0] == 200
        deaths = re.search(r"worker_restarts_total (\d+)", server.ask("/metrics").body.decode())
        assert deaths
    return {"tried": tries, **done, "workers_that_died": int(deaths[1])}


def _sent(server: Server, path: str, body: bytes, kind: str) -> tuple[int, float]:
    began = time.monotonic()
    try:
        status = server.ask(path, body, kind).status
    except OSError:
        status = 0
    return status, time.monotonic() - began


def _made_up(chance: random.Random) -> tuple[str, bytes, str]:
    """Make up a request: a path, a body, and a content type that is mostly that of the body."""
    kind, data = chance.choice([*_GOOD.items()])
    body = chance.choice(_DAMAGE)(data, chance)
    query = chance.choice(["", "?faces=off", "?faces=off&prior=0.3", "?max_fpr=0.01"])
    path = "/v1/explain" if chance.random() < 0.02 else f"/v1/score{query}"
    if chance.random() < 0.2:
        kind = chance.choice([*_GOOD, "text/plain", "image/x", ";", "a/b;=\x7f"])
    return path, body, kind


def _noise(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(4096))


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _alter(data: bytes, chance: random.Random) -> bytes:
    altered = bytearray(data)
    for _ in range(chance.randrange(1, 20)):
        altered[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(altered)


def _alter_head(data: bytes, chance: random.Random) -> bytes:
    return _alter(data[:64], chance) + data[64:]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    return data + data[chance.randrange(len(data)) :] * chance.randrange(1, 4)


_DAMAGE: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (_noise, _cut, _alter, _alter_head, _repeat)


def _zip(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _good() -> dict[str, bytes]:
    """Make a sound upload of every kind, by its content type."""
    rgb = photo(1, 128)
    images = {"image/jpeg": jpeg(rgb), "image/png": png(rgb)}
    images |= {f"image/{kind.lower()}": encode(rgb, kind) for kind in ("WEBP", "BMP", "TIFF")}
    body, kind = form([("a.jpg", images["image/jpeg"]), ("b.png", images["image/png"])])
    packed = _zip({"a.jpg": images["image/jpeg"], "b/c.webp": images["image/webp"], "d.txt": b"x"})
    return {**images, kind: body, "application/zip": packed}


_GOOD: Final = _good()


def killed_workers(tries: int) -> dict[str, Any]:
    """Kill worker processes at random moments while requests come without a pause."""
    chance, done = random.Random(0), Counter[str]()
    body = jpeg(photo(2, 600))
    with scratch() as folder, serving(folder, "--jobs", "2") as server, ThreadPoolExecutor(4) as threads:
        for _ in range(tries):
            asked = [threads.submit(server.ask, "/v1/score", body) for _ in range(20)]
            time.sleep(chance.uniform(0, 0.3))
            os.kill(victim := chance.choice(server.workers()), signal.SIGKILL)
            while victim in server.workers() or server.ask("/readyz").json["ready"] < 2:
                time.sleep(0.05)
            statuses = [one.result().status for one in asked]
            done["answered"] += statuses.count(200)
            done["lost"] += len(statuses) - statuses.count(200)
    return {"tried": tries, **done}


def made_up_requests(tries: int) -> dict[str, Any]:
    """Have schemathesis make up requests by the server's own description of itself, `tries` examples an operation."""
    with scratch() as folder, serving(folder) as server:
        program = Path(sys.executable).with_name("schemathesis")
        # no schema says what is in an image, so that some that fit it are refused
        checks = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")
        usual = ("--max-examples", str(tries), "--seed", "1", "--no-color", "--suppress-health-check", "all")
        done = subprocess.run(
            [program, "run", f"{server.address}/openapi.json", *usual, *checks],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        served = _asked(server)[0] == 200
    cases = re.search(r"(\d+) generated", done.stdout)
    failures = re.search(r"(\d+) unique failures?", done.stdout)
    assert cases, done.stdout
    return {
        "tried": int(cases[1]),
        "failures": int(failures[1]) if failures else int(done.returncode != 0),
        "another was served": int(served),
    }


CHECKS: Final[Mapping[str, tuple[Callable[[int], dict[str, Any]], int]]] = {
    "clients dawdle": (dawdling_clients, 600),
    "uploads at random": (random_uploads, 10_000),
    "workers are killed": (killed_workers, 50),
    "requests that are made up": (made_up_requests, 200),
}
"""By what is done: the check, and how often it is tried."""
