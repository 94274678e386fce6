"""Holds every answer that a test gets against the OpenAPI document: its status, its code, its headers and its form."""

import re
from functools import cache
from typing import Any

import jsonschema_rs

from opencognit.http.openapi import document
from opencognit.http.server import ROUTES
from tests.seen import saw_answer, saw_refusal

Json = dict[str, Any]

DOCUMENT: Json = document(ROUTES)
WAYS = [(route, re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path))) for route in ROUTES]


def assert_documented(method: str, path: str, *, status: int, headers: Any, json: Any) -> None:
    """The answer is one that the document promises; what is at no route is not asked about."""
    saw_refusal(status, json)
    at = path.partition("?")[0]
    for route, way in WAYS:
        if route.method == method and way.fullmatch(at):
            _assert_promised(route.path, method.lower(), status, headers, json)
            saw_answer(route, path, status, json)


def _assert_promised(path: str, method: str, status: int, headers: Any, json: Any) -> None:
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(status) in responses, f"{method} {path} may not answer {status}: {json}"
    response = _resolved(responses[str(status)])
    for name, header in response.get("headers", {}).items():
        assert name in headers or not _resolved(header).get("required"), f"{method} {path} promises {name}"
    for media_type in response.get("content", ()):
        assert headers["Content-Type"].partition(";")[0] == media_type
        if media_type == "application/json":
            problems = [error.message for error in _validator(path, method, status).iter_errors(json)]
            assert problems == [], f"{method} {path} {status} is not of its form: {json}"


@cache
def _validator(path: str, method: str, status: int) -> Any:
    response = _resolved(DOCUMENT["paths"][path][method]["responses"][str(status)])
    schema = response["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({"allOf": [schema], "components": DOCUMENT["components"]})


def _resolved(part: Json) -> Json:
    """What a reference to a component stands for."""
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    resolved: Json = found
    return resolved
