"""What all answers of the server have in common: their headers, the form of errors, a line in the log."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import FauxfaceError, WorkerError
from pipelines.serve_metrics import Metrics
from pipelines.serve_uploads import RefusedError
from pipelines.serve_workers import BusyError, SlowError

__all__ = ["NO_STORE", "RETRY", "UNREADABLE", "Watched", "refuse"]

NO_STORE: Final = {"Cache-Control": "no-store"}
"""A header: what is answered is kept nowhere."""

RETRY: Final = {"Retry-After": "1"}
"""A header: when to try again, in seconds."""

UNREADABLE: Final = 422
"""The status of what was understood and cannot be done."""

_HEADERS: Final = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    b" media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
_COUNTED: Final = ("/", "/v1/score", "/v1/explain", "/v1/models", "/healthz", "/readyz", "/metrics", "/docs")


async def refuse(_: Request, error: Exception) -> Response:
    """Answer an error in the one form that all have."""
    status, kind, headers = _kind(error)
    message = str(error) if status != 500 or isinstance(error, RefusedError) else "a defect of the server"
    if isinstance(error, RequestValidationError):
        message = "; ".join(f"{one['loc'][-1]}: {one['msg']} (got {one['input']!r})" for one in error.errors())
    if isinstance(error, HTTPException):
        message = str(error.detail)
    return JSONResponse({"error": {"type": kind, "message": message}}, status, {**NO_STORE, **headers})


def _kind(error: Exception) -> tuple[int, str, Mapping[str, str]]:
    """Give the status, the kind and the headers of the answer to an error."""
    if isinstance(error, RefusedError):
        return error.status, error.kind, error.headers or {}
    if isinstance(error, HTTPException):
        return error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"), error.headers or {}
    if isinstance(error, RequestValidationError):
        return UNREADABLE, "bad_parameter", {}
    if isinstance(error, WorkerError):
        kind = {BusyError: "busy", SlowError: "too_slow"}.get(type(error), error.code)
        return 503, kind, RETRY
    if isinstance(error, FauxfaceError):
        return UNREADABLE, error.code, {}
    return 500, "defect", {}


class Watched:
    """Sets the headers of every answer, counts it, and logs its sizes and status: nothing of what was sent.

    Parameters
    ----------
    app : ASGI application
        What answers.
    metrics : Metrics
        What counts.
    log : callable
        Takes a line for each answer.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log: Callable[[str], None]) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, sent = time.perf_counter(), 500, 0

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS.items()]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._note(scope, status, sent, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in _COUNTED else "other"
        received = scope.get("fauxface.received", 0)
        self._metrics.note(path, status, received, seconds)
        self._log(f"{scope['method']} {path} {status} {received} in {sent} out {1000 * seconds:.1f} ms")
