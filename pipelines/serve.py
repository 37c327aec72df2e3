"""Answers over HTTP what the command line answers, and has a page for people; images are judged by worker processes."""

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from features.device import require
from features.errors import BundleError, ServerError, WorkerError
from models.bundle import inspect, resolve
from pipelines.engine import cores
from pipelines.serve_uploads import Limits

if TYPE_CHECKING:
    from pipelines.serve_app import Service

__all__ = ["HOST", "MODELS", "PORT", "serve"]

HOST: Final = "127.0.0.1"
"""Where the server listens unless told otherwise: nobody else can reach it."""

PORT: Final = 8000
"""The port it listens on unless told otherwise."""

MODELS: Final = ("fast", "full")
"""The detectors that it has unless told otherwise."""

_NEEDED: Final = ("fastapi", "uvicorn", "python_multipart")
_GRACE: Final = 5.0  # seconds to end in, beyond what an image may take


def serve(
    models: Sequence[str] = MODELS,
    *,
    host: str = HOST,
    port: int = PORT,
    limits: Limits | None = None,
    token: str | None = None,
    open_to_all: bool = False,
    origins: Sequence[str] = (),
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve until the process is told to end; what runs is finished first.

    Parameters
    ----------
    models : sequence of str
        As `load_detector` takes them; the first judges unless a request names another.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    limits : Limits
        What a request may ask for.
    token : str, optional
        What clients must know.
    open_to_all : bool
        Whether others than this machine may be served without a token.
    origins : sequence of str
        Origins (`https://example.org`, `chrome-extension://...`) whose pages may read answers.
    workers : int, optional
        Processes that judge; as many as there are cores unless given.
    say : callable, optional
        Takes the address, and a line for each answer with its sizes and its status.

    Raises
    ------
    MissingExtraError
        Without the packages of the extra `serve`.
    UnknownNameError, BundleError
        As `load_detector` raises them.
    ServerError
        It cannot listen there, or may not without a token.
    WorkerError
        Worker processes do not start.
    """
    require("serve", _NEEDED)
    _check_models(models)
    if not (token or open_to_all or _is_loopback(host)):
        raise ServerError(f"{host} can be reached by others: give --token (or FAUXFACE_TOKEN), or --without-token")
    from pipelines.serve_app import Service
    from pipelines.serve_workers import Pool

    limits = limits or Limits()
    pool = Pool(models, workers or cores(), max_pixels=limits.max_pixels, timeout=limits.timeout)
    with closing(_listen(host, port)) as listener:
        say(f"fauxface answers at {_address(listener)} with {', '.join(models)}; {pool.count} workers are starting")
        _run(Service(pool, models, limits, token or None, origins, say), listener)
    if pool.failed.is_set():
        raise WorkerError("worker processes do not start; what they said stands above")


def _check_models(models: Sequence[str]) -> None:
    names = [inspect(resolve(model))["name"] for model in models]
    if len(set(models)) < len(models) or not models:
        raise BundleError(f"expected detectors that differ, not {', '.join(names) or 'none'}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((address[0], port), family=family, backlog=512)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or answers wait 40 ms on kept connections
        return listener
    except (OSError, OverflowError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise ServerError(f"cannot listen on {host} port {port}: {cause.lower()}") from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _run(service: "Service", listener: socket.socket) -> None:
    """Answer until a signal comes, which is the usual end."""
    import uvicorn

    from pipelines.serve_app import build
    from pipelines.serve_protocol import HEAD_SECONDS, timed

    config = uvicorn.Config(
        build(service),
        http=timed(min(HEAD_SECONDS, service.limits.timeout)),
        access_log=False,
        log_config=None,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=round(service.limits.timeout + _GRACE),
    )
    server = uvicorn.Server(config)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        asyncio.run(_until_failed(server, service, listener))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _until_failed(server: Any, service: "Service", listener: socket.socket) -> None:
    async def watch() -> None:
        await service.pool.failed.wait()
        server.should_exit = True

    watching: asyncio.Task[None] = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
