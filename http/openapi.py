"""The OpenAPI 3.1 document, made of the table of routes and the structs that the routes take and answer with.

Nothing here knows a single route: what is not in the table, in a handler's types or in a docstring is in no document.
"""

import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import msgspec

from opencognit.domain.caller import RIGHTS
from opencognit.domain.company_template import NAME_PATTERN
from opencognit.domain.refusal import Refusal
from opencognit.domain.setting import KEY_PATTERN
from opencognit.http.answering import COOKIE
from opencognit.http.decoding import YAML
from opencognit.http.openapi_responses import HEADERS, responses, shared_responses
from opencognit.http.route import LAST_EVENT, Agents, Proof, Route, Subject
from opencognit.http.schemas import Json, Schemas, in_wire_words
from opencognit.security.webhooks import MESSAGE_ID, SIGNATURE, TIMESTAMP

ABOUT: Final = """An actor-model runtime for companies made of AI agents.

Every answer but the pages for people is JSON, every refusal a `Refusal`: its `code` says what is wrong. A path that
nothing is at is 404, a method that a path does not take is 405 `METHOD_NOT_ALLOWED`. A 2xx to a write means that it is
durable. Events come over the WebSocket `/ws`, and as a stream (`text/event-stream`) for each company."""

AGENTS: Final = {
    Agents.NEVER: "",
    Agents.COMPANY: " An agent of the company may, too.",
    Agents.ITSELF: " The agent itself may, too.",
}

PARAMETERS: Final[Mapping[str, Json]] = {
    "Idempotency-Key": {
        "description": "The same request with the same key has one effect and the first answer again, for 24 hours.",
        "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    },
    "If-Match": {
        "description": 'Only if this is still the version, such as `"3"`.',
        "schema": {"type": "string", "pattern": '^"[0-9]{1,18}"$'},
    },
    "If-None-Match": {
        "description": "304 if this is still the `ETag`.",
        "schema": {"type": "string"},
    },
    LAST_EVENT: {
        "description": "The number of the last event that was read, as the stream gave it; wins over `since`.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    },
    MESSAGE_ID: {
        "description": "The message again with the same id has no further effect.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    TIMESTAMP: {
        "description": "When it was signed: seconds since 1970.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    },
}

SECURITY: Final[Mapping[str, Json]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "From signing in, or an agent's own."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Signing in sets it, for browsers."},
    Proof.ONE_TIME_TOKEN: {"type": "http", "scheme": "bearer", "description": "Of the order that is answered."},
    Proof.SIGNATURE: {"type": "apiKey", "in": "header", "name": SIGNATURE, "description": "By the webhook's secret."},
}


def document(routes: tuple[Route, ...]) -> Json:
    """The document of these routes."""
    kinds = (kind for route in routes for kind in (route.body, route.query, route.element))
    schemas = Schemas([Refusal, *(kind for kind in kinds if kind is not None)])
    fields = {query: schemas.fields_of(query) for query in {route.query for route in routes} if query is not None}
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = {
            **_words(route),
            "security": _security(route),
            "parameters": [
                *_path_parameters(route),
                *(_query_parameter(*field) for field in (fields[route.query].items() if route.query else ())),
                *({"$ref": f"#/components/parameters/{name}"} for name in _headers_taken(route)),
            ],
            **_request_body(route, schemas),
            "responses": responses(route, routes, schemas),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenCognit",
            "version": version("opencognit"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(routes),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "parameters": {name: {"name": name, "in": "header", **PARAMETERS[name]} for name in PARAMETERS},
            "headers": HEADERS,
            "responses": shared_responses(routes),
            "securitySchemes": SECURITY,
        },
    }


def example_of(route: Route) -> Json | None:
    """A body that the route takes, in wire words."""
    if isinstance(route.example, msgspec.Struct):
        whole: Json = msgspec.json.decode(msgspec.json.encode(route.example))
        return whole
    if route.example is None or not (isinstance(route.body, type) and issubclass(route.body, msgspec.Struct)):
        return route.example
    names = dict(zip(route.body.__struct_fields__, route.body.__struct_encode_fields__, strict=True))
    return {names[name]: value for name, value in route.example.items()}


def _tags(routes: tuple[Route, ...]) -> list[Json]:
    modules = dict.fromkeys(route.handler.__module__ for route in routes)
    return [
        {"name": module.rpartition(".")[2], "description": inspect.cleandoc(sys.modules[module].__doc__ or "")}
        for module in modules
    ]


def _words(route: Route) -> Json:
    words = in_wire_words(inspect.getdoc(route.handler) or "").partition("\n\nRaises:")[0]
    roles = [f"`{role}`" for role, rights in RIGHTS.items() if route.right in rights]
    who = f"For {', '.join(roles)} of the company." if roles else ""
    return {
        "tags": [route.resource],
        "operationId": route.name,
        "summary": words.partition("\n")[0].removesuffix("."),
        "description": f"{words}\n\n{who}{AGENTS[route.agents]}".strip(),
    }


def _security(route: Route) -> list[Json]:
    if route.subject is not Subject.PUBLIC:
        return [{"token": []}, {"cookie": []}]
    return [] if route.proof is None else [{route.proof: []}]


def _path_parameters(route: Route) -> list[Json]:
    own = route.resource.removesuffix("s") if route.subject is Subject.PUBLIC else route.subject.value
    named = {
        "id": f"The id of the {own}.",
        "key": "The name of the setting.",
        "name": "The name of the template.",
        "publicId": "The id in its address.",
    }
    schemas: Mapping[str, Json] = {
        "key": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
        "name": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
        "publicId": {"type": "string"},
    }
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": named.get(name, f"The id of the {name.removesuffix('Id')}."),
            "schema": schemas.get(name, {"type": "string", "format": "uuid"}),
        }
        for name in route.parameters
    ]


def _query_parameter(name: str, schema: Json) -> Json:
    """A field of a query as a parameter: one that may be left out is never null, a tuple is a comma list."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "description")}
    if plain.get("default", ...) is None:
        del plain["default"]
    return {
        "name": name,
        "in": "query",
        **({"description": schema["description"]} if "description" in schema else {}),
        "schema": {**plain, **(kinds[0] if kinds else {})},
        **({"style": "form", "explode": False} if plain.get("type") == "array" else {}),
    }


def _headers_taken(route: Route) -> list[str]:
    return [
        *(["Idempotency-Key"] if route.takes_idempotency_key else []),
        *(["If-Match"] if route.takes_version else []),
        *([LAST_EVENT] if route.is_stream else []),
        *([MESSAGE_ID, TIMESTAMP] if route.proof is Proof.SIGNATURE else []),
        *(["If-None-Match"] if route.has_version and route.method == "GET" else []),
    ]


def _request_body(route: Route, schemas: Schemas) -> Json:
    if route.body is None:
        return {}
    schema = schemas.of(route.body)
    component = schemas.components.get(schema.get("$ref", "").rpartition("/")[2], schema)
    content = {"schema": schema, "examples": {"usual": {"value": example_of(route)}}}
    media_types = ["application/json", *([YAML] if route.is_document else [])]
    return {"requestBody": {"required": "required" in component, "content": dict.fromkeys(media_types, content)}}
