"""aiohttp's server with one change: what is not even HTTP is answered in our JSON form too."""

from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from opencognit.clock import SystemIds
from opencognit.domain.errors import DomainError, InternalError, ValidationFailed
from opencognit.http.answering import refusal

_ids = SystemIds()


class JsonRequestHandler(RequestHandler):
    """Answers a broken request line, header or body length."""

    __slots__ = ()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that reached no route; the connection is closed after it."""
        if status >= 500:  # noqa: PLR2004 - ours
            # The library logs it, and knows whether an answer can still be sent.
            super().handle_error(request, status, exc, message)
            error: DomainError = InternalError()
        else:
            error = ValidationFailed("This is not a valid HTTP request")
        return _closing(error)

    @override
    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """What the library refuses before a route is reached, such as an unknown `Expect`, has our form too."""
        if isinstance(resp, web.HTTPException):
            resp = _closing(ValidationFailed(resp.reason))
        return super().finish_response(request, resp, start_time)


def _closing(error: DomainError) -> web.Response:
    """An answer after which the connection is closed: where the next request begins is not known."""
    request_id = _ids.new_id()
    response = refusal(error, request_id=request_id)
    response.headers["X-Request-Id"] = request_id
    response.force_close()
    return response


class JsonServer(web.AppRunner):
    """Runs an application with `JsonRequestHandler`."""

    @override
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # The library makes the handler inside `Server.__call__` and offers no other way to choose its class.
        server.__class__ = _Server
        return server


class _Server(web.Server):
    @override
    def __call__(self) -> RequestHandler:
        return JsonRequestHandler(self, loop=self._loop, **self._kwargs)
