"""Bad input of every kind gets a clear 4xx in JSON, never a 5xx and never HTML; what is odd but good is kept."""

import asyncio
import base64
import gzip
import io
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from multidict import CIMultiDict

from opencognit.domain.wire_names import FIELDS
from opencognit.http.route import Route, Subject
from opencognit.http.server import LARGEST_BODY, ROUTES
from opencognit.runtime import Runtime
from tests.builders import Answer, Api, assert_error

Json = dict[str, Any]

NO_ID = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
WRITING = [route for route in ROUTES if route.method != "GET"]
LISTS = [route for route in ROUTES if route.is_list]
ANSWERING_JSON = [route for route in ROUTES if route.path != "/api/docs" and not route.is_stream]


@pytest.fixture
async def path(company: Json) -> str:
    """Where the company's tasks are."""
    return f"/api/unternehmen/{company['id']}/aufgaben"


@pytest.fixture
async def ids(owner: Api, company: Json) -> dict[Subject, str]:
    """Something of each kind that a path can name."""
    task, agent = await owner.task(company), await owner.agent(company, verbindungsTyp="scripted")
    approval = await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "May I?"})
    routine = await owner.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Report"})
    trigger = await owner.make(f"/api/routinen/{routine['id']}/triggers", {"kind": "api"})
    body = {"url": "https://hooks.example/", "status": "paused"}
    subscription = await owner.make(f"/api/unternehmen/{company['id']}/abonnements", body)
    return {
        Subject.COMPANY: company["id"],
        Subject.TASK: task["id"],
        Subject.AGENT: agent["id"],
        Subject.APPROVAL: approval["id"],
        Subject.ROUTINE: routine["id"],
        Subject.TRIGGER: trigger["id"],
        Subject.SUBSCRIPTION: subscription["id"],
    }


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route, ids: dict[Subject, str]) -> str:
    known = {"id": ids.get(route.subject, NO_ID), "key": "language", "name": "software-team"}
    return re.sub(r"\{(\w+)\}", lambda named: known.get(named[1], NO_ID), route.path)


def assert_refused(answer: Answer) -> None:
    """Some 4xx in the one form of all errors."""
    assert 400 <= answer.status < 500, answer
    assert_error(answer, answer.status, answer.json["code"])


def assert_sound(answer: Answer) -> None:
    """JSON, and no fault of ours."""
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8", answer
    if answer.status >= 300:
        assert_refused(answer)


async def sent(api: Api, path: str, body: bytes, method: str = "POST", **headers: str) -> Answer:
    return await api.call(method, path, data=io.BytesIO(body), headers={**JSON, **headers})


# Every route


GARBAGE = [
    b"{",
    b"}",
    b"nonsense",
    b"<html>",
    b"\x00",
    b"\xff\xfe",
    b'\xef\xbb\xbf{"a": 1}',
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"a": 1} {}',
    b'{"a": NaN}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\n"}',
    b'{"a": 1e999}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"null",
    b"true",
    b"5",
    b'"text"',
    b"[]",
    b"[{}]",
    b'{"": 0}',
    b'{"__proto__": {}}',
]


@pytest.mark.parametrize("route", ANSWERING_JSON, ids=name_of)
async def test_no_route_trips_over_a_garbage_body(owner: Api, ids: dict[Subject, str], route: Route) -> None:
    for body in GARBAGE:
        assert_sound(await sent(owner, path_of(route, ids), body, route.method))


@pytest.mark.parametrize("route", WRITING, ids=name_of)
async def test_no_route_trips_over_a_wrong_type_in_any_field(owner: Api, ids: dict[Subject, str], route: Route) -> None:
    wrong: itertools.cycle[Any] = itertools.cycle(
        [None, [], {}, [[]], {"a": {}}, -1, 2**63, 10**30, 1.5, 1e308, True, "", "\0", "x" * 5000]
    )
    for field in dict.fromkeys(FIELDS.values()):
        for value in itertools.islice(wrong, 3):
            body = json.dumps({"name": "N", "titel": "T", field: value}).encode()
            assert_sound(await sent(owner, path_of(route, ids), body, route.method))


@pytest.mark.parametrize("route", ANSWERING_JSON, ids=name_of)
async def test_no_route_trips_over_a_bad_id(owner: Api, route: Route) -> None:
    for bad_id in ("x", "%00", "%FF", "%2F..%2F", "'%20OR%201=1", "1" * 2000, NO_ID):
        answer = await owner.call(route.method, re.sub(r"\{\w+\}", bad_id, route.path))
        assert_sound(answer)
        if "{id}" in route.path and route.subject is not Subject.PUBLIC:
            assert_error(answer, 404, "NOT_FOUND")


