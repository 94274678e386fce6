"""Webhooks fire routines: signed as the Standard Webhooks specification says, checked by its reference library."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks import Webhook

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock
from tests.builders import Answer, Api, assert_error
from tests.http.routine_calls import NO_ID, Json, current, fired, history_of, routine_of, trigger_of
from tests.http.working import task_of

DONE = {"success": True}


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def routine(owner: Api, company: Json) -> Json:
    return await routine_of(owner, company, titel="Look at {{order}}", concurrencyPolicy="always_enqueue")


@pytest.fixture
async def webhook(owner: Api, routine: Json) -> Json:
    return await trigger_of(owner, routine, "webhook")


def signed(webhook: Json, clock: ManualClock, body: bytes, *, id_: str = "msg_1", late: float = 0) -> dict[str, str]:
    """The headers of a sender who signs `late` seconds ago."""
    when = datetime.fromisoformat(clock.now()) - timedelta(seconds=late)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(webhook["secret"]).sign(id_, when, body.decode()),
    }


async def call(api: Api, webhook: Json, body: bytes, headers: Mapping[str, str]) -> Answer:
    """As another service does: without a token."""
    path = f"/api/webhooks/routinen/{webhook['publicId']}"
    kind = {"Content-Type": "application/json"}
    return await api.with_token(None).post(path, data=io.BytesIO(body), headers={**kind, **headers})


async def test_a_signed_call_fires_the_routine_with_its_body_as_payload(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock
) -> None:
    body = b'{ "order":"No. 7", "n":1 }'
    answer = await call(owner, webhook, body, signed(webhook, clock, body))
    assert (answer.status, answer.json) == (200, DONE)
    [execution] = await history_of(owner, routine)
    wanted = {"quelle": "webhook", "triggerId": webhook["id"], "status": "enqueued", "payload": json.loads(body)}
    assert {name: execution[name] for name in wanted} == wanted
    task = await task_of(owner, {"id": execution["aufgabeId"]})
    assert (task["titel"], task["erstelltVon"]) == ("Look at No. 7", None)
    assert (await current(owner, routine))["triggers"][0]["zuletztGefeuertAm"] == clock.now()


async def test_a_call_without_a_body_has_an_empty_payload(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock
) -> None:
    assert (await call(owner, webhook, b"", signed(webhook, clock, b""))).json == DONE
    assert [execution["payload"] for execution in await history_of(owner, routine)] == [{}]


async def test_one_good_signature_of_several_is_enough(owner: Api, webhook: Json, clock: ManualClock) -> None:
    headers = signed(webhook, clock, b"{}")
    others = "v1a,c2lnbmVk v1,c2lnbmVk"
    for number, signature in enumerate(
        (f"{others} {headers['webhook-signature']}", f"{headers['webhook-signature']} x")
    ):
        answer = await call(owner, webhook, b"{}", headers | {"webhook-signature": signature})
        assert (answer.status, answer.json) == (200, DONE), number


# The secret


async def test_the_secret_is_shown_once_and_nowhere_kept_in_the_clear(
    owner: Api, routine: Json, runtime: Runtime
) -> None:
    key = {"Idempotency-Key": "once"}
    path = f"/api/routinen/{routine['id']}/triggers"
    made = await owner.post(path, {"kind": "webhook"}, headers=key)
    secret = made.json["secret"]
    assert secret.startswith("whsec_")
    assert (await owner.post(path, {"kind": "webhook"}, headers=key)).text == made.text
    for answer in (
        await owner.get(path),
        await owner.get(f"/api/routinen/{routine['id']}"),
        await owner.patch(f"/api/triggers/{made.json['id']}", {"aktiv": False}),
        await owner.get(f"/api/unternehmen/{routine['unternehmenId']}/aktivitaet"),
    ):
        assert answer.status == 200
        assert secret[6:] not in answer.text
    found = [
        file.name for file in runtime.data.rglob("*") if file.is_file() and secret[6:].encode() in file.read_bytes()
    ]
    assert found == []
    assert any(made.json["publicId"].encode() in file.read_bytes() for file in runtime.data.glob("*.db*"))


async def test_two_webhooks_have_two_secrets(owner: Api, routine: Json, webhook: Json, clock: ManualClock) -> None:
    """To change a secret: add a webhook, move the sender, delete the old one."""
    other = await trigger_of(owner, routine, "webhook")
    assert (await call(owner, webhook, b"{}", signed(other, clock, b"{}"))).status == 401
    assert (await call(owner, other, b"{}", signed(other, clock, b"{}"))).status == 200
    await owner.delete(f"/api/triggers/{webhook['id']}")
    assert_error(await call(owner, webhook, b"{}", signed(webhook, clock, b"{}")), 401, "NOT_AUTHENTICATED")
    await owner.delete(f"/api/routinen/{routine['id']}")
    assert_error(await call(owner, other, b"{}", signed(other, clock, b"{}")), 401, "NOT_AUTHENTICATED")


# Refusals


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": None},
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": None},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1775383201"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1775383200.0"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": None},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,!!!"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "," * 4000},
    ],
    ids=str,
)
async def test_a_call_that_is_not_signed_well_is_refused_as_one_to_an_unknown_webhook_is(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock, change: Json
) -> None:
    headers = {name: value for name, value in (signed(webhook, clock, b"{}") | change).items() if value is not None}
    refused = await call(owner, webhook, b"{}", headers)
    unknown = await call(owner, {"publicId": NO_ID}, b"{}", signed(webhook, clock, b"{}"))
    for answer in (refused, unknown):
        assert_error(answer, 401, "NOT_AUTHENTICATED")
        del answer.json["anfrageId"]
    assert refused.json == unknown.json
    assert await history_of(owner, routine) == []


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_bytes_that_are_no_text_are_refused(nobody: Api, webhook: Json, clock: ManualClock, name: str) -> None:
    headers = signed(webhook, clock, b"{}") | {name: "v1,\udcff"}
    head = f"POST /api/webhooks/routinen/{webhook['publicId']} HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n"
    lines = "".join(f"{header}: {value}\r\n" for header, value in headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(nobody.url.rpartition(":")[2]))
    writer.write(f"{head}{lines}Connection: close\r\n\r\n{{}}".encode("utf-8", "surrogateescape"))
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 "), answer


@pytest.mark.parametrize("id_", ["", "x" * 256, "a b", "é"])
async def test_a_message_has_an_id_without_blanks_of_moderate_length(
    owner: Api, webhook: Json, clock: ManualClock, id_: str
) -> None:
    answer = await call(owner, webhook, b"{}", signed(webhook, clock, b"{}", id_=id_))
    assert_error(answer, 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("body", [b'{"order":1}', b'{"order": 2}', b"", b'{"order": 1}\n'])
async def test_a_body_that_was_not_signed_byte_for_byte_is_refused(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock, body: bytes
) -> None:
    answer = await call(owner, webhook, body, signed(webhook, clock, b'{"order": 1}'))
    assert_error(answer, 401, "NOT_AUTHENTICATED")
    assert await history_of(owner, routine) == []


@pytest.mark.parametrize(("late", "status"), [(300, 200), (301, 401), (-300, 200), (-301, 401)])
async def test_a_signature_is_good_for_five_minutes(
    owner: Api, webhook: Json, clock: ManualClock, late: float, status: int
) -> None:
    answer = await call(owner, webhook, b"{}", signed(webhook, clock, b"{}", late=late))
    assert answer.status == status, answer


@pytest.mark.parametrize("body", [b"[]", b"null", b"nonsense", b'"x"', b'{"a": NaN}', b"[" * 50_000])
async def test_a_signed_body_that_is_no_object_is_refused(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock, body: bytes
) -> None:
    assert_error(await call(owner, webhook, body, signed(webhook, clock, body)), 400, "VALIDATION_ERROR")
    assert await history_of(owner, routine) == []


@pytest.mark.parametrize("public_id", ["publicId", None])
async def test_a_large_body_is_refused_signed_or_not(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock, public_id: str | None
) -> None:
    largest = b'{"x": "%s"}' % (b"y" * (64 * 1024 - 9))
    assert (await call(owner, webhook, largest, signed(webhook, clock, largest))).status == 200
    target = webhook if public_id else {"publicId": NO_ID}
    for body in (largest + b" ", b"x" * 2_000_000):
        assert_error(await call(owner, target, body, {}), 413, "PAYLOAD_TOO_LARGE")
    assert len(await history_of(owner, routine)) == 1


async def test_whoever_guesses_is_slowed_down_and_whoever_signs_is_not(
    owner: Api, nobody: Api, webhook: Json, clock: ManualClock
) -> None:
    wrong = signed(webhook, clock, b"{}") | {"webhook-signature": "v1,c2lnbmVk"}
    answers = [await call(owner, webhook, b"{}", wrong) for _ in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert_error(answers[-1], 429, "RATE_LIMITED")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    unknown = [await call(owner, {"publicId": NO_ID}, b"{}", wrong) for _ in range(6)]
    assert [answer.status for answer in unknown] == [401] * 5 + [429]
    assert (await call(owner, webhook, b"{}", signed(webhook, clock, b"{}"))).status == 200
    await nobody.somebody()


# The same message again


async def test_a_message_has_one_effect_however_often_it_is_sent(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock
) -> None:
    headers = signed(webhook, clock, b"{}")
    at_once = await asyncio.gather(*(call(owner, webhook, b"{}", headers) for _ in range(10)))
    await clock.advance(3600)
    signed_anew = await call(owner, webhook, b"{}", signed(webhook, clock, b"{}"))
    assert [answer.json for answer in (*at_once, signed_anew)] == [DONE] * 11
    assert len(await history_of(owner, routine)) == 1
    assert (await call(owner, webhook, b"{}", signed(webhook, clock, b"{}", id_="msg_2"))).json == DONE
    assert len(await history_of(owner, routine)) == 2


async def test_two_webhooks_may_have_messages_of_the_same_id(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock
) -> None:
    for one in (webhook, await trigger_of(owner, routine, "webhook")):
        assert (await call(owner, one, b"{}", signed(one, clock, b"{}"))).status == 200
    assert len(await history_of(owner, routine)) == 2


async def test_a_message_has_one_effect_over_a_restart(tmp_path: Path, settings: Settings, clock: ManualClock) -> None:
    async with serving(tmp_path, settings, clock) as nobody:
        owner = await nobody.somebody()
        routine = await routine_of(owner, await owner.company())
        webhook = await trigger_of(owner, routine, "webhook")
        await call(owner, webhook, b"{}", signed(webhook, clock, b"{}"))
    async with serving(tmp_path, settings, clock) as nobody:
        assert (await call(nobody, webhook, b"{}", signed(webhook, clock, b"{}"))).json == DONE
        assert len(await history_of(nobody.with_token(owner.token), routine)) == 1


@asynccontextmanager
async def serving(folder: Path, settings: Settings, clock: ManualClock) -> AsyncIterator[Api]:
    """A caller without a token of a server on this folder."""
    async with (
        Runtime(folder, settings=settings, clock=clock) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        yield Api(session, url)


async def test_a_message_that_was_refused_while_the_routine_rested_has_its_effect_later(
    owner: Api, routine: Json, webhook: Json, clock: ManualClock
) -> None:
    one = f"/api/routinen/{routine['id']}"
    await owner.patch(one, {"status": "paused"})
    assert_error(await call(owner, webhook, b"{}", signed(webhook, clock, b"{}")), 409, "INVALID_STATUS")
    await owner.patch(one, {"status": "active"})
    await owner.patch(f"/api/triggers/{webhook['id']}", {"aktiv": False})
    assert_error(await call(owner, webhook, b"{}", signed(webhook, clock, b"{}")), 409, "INVALID_STATUS")
    await owner.patch(f"/api/triggers/{webhook['id']}", {"aktiv": True})
    assert (await call(owner, webhook, b"{}", signed(webhook, clock, b"{}"))).json == DONE
    assert len(await history_of(owner, routine)) == 1


async def test_what_a_webhook_sends_is_no_template(owner: Api, company: Json, clock: ManualClock) -> None:
    routine = await routine_of(owner, company, titel="{{order}}", variablen={"key": "hidden", "order": "none"})
    webhook = await trigger_of(owner, routine, "webhook")
    body = b'{"order": "{{key}}"}'
    await call(owner, webhook, body, signed(webhook, clock, body))
    [execution] = await history_of(owner, routine)
    assert (await task_of(owner, {"id": execution["aufgabeId"]}))["titel"] == "{{key}}"


async def test_a_webhook_is_merged_where_the_routine_coalesces(owner: Api, company: Json, clock: ManualClock) -> None:
    routine = await routine_of(owner, company)
    webhook, first = await trigger_of(owner, routine, "webhook"), await fired(owner, routine)
    await call(owner, webhook, b'{"n": 1}', signed(webhook, clock, b'{"n": 1}'))
    merged = (await history_of(owner, routine))[1]
    assert (merged["status"], merged["aufgabeId"], merged["payload"]) == ("received", first["aufgabeId"], {"n": 1})
