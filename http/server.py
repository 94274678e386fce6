"""The aiohttp server in front of a runtime: the table of routes, one way in, one form of errors, and draining."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.web_log import AccessLogger
from pykka import ActorDeadError

from opencognit.domain.errors import (
    DomainError,
    Draining,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    ValidationFailed,
)
from opencognit.http.access import NOBODY, admit, caller_of
from opencognit.http.answering import answer, refusal
from opencognit.http.event_stream import STREAMS, Streams
from opencognit.http.idempotency import IdempotentAnswers
from opencognit.http.protocol import JsonServer
from opencognit.http.route import Route, Subject
from opencognit.http.routes import (
    accounts,
    agent_lists,
    agents,
    approvals,
    chat,
    companies,
    company_files,
    documents,
    events,
    figures,
    goals,
    meetings,
    memories,
    permissions,
    routines,
    runs,
    settings,
    subscriptions,
    system,
    tasks,
    templates,
    webhooks,
)
from opencognit.http.websocket import Sockets
from opencognit.runtime import Runtime

LARGEST_BODY: Final = 1024 * 1024
Enter = Callable[[web.Request, str], Awaitable[web.StreamResponse]]
"""Answers a request that has this id."""
ROUTES: Final[tuple[Route, ...]] = tuple(
    route
    for module in (
        *(tasks, agents, runs, approvals, memories, permissions, chat, meetings, goals, routines, companies, figures),
        *(agent_lists, company_files, templates),
        *(events, subscriptions, accounts, settings, system, webhooks, documents),
    )
    for route in module.routes.table
)
"""Every route there is, but `/ws`. The router tries those of one beginning in this order, so the busiest come first."""

_log = structlog.get_logger("opencognit.http")


def create_app(runtime: Runtime) -> web.Application:
    """The aiohttp application for a running runtime; embed it, or use `listening`."""
    app = web.Application(client_max_size=LARGEST_BODY)
    answers, sockets = IdempotentAnswers(runtime), Sockets(runtime)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _in_one_form(_entrance(route, runtime, answers), runtime))
    make_documents: Callable[[], documents.Documents] = _documents
    app[documents.DOCUMENTS] = make_documents
    app[STREAMS] = streams = Streams()
    app.router.add_get("/ws", _in_one_form(lambda raw, _request_id: sockets.handle(raw), runtime))
    app.router.add_route("*", "/{path:.*}", _in_one_form(_nowhere, runtime))
    app.on_shutdown.append(lambda _app: sockets.close())
    app.on_shutdown.append(streams.close)
    return app


@contextlib.asynccontextmanager
async def listening(runtime: Runtime, *, host: str | None = None, port: int | None = None) -> AsyncIterator[str]:
    """Serve the runtime over HTTP while the block runs; yields the base URL.

    Args:
        runtime: a started runtime.
        host: the address to listen on; the setting's by default.
        port: 0 for a free one; the setting's by default.
    """
    settings = runtime.settings.server
    runner = JsonServer(
        create_app(runtime),
        access_log=None,
        access_log_class=AccessLogger,
        handler_cancellation=True,
        shutdown_timeout=settings.grace_seconds,
    )
    await runner.setup()
    site = web.TCPSite(runner, host or settings.host, settings.port if port is None else port, backlog=1024)
    try:
        await site.start()
        address = runner.addresses[0]
        yield f"http://{address[0]}:{address[1]}"
    finally:
        runtime.draining = True
        await runner.cleanup()


@functools.cache
def _documents() -> documents.Documents:
    return documents.documents_of(ROUTES)


def _entrance(route: Route, runtime: Runtime, answers: IdempotentAnswers) -> Enter:
    """The one way into a route."""

    async def enter(raw: web.Request, request_id: str) -> web.StreamResponse:
        if runtime.draining and raw.method != "GET":
            raise Draining
        if route.is_document:
            raw = raw.clone(client_max_size=runtime.settings.server.largest_import_bytes)
        caller = NOBODY if route.subject is Subject.PUBLIC else caller_of(raw, runtime)
        request = await admit(route, raw, runtime, caller=caller, request_id=request_id)
        if route.takes_idempotency_key and "Idempotency-Key" in raw.headers:
            return await answers.once(request, route)
        return answer(await route.handler(request), status=route.status, request=raw)

    return enter


async def _nowhere(raw: web.Request, _request_id: str) -> web.StreamResponse:
    """No route has this path, or none with this method."""
    allowed: set[str] = set()
    for resource in raw.app.router.resources():
        allowed |= (await resource.resolve(raw))[1] - {hdrs.METH_ANY}
    raise web.HTTPMethodNotAllowed(raw.method, allowed) if allowed else web.HTTPNotFound


def _in_one_form(enter: Enter, runtime: Runtime) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Every answer has a request id, and every error the same form. No middleware: that costs each request more."""

    async def handle(raw: web.Request) -> web.StreamResponse:
        request_id = runtime.ids.new_id()
        try:
            response = await enter(raw, request_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the client gets an answer, the log gets the rest
            response = refusal(_as_refusal(error, raw, request_id), request_id=request_id)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            if isinstance(error, web.RequestPayloadError):
                response.force_close()
        if not response.prepared:
            headers = response.headers
            headers["X-Request-Id"] = request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Cache-Control"] = "no-store"
        return response

    return handle


def _as_refusal(error: Exception, raw: web.Request, request_id: str) -> DomainError:  # noqa: PLR0911 - one for each kind
    match error:
        case DomainError():
            return error
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed()
        case web.HTTPRequestEntityTooLarge():
            return PayloadTooLarge()
        case web.HTTPNotFound():
            return NotFound("There is nothing at this path")
        case web.RequestPayloadError():
            return ValidationFailed("The body cannot be read as its headers say")
        case web.HTTPException() if error.status < 500:  # noqa: PLR2004 - the client's own fault
            return ValidationFailed(error.reason)
        case ActorDeadError():
            return Unavailable()
        case _:
            _log.error("request_failed", request=request_id, method=raw.method, path=raw.path, exc_info=error)
            return InternalError()
