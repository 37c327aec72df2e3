"""A server in a process of its own, and a client that asks it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Server", "form", "serving"]

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 90.0  # seconds for a start


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"]["type"])


@dataclass
class Server:
    """A server that runs, and what it said on standard error."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: bytes | None = None, kind: str | None = None, **headers: str) -> Answer:
        """Ask for a path; with a body it is a POST, of an image unless told otherwise."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            said["Content-Type"] = kind or "image/jpeg"
        request = urllib.request.Request(self.address + path, data=body, headers=said)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def workers(self) -> list[int]:
        """List its child processes."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def wait(self) -> None:
        """Wait until it can judge."""
        until = time.monotonic() + PATIENCE
        while self.ask("/readyz").status != 200:
            assert time.monotonic() < until, "the server was not ready in time"
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask it to end; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serving(folder: Path, *options: str, env: Mapping[str, str] | None = None, ready: bool = True) -> Iterator[Server]:
    """Run `serve` on a free port, with one worker and the detector `fast` unless told otherwise."""
    log = folder / f"{uuid.uuid4().hex}.log"
    usual = [*([] if "--jobs" in options else ["--jobs", "1"]), *([] if "--model" in options else ["--model", "fast"])]
    command = [sys.executable, str(ROOT / "cli.py"), "serve", "--port", "0", *usual, *options]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors, cwd=folder, env={**os.environ, **(env or {})})
    server = Server(process, log)
    try:
        until = time.monotonic() + PATIENCE
        while "answers at" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        server.address = said.split("answers at ")[1].split("/ ")[0]
        if ready:
            server.wait()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def form(files: Sequence[tuple[str, bytes]], kind: str = "application/octet-stream") -> tuple[bytes, str]:
    """Write files as a multipart form; returns its body and its content type."""
    mark = "mark-of-the-parts"
    head = f'--{mark}\r\nContent-Type: {kind}\r\nContent-Disposition: form-data; name="file"; filename='
    parts = [f'{head}"{name}"\r\n\r\n'.encode() + data + b"\r\n" for name, data in files]
    return b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"
