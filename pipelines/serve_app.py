"""What the server answers: routes, checks and errors. Images go to worker processes; nothing is kept."""

import asyncio
import hmac
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from features.errors import FauxfaceError, UnknownNameError, WorkerError
from models.verdict import ErrorRef, ModelRef, Verdict
from pipelines import __version__
from pipelines.render import to_line
from pipelines.serve_answers import NO_STORE, RETRY, UNREADABLE, Watched, refuse
from pipelines.serve_metrics import Metrics
from pipelines.serve_page import FILES, docs
from pipelines.serve_uploads import Limits, RefusedError, Upload, images_of, read_body
from pipelines.serve_workers import BusyError, Pool

__all__ = ["Service", "build"]

_STATUS: Final = {"image_too_large": 413, "unsupported_image": 415}

Share = Annotated[float | None, Query(gt=0, lt=1)]
Faces = Annotated[Literal["auto", "off"], Query(description="Find every face, a row each, or take every image whole.")]


@dataclass(frozen=True, eq=False)
class Service:
    """What a server is made of.

    Attributes
    ----------
    pool : Pool
        Who judges.
    models : sequence of str
        What requests may name; the first is taken unless they do.
    limits : Limits
        What a request may ask for.
    token : str or None
        What a client has to know.
    origins : sequence of str
        Other origins whose pages may read answers.
    log : callable
        Takes a line for each answer.
    """

    pool: Pool
    models: Sequence[str]
    limits: Limits
    token: str | None = None
    origins: Sequence[str] = ()
    log: Callable[[str], None] = lambda line: print(line, file=sys.stderr)
    metrics: Metrics = field(default_factory=Metrics)
    running: set[object] = field(default_factory=set)

    def admit(self, request: Request) -> None:
        """Raise RefusedError where the client does not know the token."""
        if self.token is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self.token.encode())
        if kind.lower() != "bearer" or not same:
            raise RefusedError(401, "unauthorized", "this server wants its token", {"WWW-Authenticate": "Bearer"})

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places for requests; raise RefusedError where all are taken, or nobody can judge."""
        if not self.pool.ready:
            raise RefusedError(503, "not_ready", "no worker is ready yet", RETRY)
        if len(self.running) >= self.limits.max_concurrent:
            raise RefusedError(429, "too_many_requests", "too many requests at a time; try again", RETRY)
        mark = object()
        self.running.add(mark)
        try:
            yield
        finally:
            self.running.discard(mark)


def build(service: Service) -> ASGIApp:
    """Make the application of a service; starting and ending it starts and ends its workers."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.pool.start()
        try:
            yield
        finally:
            await service.pool.stop()

    app = FastAPI(title="fauxface", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    for kind in (RefusedError, HTTPException, RequestValidationError, FauxfaceError, Exception):
        app.add_exception_handler(kind, refuse)
    _add_scoring(app, service)
    _add_states(app, service)
    _add_pages(app)
    if service.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return Watched(app, service.metrics, service.log)


def _add_scoring(app: FastAPI, service: Service) -> None:
    models = Query(description=f"One of: {', '.join(service.models)}.")

    @app.post("/v1/score", openapi_extra=_BODY, responses=_ANSWERS, summary="Verdicts on every face of every image.")
    async def score(
        request: Request,
        model: Annotated[str, models] = service.models[0],
        faces: Faces = "auto",
        prior: Share = None,
        max_fpr: Share = None,
        max_miss: Share = None,
    ) -> Response:
        head = {"faces": faces, "prior": prior, "max_fpr": max_fpr, "max_miss": max_miss}
        async with _uploaded(service, request, model) as (uploads, several):
            return await _score(service, {"task": "score", "model": model, **head}, uploads, several)

    @app.post("/v1/explain", openapi_extra=_BODY, responses=_ANSWERS, summary="Why: one image, its map and pictures.")
    async def explain(
        request: Request, model: Annotated[str, models] = service.models[0], faces: Faces = "auto"
    ) -> Response:
        async with _uploaded(service, request, model) as (uploads, several):
            if several:
                raise RefusedError(UNREADABLE, "too_many_images", "one image is explained at a time")
            head = {"task": "explain", "model": model, "faces": faces, "path": uploads[0].name}
            return Response(await _single(service, head, uploads[0]), 200, NO_STORE, "application/json")


@asynccontextmanager
async def _uploaded(service: Service, request: Request, model: str) -> AsyncIterator[tuple[list[Upload], bool]]:
    """Check a request before it is read, and read it; it holds a place until it is answered."""
    service.admit(request)
    _check_names(service, request, model)
    async with service.place():
        body = await read_body(request.stream(), request.headers.get("content-length"), service.limits)
        request.scope["fauxface.received"] = len(body)
        kind = request.headers.get("content-type", "")
        yield (
            await asyncio.to_thread(images_of, body, kind, service.limits)
            if _packed(kind, body)
            else images_of(body, kind, service.limits)
        )


def _packed(kind: str, body: bytes) -> bool:
    return not kind.startswith("image/") and bool(body)


def _check_names(service: Service, request: Request, model: str) -> None:
    """Raise UnknownNameError for a model that is not served, and for a parameter that does not exist."""
    if model not in service.models:
        raise UnknownNameError("model", model, service.models)
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise UnknownNameError("parameter", name, known)


async def _score(service: Service, head: Mapping[str, Any], uploads: Sequence[Upload], several: bool) -> Response:
    if several:
        free = asyncio.Semaphore(service.pool.count)  # so that one request does not take every worker's queue
        rows: Sequence[bytes] = await asyncio.gather(*(_row(service, head, upload, free) for upload in uploads))
    else:
        rows = [await _single(service, {**head, "path": uploads[0].name}, uploads[0])]
    return Response(b'{"results": [' + b", ".join(rows) + b"]}", 200, NO_STORE, "application/json")


async def _single(service: Service, head: Mapping[str, Any], upload: Upload) -> bytes:
    """Have one image judged; what is wrong with it is what is wrong with the request."""
    reply = await service.pool.run(head, upload.data)
    _check(reply.head)
    if error := reply.head["error"]:
        raise RefusedError(_STATUS.get(error["type"], UNREADABLE), error["type"], error["message"])
    service.metrics.rows.update(reply.head["kinds"])
    return reply.body


async def _row(service: Service, head: Mapping[str, Any], upload: Upload, free: asyncio.Semaphore) -> bytes:
    """Have one image of several judged; what is wrong with it stands in its row."""
    error: FauxfaceError | None = upload.error
    if error is None:
        try:
            async with free:
                reply = await service.pool.run({**head, "path": upload.name}, upload.data)
            _check(reply.head)
            service.metrics.rows.update(reply.head["kinds"])
            return reply.body
        except BusyError:
            raise
        except WorkerError as failure:
            error = failure
    found = next(model for model in service.pool.models if model["model"] == head["model"])
    digest = None if upload.error else sha256(upload.data).hexdigest()
    ref = ModelRef(found["name"], found["digest"])
    verdict = Verdict(upload.name, digest, None, None, None, None, ref, ErrorRef.of(error))
    service.metrics.rows["failed"] += 1
    return to_line(verdict.to_json()).encode()


def _check(head: Mapping[str, Any]) -> None:
    """Raise RefusedError where a worker could not do what was asked, whatever the image."""
    if failure := head.get("failure"):
        status = 500 if failure["type"] == "defect" else UNREADABLE
        raise RefusedError(status, failure["type"], failure["message"])


def _add_states(app: FastAPI, service: Service) -> None:
    @app.get("/v1/models", summary="The detectors that answer, the first unless one is named.")
    async def models(request: Request) -> Response:
        service.admit(request)
        if not service.pool.models:
            raise RefusedError(503, "not_ready", "no worker is ready yet", RETRY)
        return JSONResponse({"models": service.pool.models, "limits": vars(service.limits)}, 200, NO_STORE)

    @app.get("/healthz", summary="Whether the server answers.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether images can be judged: 503 until they can.")
    async def readyz() -> Response:
        ready, count = service.pool.ready, service.pool.count
        state = {"status": "ready" if ready else "starting", "workers": count, "ready": ready}
        return JSONResponse(state, 200 if ready else 503, NO_STORE if ready else {**NO_STORE, **RETRY})

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts and times, in the format of Prometheus.")
    async def metrics(request: Request) -> Response:
        service.admit(request)
        pool = service.pool
        gauges = {
            "workers": pool.count,
            "workers_ready": pool.ready,
            "workers_busy": pool.busy,
            "requests_running": len(service.running),
            "worker_restarts_total": pool.restarts,
        }
        return Response(service.metrics.text(gauges), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_pages(app: FastAPI) -> None:
    def add(path: str, kind: str, content: bytes) -> None:
        async def page() -> Response:
            return Response(content, 200, {"Cache-Control": "no-cache"}, kind)

        app.add_api_route(path, page, include_in_schema=False)

    for path, (kind, content) in FILES.items():
        add(path, kind, content)
    add("/docs", "text/html; charset=utf-8", docs(app.openapi()).encode())


_KINDS: Final = tuple(f"image/{kind}" for kind in ("jpeg", "png", "webp", "bmp", "tiff"))
_FILE: Final[Mapping[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_FORM: Final[Mapping[str, Any]] = {
    "schema": {"type": "object", "properties": {"file": {"type": "array", "items": _FILE["schema"]}}}
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {**dict.fromkeys(_KINDS, _FILE), "application/zip": _FILE, "multipart/form-data": _FORM},
    }
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "results: rows as the command line writes them"},
    401: {"description": "the token is missing or wrong"},
    408: {"description": "the request did not arrive in time"},
    413: {"description": "too many bytes, pixels or images"},
    415: {"description": "neither an image of a known format, nor a form, nor a zip"},
    422: {"description": "an image that cannot be judged, or a parameter that does not exist"},
    429: {"description": "too many requests at a time; Retry-After says when to try again"},
    503: {"description": "not ready, too slow, or the process that judged died; Retry-After"},
}
