"""The OpenAPI document: complete, true, valid, and readable without a network."""

import base64
import hashlib
import re
from typing import Annotated, Any

import msgspec
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from opencognit.domain import errors
from opencognit.domain.caller import Right
from opencognit.domain.company import Company
from opencognit.domain.errors import DomainError
from opencognit.domain.message import decode, encode
from opencognit.http.openapi_responses import errors_of
from opencognit.http.request import Listing, Request
from opencognit.http.route import Route, Routes, Subject, Written
from opencognit.http.server import ROUTES
from tests.builders import Api
from tests.documented import DOCUMENT, assert_documented

Json = dict[str, Any]

CODES = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DomainError)} - {
    DomainError.code
} | {errors.InternalError.code}
WITH_BODY = [route for route in ROUTES if route.body is not None]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


async def test_anyone_reads_the_document_and_the_page(nobody: Api) -> None:
    document, page = await nobody.get("/api/openapi.json"), await nobody.get("/api/docs")
    assert (document.status, document.json["openapi"]) == (200, "3.1.0")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.fixture
async def published(nobody: Api) -> Json:
    """The document as anyone gets it."""
    answer = await nobody.get("/api/openapi.json")
    assert answer.status == 200
    found: Json = answer.json
    return found


# Valid and complete


async def test_it_is_a_valid_document_of_openapi_3_1(published: Json) -> None:
    assert published["openapi"] == "3.1.0"
    assert published == msgspec.to_builtins(DOCUMENT)
    validate(published)


