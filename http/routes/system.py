"""How the server is: health, readiness, and its figures."""

from typing import Annotated

from aiohttp import web

from opencognit.domain.errors import Draining, Unavailable
from opencognit.domain.message import encode
from opencognit.domain.system import AdapterBody, Health, Ready, ServerStatus
from opencognit.http.answering import json_answer
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject, Written

routes = Routes()


@routes.add("GET", "/api/health", subject=Subject.PUBLIC)
async def health(request: Request) -> Annotated[web.Response, Written(Health, also=(Draining.status,))]:
    """Whether the server takes requests: UP, or DRAINING with 503 once it was told to stop."""
    draining = request.runtime.draining
    body = Health(status="DRAINING" if draining else "UP", timestamp=request.runtime.clock.now())
    return json_answer(encode(body), status=Draining.status if draining else 200)


@routes.add("GET", "/api/system/adapters", subject=Subject.SIGNED_IN)
async def adapters(request: Request) -> list[AdapterBody]:
    """The adapters of this server, and what each can do."""
    providers = request.runtime.system.surroundings.providers
    return [AdapterBody(name=name, abilities=one.abilities) for name, one in sorted(providers.items())]


@routes.add("GET", "/api/system/ready", subject=Subject.PUBLIC)
async def ready(request: Request) -> Ready:
    """Whether the store answers."""
    if request.runtime.draining or not await request.runtime.queries.answers_at_all():
        raise Unavailable
    return Ready()


@routes.add("GET", "/api/system/status", subject=Subject.PUBLIC)
async def status(request: Request) -> ServerStatus:
    """Figures of the whole server."""
    return await request.runtime.status()