@pytest.mark.parametrize("route", LISTS, ids=name_of)
async def test_a_list_takes_no_parameter_that_it_does_not_know(
    owner: Api, ids: dict[Subject, str], route: Route
) -> None:
    path = path_of(route, ids)
    assert (await owner.get(f"{path}?limit=1")).status == 200
    for name in ("nonsense", "Limit", "limit[]", "", "%00", "%FF", "%ED%A0%80"):
        assert_error(await owner.get(f"{path}?{name}=1"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("route", LISTS, ids=name_of)
async def test_a_list_takes_whole_numbers_for_its_pages(owner: Api, ids: dict[Subject, str], route: Route) -> None:
    for value in ("", "1_0", "%201", "%2B1", "1e1", "0x1", "NaN", "inf", "%D9%A1", "%00", "-1", "1.5", "9" * 5000):
        for name in ("limit", "offset"):
            answer = await owner.get(f"{path_of(route, ids)}?{name}={value}")
            assert_error(answer, 400, "VALIDATION_ERROR")
            assert [detail["feld"] for detail in answer.json["details"]] == [name]


@pytest.mark.parametrize("route", LISTS, ids=name_of)
async def test_a_parameter_that_is_given_twice_is_refused(owner: Api, ids: dict[Subject, str], route: Route) -> None:
    answer = await owner.get(f"{path_of(route, ids)}?limit=1&limit=2")
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == ["limit"]


# Not JSON, or not of the form


@pytest.mark.parametrize("body", GARBAGE[: GARBAGE.index(b"null")])
async def test_what_is_not_json_is_said_to_be_so(owner: Api, path: str, body: bytes) -> None:
    answer = await sent(owner, path, body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert (await owner.get(path)).json == []


@pytest.mark.parametrize("route", [route for route in WRITING if route.status == 201], ids=name_of)
async def test_a_body_that_says_it_is_not_json_is_refused(owner: Api, ids: dict[Subject, str], route: Route) -> None:
    for kind in ("text/plain", "text/html", "application/x-www-form-urlencoded", "multipart/form-data", "x"):
        answer = await owner.post(path_of(route, ids), data=b'{"a": 1}', headers={"Content-Type": kind})
        if route.body is None:
            # It does not look at one.
            assert answer.status in (201, 409)
        else:
            assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_a_body_that_says_it_is_json_is_read(owner: Api, path: str, kind: str) -> None:
    answer = await owner.post(path, data=b'{"titel": "T"}', headers={"Content-Type": kind})
    assert answer.status == 201


async def test_every_bad_field_is_named_by_its_path(owner: Api, path: str) -> None:
    answer = await owner.post(path, {"titel": "T", "blockedBy": [NO_ID, 5]})
    assert_error(answer, 400, "VALIDATION_ERROR")
    (detail,) = answer.json["details"]
    assert detail["feld"].startswith("blockedBy")
    assert detail["problem"]


# Size


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 10_000_000])
@pytest.mark.parametrize("how", ["at once", "in chunks", "compressed"])
async def test_a_body_over_a_mebibyte_is_too_large(owner: Api, path: str, size: int, how: str) -> None:
    assert_error(await padded(owner, path, size, how), 413, "PAYLOAD_TOO_LARGE")
    assert (await owner.get(path)).json == []


@pytest.mark.parametrize("how", ["at once", "in chunks", "compressed"])
async def test_a_body_of_a_mebibyte_is_read(owner: Api, path: str, how: str) -> None:
    assert (await padded(owner, path, LARGEST_BODY, how)).status == 201


async def test_a_body_that_is_too_large_is_so_with_an_idempotency_key_too(owner: Api, path: str) -> None:
    body = b" " * (LARGEST_BODY + 1)
    assert_error(await sent(owner, path, body, **{"Idempotency-Key": "once"}), 413, "PAYLOAD_TOO_LARGE")


async def padded(api: Api, path: str, size: int, how: str) -> Answer:
    """Post a good task with blanks behind it."""
    body = b'{"titel": "T"}'.ljust(size)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 65536):
            yield body[start : start + 65536]

    if how == "in chunks":
        return await api.post(path, data=chunks(), headers=JSON)
    if how == "compressed":
        return await sent(api, path, gzip.compress(body), **{"Content-Encoding": "gzip"})
    return await sent(api, path, body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_cannot_be_unpacked_is_refused(owner: Api, path: str, coding: str) -> None:
    answer = await sent(owner, path, b"\x00\x01nonsense", **{"Content-Encoding": coding})
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert (await owner.get(path)).status == 200


# Odd values


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE tasks; --",
        '" OR ""="',
        "a\0b",
        "{}",
        "%s %(a)s {0}",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "\u202e\uffff\U0001f600 e\u0301",
        "\\ud800",
        "null",
        "$(id)`id`",
    ],
)
async def test_any_words_are_kept_as_data_and_found_again(owner: Api, path: str, text: str) -> None:
    await owner.make(path, {"titel": "Other"})
    made = await owner.make(path, {"titel": text, "beschreibung": text})
    assert (made["titel"], made["beschreibung"]) == (text, text)
    assert (await owner.get(f"/api/aufgaben/{made['id']}")).json == made
    assert (await owner.get(path, params={"q": text})).json == [made]
    assert len((await owner.get(path)).json) == 2