async def test_it_has_every_route_and_nothing_else(published: Json) -> None:
    described = {(method.upper(), path) for path, item in published["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}


async def test_every_code_is_a_possible_answer_somewhere(published: Json) -> None:
    found = {code for part in _parts(published) for code in part.get("properties", {}).get("code", {}).get("enum", ())}
    # The ids of new things are the server's own, so that no request can make one twice.
    # Events that are gone are told of on the WebSocket, as `resync`, and to programs that embed the runtime.
    assert found == CODES - {errors.Duplicate.code, errors.EventsGone.code}


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_an_operation_says_what_it_does_takes_and_answers(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    assert operation["tags"] == [route.resource]
    assert ("requestBody" in operation) == (route.body is not None)
    assert bool(operation["security"]) == (route.subject is not Subject.PUBLIC or route.proof is not None)
    named = [parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "path"]
    assert named == route.parameters
    answers = {int(status) for status in operation["responses"]}
    assert answers >= {route.status, *errors_of(route)}


def test_no_two_operations_have_the_same_name() -> None:
    names = [route.name for route in ROUTES]
    assert sorted(names) == sorted(set(names))


# Examples


@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_a_body_has_an_example_that_is_taken(route: Route) -> None:
    content = DOCUMENT["paths"][route.path][route.method.lower()]["requestBody"]["content"]["application/json"]
    example = content["examples"]["usual"]["value"]
    assert example is not None
    decode(encode(example), route.body)


# Links


async def test_what_is_created_links_to_what_can_be_asked_about_it(published: Json, owner: Api) -> None:
    company = await owner.company()
    creation = published["paths"]["/api/unternehmen/{id}/aufgaben"]["post"]
    links = creation["responses"]["201"]["links"]
    assert {"tasks_details", "tasks_update", "tasks_delete", "tasks_checkout"} <= links.keys()
    assert links["tasks_details"] == {"operationId": "tasks_details", "parameters": {"id": "$response.body#/id"}}
    task = await owner.task(company)
    assert (await owner.get(f"/api/aufgaben/{task['id']}")).json == task


async def test_what_lies_below_something_links_to_itself_by_both_ids(published: Json) -> None:
    creation = published["paths"]["/api/experten/{id}/skills"]["post"]
    assert creation["responses"]["201"]["links"] == {
        "agents_remove_skill": {
            "operationId": "agents_remove_skill",
            "parameters": {"id": "$request.path.id", "skillId": "$response.body#/id"},
        }
    }


# Words


async def test_a_client_reads_of_fields_by_their_wire_names(published: Json) -> None:
    schemas = published["components"]["schemas"]
    agent = schemas["Agent"]
    assert agent["description"].startswith("An agent as clients see it. Secrets in `verbindungsConfig`")
    assert agent["properties"]["budgetMonat"]["description"].startswith("The month that `verbrauchtMonatCent` is of")
    assert agent["properties"]["verbrauchtMonatCent"]["type"] == "number"
    assert schemas["Task"]["properties"]["erstelltAm"] == {"type": "string", "format": "date-time"}


# What a route has to say


def test_a_route_that_does_not_say_what_it_answers_cannot_be_added() -> None:
    routes = Routes()
    add = routes.add("GET", "/api/x/{id}", subject=Subject.COMPANY, right=Right.READ)

    async def nothing(request: Request):  # type: ignore[no-untyped-def]
        return None

    async def anything(request: Request) -> Any:
        return None

    async def some_response(request: Request) -> web.Response:
        return web.Response()

    async def some_list(request: Request) -> Listing:  # type: ignore[type-arg]
        raise NotImplementedError

    for vague in (nothing, anything, some_response, some_list):
        with pytest.raises(ValueError, match="does not say what it answers"):
            add(vague)

    async def a_response_of_something(request: Request) -> Annotated[web.Response, Written(Company)]:
        return web.Response()

    async def a_list_of_something(request: Request) -> Listing[Company]:
        raise NotImplementedError

    add(a_response_of_something)
    add(a_list_of_something)
    assert [route.element for route in routes.table] == [Company, Company]


# Every answer of every test is held against the document: that this notices something


async def test_an_answer_that_is_not_in_the_document_is_noticed(owner: Api) -> None:
    answer = await owner.get("/api/auth/ich")
    good = {"status": 200, "headers": answer.headers, "json": answer.json}
    assert_documented("GET", "/api/auth/ich", **good)
    refusal = {"fehler": "Locked", "code": "LOCKED", "status": 409, "anfrageId": "x"}
    for wrong in (
        {"status": 418},
        {"status": 409, "json": refusal},
        {"status": 401, "json": {**refusal, "status": 401}},
        {"json": {**answer.json, "name": 5}},
        {"json": [answer.json]},
        {"headers": {"Content-Type": "application/json"}},
    ):
        with pytest.raises(AssertionError):
            assert_documented("GET", "/api/auth/ich", **{**good, **wrong})


# The page


@pytest.fixture
async def page(nobody: Api) -> tuple[str, str]:
    """(the page, its content security policy)."""
    answer = await nobody.get("/api/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text, answer.headers["Content-Security-Policy"]


async def test_the_page_shows_every_route_and_every_schema(page: tuple[str, str], published: Json) -> None:
    text, _ = page
    for route in ROUTES:
        assert f"<b>{route.method}</b> <code>{route.path}</code>" in text
        assert f'id="{route.name}"' in text
    for name in published["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text))


async def test_the_page_shows_how_to_ask_with_curl(page: tuple[str, str]) -> None:
    text, _ = page
    line = (
        "curl -X POST &quot;$SERVER/api/unternehmen/$ID/aufgaben&quot; -H &quot;Authorization: Bearer $TOKEN&quot; "
        "-H &quot;Content-Type: application/json&quot; -d &#x27;{&quot;titel&quot;: "
    )
    assert line in text
    assert "curl &quot;$SERVER/api/health&quot;</pre>" in text


async def test_the_page_loads_nothing_and_runs_nothing(page: tuple[str, str]) -> None:
    text, policy = page
    assert "unsafe-inline" not in policy
    assert policy.startswith("default-src 'none';")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert re.findall(r"<(script|link|img|iframe|form)\b| style=| on\w+=", text) == []
    # An example may name an address, in quotes as JSON has them; nothing is fetched from there.
    assert re.findall(r"https?:", text.replace("&quot;https://hooks.example/", "")) == []


async def test_the_page_shows_nothing_that_a_user_wrote(page: tuple[str, str], owner: Api, nobody: Api) -> None:
    await owner.company(name="Written by a user")
    assert (await nobody.get("/api/docs")).text == page[0]


def _parts(value: Any) -> list[Json]:
    """All objects in some JSON."""
    if isinstance(value, dict):
        return [value, *(part for one in value.values() for part in _parts(one))]
    return [part for one in value for part in _parts(one)] if isinstance(value, list) else []
