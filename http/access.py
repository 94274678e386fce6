"""Who is calling, about which company, and may they? Every route but the public ones passes here.

What the caller may not know of is 404, as if it did not exist; what they may see but not do is 403.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from msgspec.structs import replace

from opencognit.domain.agent import AgentStatus
from opencognit.domain.caller import Caller, CallerKind, Right, ServerRole
from opencognit.domain.errors import Forbidden, NotAuthenticated, NotFound, ValidationFailed
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, GOAL, MEETING, ROUTINE, SUBSCRIPTION, TASK_LOCK, Kind
from opencognit.domain.message import decode
from opencognit.domain.origin import Origin
from opencognit.domain.run import Run
from opencognit.http.answering import COOKIE
from opencognit.http.query import decode_query
from opencognit.http.request import Request
from opencognit.http.route import Agents, Route, Subject
from opencognit.runtime import Runtime

NOBODY: Final = Caller(kind=CallerKind.BOARD, name="")

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_VERSION = re.compile(r'(?:W/)?"(\d{1,18})"')
_KINDS: Final[Mapping[Subject, Kind[Any]]] = {
    Subject.COMPANY: COMPANY,
    Subject.AGENT: AGENT,
    Subject.TASK: TASK_LOCK,
    Subject.APPROVAL: APPROVAL,
    Subject.MEETING: MEETING,
    Subject.GOAL: GOAL,
    Subject.ROUTINE: ROUTINE,
    Subject.SUBSCRIPTION: SUBSCRIPTION,
}


async def admit(
    route: Route,
    raw: web.Request,
    runtime: Runtime,
    *,
    caller: Caller,
    request_id: str,
) -> Request:
    """Let a request in.

    Raises:
        NotFound: there is no such thing, or the caller may not know of it.
        Forbidden: the caller has not the right.
        ValidationFailed: the query is not as the route takes it.
    """
    subject, company_id = None, ""
    if route.subject in (Subject.PUBLIC, Subject.SIGNED_IN):
        if caller.kind is CallerKind.AGENT and route.agents is Agents.NEVER:
            raise Forbidden("An agent's token does not reach this")
    else:
        subject, company_id = await _find(route.subject, raw.match_info["id"], runtime)
        _refuse_strangers(route, runtime, caller, company_id, subject)
    if caller.kind is CallerKind.AGENT:
        caller = await _named(caller, runtime)
    origin = Origin(
        caller=caller,
        request_id=request_id,
        company_id=company_id or None,
        expected_version=_expected_version(raw) if route.takes_version else None,
    )
    # Parsing even an empty query costs more than all that most routes do with it.
    query = decode_query(raw.query if raw.query_string else {}, route.query) if route.query is not None else None
    return Request(
        raw,
        runtime,
        caller=caller,
        company_id=company_id,
        subject=subject,
        origin=origin,
        body=route.body,
        query=query,
    )


async def enter_company(request: Request, company_id: str, right: Right) -> None:
    """Let a request in to the company that its query or its body names, as `admit` does by the path.

    Raises:
        NotFound: there is no such company, or the caller may not know of it.
        Forbidden: the caller has not the right.
    """
    _, company_id = await _find(Subject.COMPANY, company_id, request.runtime)
    directory = request.runtime.directory
    if not directory.may_see(request.caller, company_id):
        raise NotFound("Company not found")
    if not directory.may(request.caller, company_id, right):
        raise Forbidden
    request.company_id = company_id
    request.origin = replace(request.origin, company_id=company_id)


def caller_of(raw: web.Request, runtime: Runtime) -> Caller:
    """Who calls, by the `Authorization` header or the cookie.

    Raises:
        NotAuthenticated: nobody that we know.
    """
    header = raw.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthenticated
        return caller_by_token(token.strip(), runtime)
    token = raw.cookies.get(COOKIE, "")
    if token and raw.method not in ("GET", "HEAD") and not same_origin(raw, runtime):
        raise NotAuthenticated("A page of another origin cannot use this sign-in")
    return caller_by_token(token, runtime)


def caller_by_token(token: str, runtime: Runtime) -> Caller:
    """Who a token stands for, now.

    Raises:
        NotAuthenticated: it is malformed, forged, expired or revoked, or its agent is gone.
    """
    if not token:
        raise NotAuthenticated
    now = runtime.clock.now()
    claims = runtime.tokens.read(token, now=now)
    session = runtime.directory.session(claims.session_id, now)
    if session is None or session.subject_id != claims.subject_id:
        raise NotAuthenticated
    if claims.kind == "agent":
        return Caller(
            kind=CallerKind.AGENT,
            id=claims.subject_id,
            name="Agent",
            company_id=claims.company_id,
            session_id=claims.session_id,
        )
    user = runtime.directory.user(claims.subject_id)
    if user is None:
        raise NotAuthenticated
    return Caller(
        kind=CallerKind.BOARD,
        id=user.id,
        name=user.name,
        is_admin=user.role is ServerRole.ADMIN,
        session_id=claims.session_id,
    )


def same_origin(raw: web.Request, runtime: Runtime) -> bool:
    """Whether a browser says that the request comes from our own page, or one that the settings allow."""
    origin = raw.headers.get("Origin")
    if origin is None:
        return True
    return origin in runtime.settings.server.allowed_origins or origin.partition("://")[2] == raw.host


async def _named(caller: Caller, runtime: Runtime) -> Caller:
    """An agent's token bears no name; its actor, which may sleep, knows it."""
    agent = await runtime.system.state(AGENT, caller.id or "")
    return replace(caller, name=agent.name) if agent is not None else caller


async def _find(kind: Subject, entity_id: str, runtime: Runtime) -> tuple[Any, str]:
    """(the entity, its company)."""
    sentence = f"{kind.value.capitalize()} not found"
    if not _UUID.fullmatch(entity_id):
        raise NotFound(sentence)
    entity_id = entity_id.lower()
    if kind is Subject.RUN:
        body = await runtime.queries.run(entity_id)
        if body is None:
            raise NotFound(sentence)
        run = decode(body, Run)
        return run, run.company_id
    if kind is Subject.TRIGGER:
        routine = await runtime.system.state(ROUTINE, await runtime.queries.routine_of_trigger(entity_id) or "")
        trigger = routine.trigger(entity_id) if routine is not None else None
        if routine is None or trigger is None:
            raise NotFound(sentence)
        return trigger, routine.company_id
    entity: Any = await runtime.system.state(_KINDS[kind], entity_id)
    if entity is None or getattr(entity, "status", None) is AgentStatus.TERMINATED:
        raise NotFound(sentence)
    return entity, entity.id if kind is Subject.COMPANY else entity.company_id


def _refuse_strangers(route: Route, runtime: Runtime, caller: Caller, company_id: str, subject: Any) -> None:
    if not runtime.directory.may_see(caller, company_id):
        raise NotFound(f"{route.subject.value.capitalize()} not found")
    if route.right is None or not runtime.directory.may(caller, company_id, route.right):
        raise Forbidden
    if caller.kind is CallerKind.AGENT and (
        route.agents is Agents.NEVER or (route.agents is Agents.ITSELF and subject.id != caller.id)
    ):
        raise Forbidden("An agent's token does not reach this")


def _expected_version(raw: web.Request) -> int | None:
    header = raw.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    match = _VERSION.fullmatch(header.strip())
    if match is None:
        raise ValidationFailed.of("If-Match", 'must be one version in quotes, such as "3"')
    return int(match[1])