@pytest.mark.parametrize("name", ["status", "prioritaet", "zugewiesenAn", "parentId", "zielId", "q"])
async def test_sql_in_a_filter_finds_nothing_more(owner: Api, path: str, name: str) -> None:
    await owner.make(path, {"titel": "T"})
    answer = await owner.get(path, params={name: "' OR '1'='1"})
    assert_sound(answer)
    assert answer.status == 400 or answer.json == []


async def test_a_search_has_at_most_twenty_different_words(owner: Api, path: str) -> None:
    made = await owner.make(path, {"titel": "a b"})
    assert (await owner.get(path, params={"q": "a b " * 500})).json == [made]
    twenty = [f"word{number}" for number in range(20)]
    assert (await owner.get(path, params={"q": " ".join(twenty)})).json == []
    answer = await owner.get(path, params={"q": " ".join([*twenty, "more"])})
    assert_error(answer, 400, "VALIDATION_ERROR")


NUMBERS = ["1e400", "-1e400", "1e308", "9" * 30, "9" * 5000, str(2**63), str(-(2**63) - 1), "-0.0", "1.5e-320"]


@pytest.mark.parametrize("number", NUMBERS)
async def test_no_number_is_too_large_to_be_refused(
    owner: Api, company: Json, ids: dict[Subject, str], number: str
) -> None:
    of_company, agent = f"/api/unternehmen/{company['id']}", ids[Subject.AGENT]
    for where, fields in (
        (f"/api/aufgaben/{ids[Subject.TASK]}/checkout", {"expertId": agent, "leaseSek": "?"}),
        (f"/api/aufgaben/{ids[Subject.TASK]}/checkout", {"expertId": agent, "warteSek": "?"}),
        (f"/api/aufgaben/{ids[Subject.TASK]}/release", {"executionToken": "?"}),
        (f"/api/experten/{agent}/skills", {"name": "N", "proficiency": "?"}),
        (f"{of_company}/experten", {"name": "N", "rolle": "R", "budgetMonatCent": "?"}),
        (f"{of_company}/experten", {"name": "N", "rolle": "R", "zyklusIntervallSek": "?"}),
        (f"{of_company}/genehmigungen", {"titel": "T", "payload": {"a": "?"}}),
        ("/api/unternehmen", {"name": "N", "budgetMonatCent": "?"}),
    ):
        body = json.dumps(fields).replace('"?"', number)
        answer = await sent(owner, where, body.encode())
        assert_sound(answer)
        if answer.status == 201:
            assert (await owner.get(f"{of_company}/experten")).status == 200
            assert (await owner.get(f"{of_company}/genehmigungen")).status == 200


@pytest.mark.parametrize("depth", [10, 30, 100, 500, 900, 940, 1000, 50_000])
async def test_what_is_accepted_however_deep_is_read_again(
    owner: Api, company: Json, runtime: Runtime, depth: int
) -> None:
    path = f"/api/unternehmen/{company['id']}/genehmigungen"
    body = b'{"titel": "T", "payload": {"a": %s}}' % (b"[" * depth + b"]" * depth)
    async with owner.session.post(owner.url + path, data=body, headers={**JSON, **bearer(owner)}) as response:
        text = await response.text()
        assert response.status in (201, 400), text
    if response.status == 400:
        assert json.loads(text)["code"] == "VALIDATION_ERROR"
        return
    for actor in runtime.system.live():
        if actor.kind.name == "approval":
            runtime.system.drop(actor)
    approval_id = text.partition('"id":"')[2][:36]
    async with owner.session.get(f"{owner.url}/api/genehmigungen/{approval_id}", headers=bearer(owner)) as response:
        assert (response.status, await response.text()) == (200, text)


# Tokens


