"""Subscriptions: a company's events arrive at other programs, signed, in order, and nothing else does."""

from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from opencognit.domain.instants import moment
from opencognit.domain.subscription import MOST_SUBSCRIPTIONS
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.store.copying import copy_without_secrets
from opencognit.testing import ManualClock
from tests.builders import Api, assert_error
from tests.http.event_receiver import (
    Json,
    Receiver,
    allowing,
    answer,
    current,
    log_of,
    log_when,
    log_with,
    serving,
    subscribed,
)

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def settings() -> Settings:
    return allowing()


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


# What arrives


async def test_events_arrive_in_order_with_the_id_of_their_delivery(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    tasks = [await owner.task(company) for _ in range(5)]
    received = await receiver.count(5)
    assert [one.event["data"]["taskId"] for one in received] == [task["id"] for task in tasks]
    log = await log_with(owner, subscription, *[("delivered", 1)] * 5)
    assert [(one["id"], one["seq"]) for one in log] == [(one.id, one.event["seq"]) for one in received]
    assert log[0].keys() == {
        *("id", "unternehmenId", "abonnementId", "seq", "ereignisTyp", "status", "versuche", "antwortStatus"),
        *("fehler", "erstelltAm", "letzterVersuchAm", "naechsterVersuchAm", "abgeschlossenAm"),
    }
    assert (log[0]["antwortStatus"], log[0]["fehler"], log[0]["naechsterVersuchAm"]) == (204, None, None)


async def test_a_message_is_the_event_as_the_socket_sends_it(
    owner: Api, company: Json, receiver: Receiver, follow: object
) -> None:
    follower = await follow(owner)  # type: ignore[operator]
    await subscribed(owner, company, receiver.url)
    await owner.task(company)
    [received] = await receiver.count(1)
    assert received.event == await follower.until("task_created")
    assert received.headers["Content-Type"] == "application/json"


async def test_only_the_chosen_types_arrive_and_without_a_choice_all(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    await subscribed(owner, company, f"{receiver.url}/some", "task_deleted", "goal_achieved")
    await subscribed(owner, company, f"{receiver.url}/all", ereignisTypen=[])
    task = await owner.task(company)
    await owner.delete(f"/api/aufgaben/{task['id']}")
    await receiver.until(lambda all_: len(of(all_, "/some")) == 1 and "task_deleted" in of(all_, "/all"))
    assert of(receiver.received, "/some") == ["task_deleted"]
    assert {"task_created", "task_deleted", "aktivitaet"} <= set(of(receiver.received, "/all"))


async def test_nothing_of_another_company_arrives(admin: Api, owner: Api, company: Json, receiver: Receiver) -> None:
    await subscribed(owner, company, receiver.url)
    other = await owner.company()
    stranger = await admin.somebody()
    for _ in range(20):
        await owner.task(other)
        await stranger.task(await stranger.company())
    await owner.task(company)
    [received] = await receiver.count(1)
    assert received.event["unternehmenId"] == company["id"]


async def test_what_happened_before_does_not_arrive(owner: Api, company: Json, receiver: Receiver) -> None:
    await owner.task(company)
    await subscribed(owner, company, receiver.url)
    last = await owner.task(company)
    [received] = await receiver.count(1)
    assert received.event["data"]["taskId"] == last["id"]


async def test_what_agents_say_among_themselves_arrives_too(owner: Api, company: Json, receiver: Receiver) -> None:
    """Agents' own sockets are not told of it; a subscription is the company's."""
    await subscribed(owner, company, receiver.url, "chat_message")
    ada, bob = await owner.agent(company), await owner.agent(company)
    said = {"nachricht": "Between us", "empfaengerId": bob["id"]}
    await (await owner.agent_api(ada)).make(f"/api/unternehmen/{company['id']}/chat", said)
    [received] = await receiver.count(1)
    assert received.event["data"]["nachricht"] == "Between us"


# Resting


async def test_one_that_was_paused_goes_on_where_it_has_stopped(owner: Api, company: Json, receiver: Receiver) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    one = f"/api/abonnements/{subscription['id']}"
    assert (await owner.patch(one, {"status": "paused"})).json["status"] == "paused"
    tasks = [await owner.task(company) for _ in range(3)]
    assert_error(await owner.post(f"{one}/test"), 409, "INVALID_STATUS")
    assert receiver.received == []
    await owner.patch(one, {"status": "active"})
    received = await receiver.count(3)
    assert [one.event["data"]["taskId"] for one in received] == [task["id"] for task in tasks]


async def test_what_happens_in_a_paused_company_arrives(owner: Api, company: Json, receiver: Receiver) -> None:
    await subscribed(owner, company, receiver.url)
    await owner.patch(f"/api/unternehmen/{company['id']}", {"status": "paused"})
    await owner.task(company)
    await receiver.count(1)


async def test_one_that_was_deleted_is_sent_nothing_more(owner: Api, company: Json, receiver: Receiver) -> None:
    gone = await subscribed(owner, company, f"{receiver.url}/gone")
    await subscribed(owner, company, f"{receiver.url}/here")
    await owner.task(company)
    await receiver.count(2)
    assert (await owner.delete(f"/api/abonnements/{gone['id']}")).json == {"success": True}
    await owner.task(company)
    received = await receiver.count(3)
    assert received[-1].path.endswith("/here")
    assert_error(await owner.get(f"/api/abonnements/{gone['id']}/zustellungen"), 404, "NOT_FOUND")


async def test_one_that_is_deleted_while_its_receiver_thinks_leaves_nothing_behind(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime
) -> None:
    answers = receiver.hold()
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await receiver.count(1)
    await owner.delete(f"/api/abonnements/{subscription['id']}")
    answers.set()
    assert (await runtime.queries.deliveries(subscription["id"], 10, 0, None)).bodies == []


async def test_a_company_that_is_deleted_takes_its_subscriptions_with_it(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime
) -> None:
    answers = receiver.hold()
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await receiver.count(1)
    assert (await owner.delete(f"/api/unternehmen/{company['id']}")).status == 200
    answers.set()
    await owner.task(await owner.company())
    assert_error(await owner.get(f"/api/abonnements/{subscription['id']}"), 404, "NOT_FOUND")
    assert await runtime.queries.active_subscriptions() == []
    assert (await runtime.queries.deliveries(subscription["id"], 10, 0, None)).bodies == []
    assert len(receiver.received) == 1


async def test_it_goes_on_after_a_restart(tmp_path: Path, settings: Settings, receiver: Receiver) -> None:
    answers = receiver.hold()
    async with serving(tmp_path, settings) as nobody:
        owner = await nobody.somebody()
        company = await owner.company()
        subscription = await subscribed(owner, company, receiver.url)
        tasks = [(await owner.task(company))["id"] for number in range(3)]
        await receiver.count(1)
    answers.set()
    async with serving(tmp_path, settings):
        received = await receiver.count(4)
    events = [one.signed_by(subscription["secret"]) for one in received]
    # The first try of the first one had no end.
    assert [event["data"]["taskId"] for event in events] == [tasks[0], *tasks]
    assert received[0].id == received[1].id
    assert len({one.id for one in received}) == 3


async def test_what_has_arrived_is_not_sent_again_after_a_restart_and_the_next_is(
    tmp_path: Path, settings: Settings, receiver: Receiver
) -> None:
    async with serving(tmp_path, settings) as nobody:
        owner = await nobody.somebody()
        company = await owner.company()
        subscription = await subscribed(owner, company, receiver.url)
        for _ in range(3):
            await owner.task(company)
        await log_with(owner, subscription, *[("delivered", 1)] * 3)
    async with serving(tmp_path, settings) as nobody:
        owner = nobody.with_token(owner.token)
        last = await owner.task(company)
        received = await receiver.count(4)
        assert received[3].event["data"]["taskId"] == last["id"]
        await log_with(owner, subscription, *[("delivered", 1)] * 4)


# The secret


async def test_a_message_is_signed_as_the_reference_library_wants_it(
    tmp_path: Path, settings: Settings, receiver: Receiver
) -> None:
    """By the machine's own clock, which the library reads."""
    async with serving(tmp_path, settings) as nobody:
        owner = await nobody.somebody()
        company = await owner.company(name="Überall & nirgends")
        subscription = await subscribed(owner, company, receiver.url)
        task = await owner.task(company, titel="Prüfe “das”")
        [received] = await receiver.count(1)
        assert received.signed_by(subscription["secret"])["data"]["taskTitel"] == task["titel"]


async def test_the_secret_is_shown_once_and_nowhere_kept_in_the_clear(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime
) -> None:
    key, path = {"Idempotency-Key": "once"}, f"/api/unternehmen/{company['id']}/abonnements"
    made = await owner.post(path, {"url": receiver.url}, headers=key)
    secret, one = made.json["secret"], f"/api/abonnements/{made.json['id']}"
    assert secret.startswith("whsec_")
    assert (await owner.post(path, {"url": receiver.url}, headers=key)).text == made.text
    rotated = (await owner.post(f"{one}/geheimnis")).json["secret"]
    assert rotated != secret
    await receiver.until(lambda received: len(received) >= 2)
    for found in (
        await owner.get(path),
        await owner.get(one),
        await owner.patch(one, {"beschreibung": "Ours"}),
        await owner.get(f"{one}/zustellungen"),
        await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet"),
    ):
        assert found.status == 200
        assert secret[6:] not in found.text
        assert rotated[6:] not in found.text
    stored = b"".join(file.read_bytes() for file in runtime.data.rglob("*") if file.is_file())
    assert receiver.url.encode() in stored
    assert secret[6:].encode() not in stored
    assert rotated[6:].encode() not in stored
    assert not any(
        part in one.body for one in receiver.received for part in (secret[6:].encode(), rotated[6:].encode())
    )


async def test_what_is_created_is_shown_again_without_its_secret(owner: Api, company: Json, receiver: Receiver) -> None:
    subscription = await subscribed(owner, company, receiver.url, beschreibung="Ours")
    del subscription["secret"]
    assert await current(owner, subscription) == subscription
    path = f"/api/unternehmen/{company['id']}/abonnements"
    assert (await owner.get(path)).json == [subscription]
    assert (await owner.get(f"{path}?status=paused,disabled")).json == []


async def test_the_feed_names_the_host_and_nothing_of_the_address_that_may_be_a_password(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    await subscribed(owner, company, f"{receiver.url}/T00/B00/k3y?token=t0ken")
    entry = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json[0]
    assert (entry["aktion"], entry["text"]) == ("subscription.created", "127.0.0.1 is to be sent the company's events")


async def test_a_new_secret_signs_at_once_and_the_old_one_for_a_day_more(
    owner: Api, company: Json, receiver: Receiver, clock: ManualClock
) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    old = subscription["secret"]
    rotated = (await owner.make(f"/api/abonnements/{subscription['id']}/geheimnis"))["secret"]

    def signers(number: int) -> list[str]:
        headers = receiver.received[number].headers
        when = moment(clock.now())
        assert headers["webhook-timestamp"] == str(int(when.timestamp()))
        body = receiver.received[number].body.decode()
        by = {Webhook(secret).sign(headers["webhook-id"], when, body): secret for secret in (old, rotated)}
        return [by[signature] for signature in headers["webhook-signature"].split(" ")]

    await owner.task(company)
    await receiver.count(1)
    assert signers(0) == [rotated, old]
    await clock.advance(timedelta(days=1).total_seconds())
    await owner.task(company)
    await receiver.count(2)
    assert signers(1) == [rotated]


# Trying and sending again


async def test_a_trial_arrives_at_once(owner: Api, company: Json, receiver: Receiver) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    trial = await owner.make(f"/api/abonnements/{subscription['id']}/test")
    [received] = await receiver.count(1)
    assert (received.id, received.event["type"], received.event["data"]) == (trial["id"], "ping", {})
    [logged] = await log_with(owner, subscription, ("delivered", 1))
    assert (logged["ereignisTyp"], logged["seq"]) == ("ping", None)


async def test_a_trial_that_fails_is_not_tried_again(owner: Api, company: Json, receiver: Receiver) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.make(f"/api/abonnements/{subscription['id']}/test")
    [logged] = await log_with(owner, subscription, ("failed", 1))
    assert (logged["antwortStatus"], logged["fehler"]) == (500, "It answered with the status 500")


async def test_what_has_arrived_can_be_sent_again_with_the_same_id(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    [logged] = await log_with(owner, subscription, ("delivered", 1))
    path = f"/api/abonnements/{subscription['id']}/zustellungen/{logged['id']}/wiederholen"
    assert (await owner.post(path)).json["status"] == "pending"
    first, second = await receiver.count(2)
    assert (first.id, first.body) == (second.id, second.body)
    await log_with(owner, subscription, ("delivered", 2))


async def test_only_a_delivery_of_this_subscription_is_sent_again(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    one = await subscribed(owner, company, receiver.url)
    other = await subscribed(owner, company, receiver.url, "goal_achieved")
    await owner.task(company)
    [logged] = await log_with(owner, one, ("delivered", 1))
    for delivery_id in (logged["id"], NO_ID, "nonsense"):
        path = f"/api/abonnements/{other['id']}/zustellungen/{delivery_id}/wiederholen"
        assert_error(await owner.post(path), 404, "NOT_FOUND")
    assert len(receiver.received) == 1


# Refusals


@pytest.mark.parametrize(
    "address",
    [
        *("", "nonsense", "/hook", "ftp://hooks.example/", "file:///etc/passwd", "https://"),
        *("http://127.0.0.2/", "http://[::1]/", "http://10.0.0.1/", "http://169.254.169.254/"),
        *("http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.2]/", "https://user:password@hooks.example/"),
        f"https://hooks.example/{'x' * 2000}",
    ],
)
async def test_an_address_that_must_not_be_called_is_refused(owner: Api, company: Json, address: str) -> None:
    path = f"/api/unternehmen/{company['id']}/abonnements"
    assert_error(await owner.post(path, {"url": address}), 400, "VALIDATION_ERROR")
    made = await subscribed(owner, company, "https://hooks.example/", status="paused")
    assert_error(await owner.patch(f"/api/abonnements/{made['id']}", {"url": address}), 400, "VALIDATION_ERROR")
    assert (await current(owner, made))["url"] == "https://hooks.example/"


@pytest.mark.parametrize(
    "fields",
    [
        {"ereignisTypen": ["task_craeted"]},
        {"ereignisTypen": ["run_output"]},
        {"ereignisTypen": ["ping"]},
        {"ereignisTypen": "task_created"},
        {"status": "disabled"},
        {"secret": "whsec_MTIz"},
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(owner: Api, company: Json, fields: Json) -> None:
    path = f"/api/unternehmen/{company['id']}/abonnements"
    assert_error(await owner.post(path, {"url": "https://hooks.example/", **fields}), 400, "VALIDATION_ERROR")
    made = await subscribed(owner, company, "https://hooks.example/", status="paused")
    assert_error(await owner.patch(f"/api/abonnements/{made['id']}", fields), 400, "VALIDATION_ERROR")


async def test_a_company_has_so_many_subscriptions_and_no_more(owner: Api, company: Json) -> None:
    for _ in range(MOST_SUBSCRIPTIONS):
        await subscribed(owner, company, "https://hooks.example/", status="paused")
    path = f"/api/unternehmen/{company['id']}/abonnements"
    assert_error(await owner.post(path, {"url": "https://hooks.example/"}), 409, "INVALID_STATUS")


async def test_a_change_of_another_version_is_refused_and_deliveries_make_no_version(
    owner: Api, company: Json, receiver: Receiver
) -> None:
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await log_with(owner, subscription, ("delivered", 1))
    one, version = f"/api/abonnements/{subscription['id']}", {"If-Match": f'"{subscription["version"]}"'}
    assert (await owner.patch(one, {"beschreibung": "A"}, headers=version)).status == 200
    assert_error(await owner.patch(one, {"beschreibung": "B"}, headers=version), 409, "VERSION_CONFLICT")


# What is left of it elsewhere


async def test_a_copy_for_a_trial_run_calls_nobody(
    owner: Api, company: Json, receiver: Receiver, runtime: Runtime, tmp_path: Path
) -> None:
    receiver.answers = answer(500)
    subscription = await subscribed(owner, company, receiver.url)
    await owner.task(company)
    await log_with(owner, subscription, ("pending", 1))
    (tmp_path / "copy").mkdir()
    copy_without_secrets(runtime.data / "opencognit.db", tmp_path / "copy" / "opencognit.db")
    async with Runtime(tmp_path / "copy", settings=runtime.settings) as copy:
        assert (await copy.queries.companies(None, 10, 0)).total == 1
        assert await copy.queries.active_subscriptions() == []
        assert (await copy.queries.deliveries(subscription["id"], 10, 0, None)).total == 0


async def test_the_log_keeps_the_newest(tmp_path: Path, receiver: Receiver) -> None:
    async with serving(tmp_path, allowing(deliveries_kept=3)) as nobody:
        owner = await nobody.somebody()
        company = await owner.company()
        subscription = await subscribed(owner, company, receiver.url)
        for _ in range(6):
            await owner.task(company)
        received = await receiver.count(6)
        log = await log_when(owner, subscription, lambda log: log[-1]["id"] == received[-1].id)
        assert [one["id"] for one in log] == [one.id for one in received[3:]]
        newest = await owner.get(f"/api/abonnements/{subscription['id']}/zustellungen?limit=2")
        assert [one["id"] for one in newest.json] == [received[5].id, received[4].id]
        older = await owner.get(newest.headers["Link"].partition("<")[2].partition(">")[0])
        assert [one["id"] for one in older.json] == [received[3].id]
        assert await log_of(owner, subscription) == log


def of(received: list, path: str) -> list[str]:
    """The types of what came to this path."""
    return [one.event["type"] for one in received if one.path.endswith(path)]
