"""The part of the OpenAPI document about answers: what goes well, what may be refused, and what can be asked next."""

import inspect
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from opencognit.domain.caller import SignedIn
from opencognit.domain.errors import (
    DomainError,
    Forbidden,
    IdempotencyConflict,
    InternalError,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
    VersionConflict,
)
from opencognit.domain.refusal import Refusal
from opencognit.http.answering import COOKIE
from opencognit.http.route import EXAMPLE_ID, Agents, Route, Subject, Written
from opencognit.http.schemas import Json, Schemas

HEADERS: Final[Mapping[str, Json]] = {
    "X-Request-Id": {"description": "Names the request.", "required": True, "schema": {"type": "string"}},
    "ETag": {"description": "The version, in quotes.", "required": True, "schema": {"type": "string"}},
    "X-Total-Count": {"description": "The length of the whole list.", "required": True, "schema": {"type": "integer"}},
    "Link": {"description": 'The next page, as `<…>; rel="next"`.', "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}},
    "Idempotency-Replayed": {"description": "`true`: this is the first answer again.", "schema": {"type": "string"}},
    "Set-Cookie": {"description": f"The token as the cookie `{COOKIE}`.", "schema": {"type": "string"}},
}


def errors_of(route: Route) -> dict[int, list[type[DomainError]]]:
    """All that a route may refuse, by status: what all like it may, and what it says itself."""
    about_a_company = route.subject not in (Subject.PUBLIC, Subject.SIGNED_IN)
    for_some = about_a_company or (route.subject is Subject.SIGNED_IN and route.agents is Agents.NEVER)
    usual: dict[type[DomainError], bool] = {
        ValidationFailed: True,
        NotAuthenticated: route.subject is not Subject.PUBLIC or route.proof is not None,
        Forbidden: for_some,
        NotFound: about_a_company,
        IdempotencyConflict: route.takes_idempotency_key,
        VersionConflict: route.takes_version,
        PayloadTooLarge: route.takes_idempotency_key or route.body is not None,
        UnsupportedMediaType: route.body is not None,
        InternalError: True,
        Unavailable: True,
    }
    may_come = {*(kind for kind, comes in usual.items() if comes), *route.errors}
    by_status: dict[int, list[type[DomainError]]] = {}
    for kind in sorted(may_come, key=lambda kind: (kind.status, kind.code)):
        by_status.setdefault(kind.status, []).append(kind)
    return by_status


def responses(route: Route, routes: tuple[Route, ...], schemas: Schemas) -> Json:
    """All answers to a route."""
    found = {status: _success(route, status, routes, schemas) for status in route.statuses}
    if route.has_version and route.method == "GET":
        found[HTTPStatus.NOT_MODIFIED] = {"description": "As `If-None-Match` names it.", **_headed("ETag")}
    for status, kinds in errors_of(route).items():
        if status not in found:
            reference = {"$ref": f"#/components/responses/{kinds[0].code}"}
            found[status] = reference if len(kinds) == 1 else _refusal(kinds)
    return {str(int(status)): found[status] for status in sorted(found)}


def _success(route: Route, status: int, routes: tuple[Route, ...], schemas: Schemas) -> Json:
    schema = schemas.of(route.element)
    if route.is_list:
        schema = {"type": "array", "items": schema}
    media_type = route.answer.media_type if isinstance(route.answer, Written) else "application/json"
    names = [
        *(["ETag"] if route.has_version else []),
        *(["X-Total-Count", "Link"] if route.is_list else []),
        *(["Idempotency-Replayed"] if route.takes_idempotency_key else []),
        *(["Set-Cookie"] if route.answer is SignedIn else []),
    ]
    links = _links(route, routes)
    return {
        "description": HTTPStatus(status).phrase,
        **_headed(*names),
        "content": {media_type: {"schema": schema}},
        **({"links": links} if links else {}),
    }


def _refusal(kinds: Sequence[type[DomainError]]) -> Json:
    """The response of one status, with one of these codes."""
    status = kinds[0].status
    codes: Json = {"properties": {"code": {"enum": [kind.code for kind in kinds]}, "status": {"const": status}}}
    examples = {
        kind.code: {
            "summary": inspect.cleandoc(kind.__doc__ or ""),
            "value": msgspec.to_builtins(
                Refusal(message=kind.sentence, code=kind.code, status=status, request_id=EXAMPLE_ID)
            ),
        }
        for kind in kinds
    }
    may_be_soon = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return {
        "description": " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n")[0] for kind in kinds),
        **_headed(*(["Retry-After"] if may_be_soon else [])),
        "content": {
            "application/json": {
                "schema": {"allOf": [{"$ref": f"#/components/schemas/{Refusal.__name__}"}, codes]},
                "examples": examples,
            }
        },
    }


def shared_responses(routes: tuple[Route, ...]) -> Json:
    """The responses that operations refer to, by their only code; and that of a path which is asked the wrong way."""
    alone: dict[type[DomainError], None] = {MethodNotAllowed: None}
    for route in routes:
        alone |= {kinds[0]: None for kinds in errors_of(route).values() if len(kinds) == 1}
    return {kind.code: _refusal([kind]) for kind in alone}


def _headed(*names: str) -> Json:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}}


def _links(route: Route, routes: tuple[Route, ...]) -> Json:
    """What can be asked about the thing that a route has created."""
    made = route.element
    if route.status != HTTPStatus.CREATED or "id" not in getattr(made, "__struct_fields__", ()):
        return {}
    subjects = {
        other.subject
        for other in routes
        if other.path.endswith("/{id}") and isinstance(other.answer, type) and issubclass(made, other.answer)
    }
    links: Json = {}
    for other in routes:
        if other.subject in subjects and other.parameters == ["id"]:
            links[other.name] = {"id": "$response.body#/id"}
        elif "{id}" in route.path and other.path.rpartition("/{")[0] == route.path:
            links[other.name] = {"id": "$request.path.id", other.parameters[-1]: "$response.body#/id"}
    return {name: {"operationId": name, "parameters": parameters} for name, parameters in links.items()}
