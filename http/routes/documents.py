"""What describes this API: the OpenAPI document, and the same as a page for people."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from opencognit.domain.message import encode
from opencognit.http.answering import json_answer
from opencognit.http.docs_page import POLICY, docs_page
from opencognit.http.openapi import document
from opencognit.http.request import Request
from opencognit.http.route import Route, Routes, Subject, Written

routes = Routes()


class Documents(msgspec.Struct, frozen=True):
    """Both, ready to be sent."""

    openapi: bytes
    page: str


DOCUMENTS: Final = web.AppKey[Callable[[], Documents]]("documents")
"""Makes them when they are first asked for."""


def documents_of(routes: tuple[Route, ...]) -> Documents:
    """The documents of these routes."""
    described = document(routes)
    return Documents(encode(described), docs_page(described))


@routes.add("GET", "/api/openapi.json", subject=Subject.PUBLIC)
async def openapi(request: Request) -> Annotated[web.Response, Written(dict[str, Any])]:
    """This API as an OpenAPI 3.1 document."""
    return json_answer(request.raw.app[DOCUMENTS]().openapi, status=200)


@routes.add("GET", "/api/docs", subject=Subject.PUBLIC)
async def page(request: Request) -> Annotated[web.Response, Written(str, media_type="text/html")]:
    """This API as a page for people."""
    text = request.raw.app[DOCUMENTS]().page
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})
