"""How the server is: health, readiness, and its figures."""

from typing import Any

import msgspec
from aiohttp import web

from opencognit.domain.adapter import Abilities
from opencognit.domain.errors import Draining, Unavailable
from opencognit.domain.message import encode
from opencognit.domain.wire_names import FIELDS
from opencognit.http.answering import json_answer
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject
from opencognit.runtime import ServerStatus

routes = Routes()


@routes.add("GET", "/api/health", subject=Subject.PUBLIC)
async def health(request: Request) -> web.Response:
    """Whether the server takes requests: UP, or DRAINING with 503 once it was told to stop."""
    draining = request.runtime.draining
    body: dict[str, Any] = {
        "status": "DRAINING" if draining else "UP",
        "timestamp": request.runtime.clock.now(),
    }
    return json_answer(encode(body), status=Draining.status if draining else 200)


class AdapterBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What an agent can be hired with."""

    name: str
    """Its `verbindungsTyp`."""
    abilities: Abilities


@routes.add("GET", "/api/system/adapters", subject=Subject.SIGNED_IN)
async def adapters(request: Request) -> list[AdapterBody]:
    """The adapters of this server, and what each can do."""
    providers = request.runtime.system.surroundings.providers
    return [AdapterBody(name=name, abilities=one.abilities) for name, one in sorted(providers.items())]


@routes.add("GET", "/api/system/ready", subject=Subject.PUBLIC)
async def ready(request: Request) -> dict[str, bool]:
    """Whether the store answers."""
    if request.runtime.draining or not await request.runtime.queries.answers_at_all():
        raise Unavailable
    return {"ready": True}


@routes.add("GET", "/api/system/status", subject=Subject.PUBLIC)
async def status(request: Request) -> ServerStatus:
    """Figures of the whole server."""
    return await request.runtime.status()