def bearer(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.token}"}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_a_token_without_a_signature_or_with_another_is_nobodys(owner: Api) -> None:
    header, payload, signature = str(owner.token).split(".")
    claims = jwt.decode(str(owner.token), options={"verify_signature": False})
    forged = [
        f"{part({'alg': alg, 'typ': 'JWT'})}.{payload}.{end}"
        for alg in ("none", "None", "nOnE", "", None, "HS512", "RS256", 5)
        for end in ("", signature)
    ]
    forged += [jwt.encode(claims, key, algorithm="HS256") for key in ("k" * 32, "secret" * 8)]
    forged += [
        jwt.encode(claims, "", algorithm="none"),
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{part({**claims, 'exp': 2**40})}.{signature}",
        f"{header}.{part({**claims, 'typ': 'agent'})}.{signature}",
        f"{header}.{payload}.{signature[:-1]}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{part({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': ''}})}.{payload}.{signature}",
        f"{'A' * 3000}.{payload}.{signature}",
        "[" * 3000,
        "null",
    ]
    for token in forged:
        assert_error(await owner.with_token(token).get("/api/auth/ich"), 401, "NOT_AUTHENTICATED")
    assert (await owner.get("/api/auth/ich")).status == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer x y", "Token {token}", "{token}", "Bearer {token}x"]
)
async def test_a_header_that_is_no_bearer_token_is_nobodys(owner: Api, header: str) -> None:
    nobody = owner.with_token(None)
    answer = await nobody.get("/api/auth/ich", headers={"Authorization": header.format(token=owner.token)})
    assert_error(answer, 401, "NOT_AUTHENTICATED")


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/",
        "/api/health/",
        "/API/health",
        "//api/health",
        "/api/nonsense",
        "/api/%2e%2e/health",
        "/%00",
        "/%FF",
        "/api/aufgaben",
        "/index.html",
        "/" + "a" * 8000,
    ],
)
async def test_an_unknown_path_is_not_found_in_json(nobody: Api, path: str) -> None:
    assert_error(await nobody.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", dict.fromkeys(route.path for route in ROUTES))
async def test_a_wrong_method_is_told_the_right_ones(owner: Api, ids: dict[Subject, str], path: str) -> None:
    asked = re.sub(r"\{\w+\}", NO_ID, path)
    # A word of one path can be what another one names.
    at_it = [route for route in ROUTES if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), asked)]
    right = sorted(route.method for route in at_it)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - {*right}:
        answer = await owner.call(method, asked)
        assert_error(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == ", ".join(right)


# What is hardly HTTP


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer_to(url: str, request: bytes) -> Answer:
    """What a request as it stands is answered."""
    async with asyncio.timeout(5), line_to(url) as (reader, writer):
        writer.write(request)
        status = (await reader.readline()).split()
        headers = CIMultiDict[str]()
        while line := (await reader.readline()).strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        text = (await reader.readexactly(int(headers["Content-Length"]))).decode()
    return Answer(int(status[1]), headers, text, json.loads(text))


HOST = b" HTTP/1.1\r\nHost: x\r\n"
SIGN_IN = b"POST /api/auth/anmelden" + HOST + b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /api/health" + HOST + b"\r\n",
        b"G\xc3\xa9T /" + HOST + b"\r\n",
        b"GET /\xff" + HOST + b"\r\n",
        b"GET /api/health?\xff" + HOST + b"\r\n",
        b"GET http://[" + HOST + b"\r\n",
        b"GET /" + b"a" * 9000 + HOST + b"\r\n",
        b"GET /" + HOST + b"X: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET /" + HOST + b"X: 1\r\n" * 40_000 + b"\r\n",
        b"GET /" + HOST + b"Bad Header: 1\r\n\r\n",
        b"GET /" + HOST + b": 1\r\n\r\n",
        b"GET /" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /api/health" + HOST + b"Expect: nonsense\r\n\r\n",
        SIGN_IN + b"Expect: nonsense\r\nContent-Length: 2\r\n\r\n{}",
        SIGN_IN + b"Content-Length: -1\r\n\r\n",
        SIGN_IN + b"Content-Length: x\r\n\r\n",
        SIGN_IN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        SIGN_IN + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        SIGN_IN + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        SIGN_IN + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /ws" + HOST + b"\r\n",
        b"GET /ws" + HOST + b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 99\r\n\r\n",
    ],
    ids=lambda request: repr(request[:50]),
)
async def test_what_is_hardly_http_is_refused_in_json(url: str, request_: bytes) -> None:
    answer = await answer_to(url, request_)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (await answer_to(url, b"GET /api/health" + HOST + b"\r\n")).status == 200


async def test_headers_may_hold_any_bytes(url: str) -> None:
    for name in (b"Authorization: Bearer", b"Cookie: opencognit_token=", b"Authorization:"):
        answer = await answer_to(url, b"GET /api/auth/ich" + HOST + name + b" \xff\xfe\r\n\r\n")
        assert_error(answer, 401, "NOT_AUTHENTICATED")


async def test_a_client_that_leaves_in_the_middle_harms_nobody(url: str) -> None:
    for request in (
        b"",
        b"GET",
        SIGN_IN,
        SIGN_IN + b"Content-Length: 100\r\n\r\n{",
        SIGN_IN + b"Content-Length: 2\r\n\r\n{}",
    ):
        async with line_to(url) as (_, writer):
            writer.write(request)
    assert (await answer_to(url, b"GET /api/health" + HOST + b"\r\n")).status == 200
