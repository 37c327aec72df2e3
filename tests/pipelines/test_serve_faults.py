"""What may befall a server: clients that dawdle, workers that die, requests that nobody would write."""

import asyncio
import hmac
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from features.errors import WorkerError
from pipelines.serve_uploads import Limits, RefusedError
from pipelines.serve_workers import Pool
from tests.images import jpeg, photo
from tests.portraits import portrait
from tests.serving import Server, serving

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

WHOLE = jpeg(photo(1))
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), "--jobs", "2", "--timeout", "2") as running:
        yield running


def connect(server: Server) -> socket.socket:
    host, port = server.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


@pytest.mark.parametrize("sent", [b"", b"PO", HEAD, HEAD + b"\r\nabc"])
def test_who_dawdles_is_let_go_and_others_are_served(server: Server, sent: bytes) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(40)]
        for one in slow:
            one.sendall(sent)
        assert server.ask("/v1/score?faces=off", WHOLE).status == 200
        began = time.monotonic()
        answers = [one.recv(100) for one in slow]
        assert time.monotonic() - began < 10
    wanted = b"HTTP/1.1 408" if sent.endswith(b"abc") else b""
    assert {answer[: len(wanted)] for answer in answers} == {wanted}
    assert all(bool(answer) == bool(wanted) for answer in answers)


def test_a_head_that_trickles_on_a_kept_connection_ends_too(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4000).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 15:
                client.sendall(b"G")
                time.sleep(0.2)
        assert time.monotonic() - began < 10


def test_a_connection_that_is_used_stays(server: Server) -> None:
    kept = HTTPConnection(server.address.removeprefix("http://"), timeout=20)
    kept.connect()
    first = kept.sock
    for _ in range(4):
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b'{"status":"ok"}'
        time.sleep(0.8)
    assert kept.sock is first
    kept.close()


def restarted(server: Server, old: int) -> None:
    """Wait until another is ready in the place of a worker."""
    while old in server.workers() or server.ask("/readyz").json["ready"] < 2:
        time.sleep(0.05)


def test_a_worker_that_dies_costs_no_request(tmp_path: Path) -> None:
    face, chance = jpeg(portrait()), random.Random(0)
    with serving(tmp_path, "--jobs", "2") as server, ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(server.ask, "/v1/score", face) for _ in range(120)]
        for _ in range(3):
            time.sleep(0.2)
            os.kill(victim := chance.choice(server.workers()), signal.SIGKILL)
            restarted(server, victim)
        answers = [one.result() for one in asked]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert "fauxface_worker_restarts_total 3" in server.ask("/metrics").body.decode()


def test_an_image_that_kills_two_workers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[bytes] = []

    async def die(pool: Pool, head: Mapping[str, Any], body: bytes) -> None:
        killed.append(body)

    monkeypatch.setattr(Pool, "_judge", die)
    pool = Pool(["fast"], 1, max_pixels=1, timeout=1)
    with pytest.raises(WorkerError, match="and so did a second"):
        asyncio.run(pool.run({}, b"x"))
    assert killed == [b"x", b"x"]


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def note(given: bytes, own: bytes) -> bool:
        compared.append((given, own))
        return given == own

    monkeypatch.setattr(hmac, "compare_digest", note)
    from pipelines.serve_app import Service

    service = Service(Pool(["fast"], 1, max_pixels=1, timeout=1), ["fast"], Limits(), "secret")
    for said in ("", "Bearer s", "Bearer secret2", "Basic secret"):
        with pytest.raises(RefusedError, match="wants its token"):
            service.admit(asking(said))
    service.admit(asking("Bearer secret"))
    assert [given for given, _ in compared] == [b"", b"s", b"secret2", b"secret", b"secret"]


def asking(said: str) -> Any:
    from fastapi import Request

    return Request({"type": "http", "headers": [(b"authorization", said.encode())]})


def test_no_request_that_a_machine_makes_up_finds_a_defect(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("schemathesis"))
    usual = ["--max-examples", "10", "--seed", "1", "--no-color", "--suppress-health-check", "all"]
    # what is in an image is not for a schema to say, so that some that fit it are refused
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    with serving(tmp_path) as server:
        command = [program, "run", f"{server.address}/openapi.json", *usual, *checks]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert "6 passed" in done.stdout
        assert server.ask("/v1/score?faces=off", WHOLE).status == 200
