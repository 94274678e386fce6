"""From a route's result to an answer: JSON, `ETag`, paging headers, and errors in one form."""

import math
from typing import Any, Final

import msgspec
from aiohttp import web

from opencognit.domain.caller import SignedIn
from opencognit.domain.errors import DomainError
from opencognit.domain.message import Entity, encode
from opencognit.domain.refusal import Refusal
from opencognit.http.request import Listing

JSON: Final = "application/json; charset=utf-8"

COOKIE: Final = "opencognit_token"
"""The sign-in of a browser, for whom a page cannot set headers on a WebSocket."""


def answer(result: Any, *, status: int, request: web.Request) -> web.StreamResponse:
    """The answer to a request that went well.

    An entity is answered with its `ETag`; a GET that names it in `If-None-Match` gets 304.
    """
    if isinstance(result, Entity):
        tag = f'"{result.version}"'
        if request.method == "GET" and _matches(request.headers.get("If-None-Match"), tag):
            return web.Response(status=304, headers={"ETag": tag})
        response = json_answer(encode(result), status=status)
        response.headers["ETag"] = tag
        return response
    if isinstance(result, Listing):
        return _listing(result, request)
    if isinstance(result, web.StreamResponse):
        return result
    response = json_answer(encode(result), status=status)
    if isinstance(result, SignedIn):
        sign_in(response, result.token, request)
    return response


def sign_in(response: web.Response, token: str, request: web.Request) -> None:
    """Let a browser keep the token as a cookie."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.secure, path="/")


def json_answer(body: bytes, *, status: int) -> web.Response:
    """An answer whose JSON is there already."""
    return web.Response(body=body, status=status, headers={"Content-Type": JSON})


def refusal(error: DomainError, *, request_id: str) -> web.Response:
    """The one form of all errors (wire contract, "Everywhere")."""
    body = Refusal(
        message=error.message, code=error.code, status=error.status, request_id=request_id, details=error.details
    )
    response = json_answer(msgspec.json.encode(body), status=error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


def _matches(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


def _listing(listing: Listing[Any], request: web.Request) -> web.Response:
    response = json_answer(b"[" + b",".join(listing.page.bodies) + b"]", status=200)
    response.headers["X-Total-Count"] = str(listing.page.total)
    if (following := listing.following()) is not None:
        url = request.rel_url.without_query_params("offset").update_query(following)
        response.headers["Link"] = f'<{url}>; rel="next"'
    return response
