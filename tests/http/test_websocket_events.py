"""What a WebSocket is sent: what it chose, what it missed, and only what its user may see now."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from tests.builders import Api, Follower
from tests.http.sockets import Follow, Json, answer_to, bearer, everything, newest, numbers

NO_ID = "00000000-0000-4000-8000-000000000000"


# Filters


async def test_an_event_has_the_form_of_the_contract(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner)
    await owner.task(company)
    event = await follower.until("task_created")
    assert event.keys() == {"type", "data", "timestamp", "seq", "unternehmenId"}
    assert event["unternehmenId"] == event["data"]["unternehmenId"] == company["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])


async def test_a_subscription_is_answered_with_what_it_is(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner)
    wanted = {"unternehmenIds": [company["id"]], "types": ["task_created"]}
    answer = await answer_to(follower.socket, {"type": "subscribe", **wanted})
    assert answer == {"type": "subscribed", "seq": answer["seq"], **wanted}


async def test_types_narrow_what_is_sent(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner, types=["task_created", "task_deleted"])
    task = await owner.task(company)
    await owner.patch(f"/api/aufgaben/{task['id']}", {"titel": "Another"})
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert [(await follower.next())["type"] for _ in range(2)] == ["task_created", "task_deleted"]


async def test_companies_narrow_what_is_sent(owner: Api, company: Json, follow: Follow) -> None:
    other = await owner.company()
    follower = await follow(owner, unternehmenIds=[company["id"]], types=["task_created"])
    await owner.task(other)
    wanted = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == wanted["id"]


@pytest.mark.parametrize("nothing", [{"types": []}, {"unternehmenIds": []}, {"unternehmenIds": [NO_ID]}])
async def test_an_empty_choice_is_sent_nothing(owner: Api, company: Json, follow: Follow, nothing: Json) -> None:
    follower = await follow(owner, **nothing)
    await owner.task(company)
    await follower.socket.send_json({"type": "ping"})
    assert (await follower.next())["type"] == "pong"


async def test_subscribing_again_replaces_the_choice(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner, types=["task_deleted"])
    await answer_to(follower.socket, {"type": "subscribe"})
    task = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == task["id"]


async def test_after_a_narrower_choice_nothing_of_the_wider_one_comes(
    owner: Api, company: Json, follow: Follow
) -> None:
    follower = await follow(owner)
    writing = [asyncio.ensure_future(owner.task(company)) for _ in range(30)]
    await answer_to(follower.socket, {"type": "subscribe", "types": ["task_deleted"]})
    for task in await asyncio.gather(*writing):
        await owner.delete(f"/api/aufgaben/{task['id']}")
    assert {(await follower.next())["type"] for _ in range(30)} == {"task_deleted"}


# Taking up where one left off


async def test_since_replays_what_came_after_it(owner: Api, company: Json, follow: Follow) -> None:
    before = await newest(follow, owner)
    tasks = [await owner.task(company) for _ in range(3)]
    follower = await follow(owner, since=before)
    created = [(await follower.until("task_created"))["data"]["taskId"] for _ in tasks]
    assert created == [task["id"] for task in tasks]
    assert follower.seen[0]["since"] == before


async def test_a_replay_says_exactly_what_was_sent_live(owner: Api, company: Json, follow: Follow) -> None:
    live = await follow(owner)
    await owner.agent(company)
    await owner.delete(f"/api/aufgaben/{(await owner.task(company))['id']}")
    last = await newest(follow, owner)
    sent = await everything(live, last)
    again = await everything(await follow(owner, since=sent[0]["seq"] - 1), last)
    assert again == sent


async def test_since_the_newest_replays_nothing(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner, since=await newest(follow, owner))
    task = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == task["id"]


async def test_a_replay_keeps_to_the_choice(owner: Api, company: Json, follow: Follow) -> None:
    other = await owner.company()
    await owner.task(other)
    wanted = await owner.task(company)
    follower = await follow(owner, since=0, unternehmenIds=[company["id"]], types=["task_created"])
    assert (await follower.next())["data"]["taskId"] == wanted["id"]


async def test_a_number_that_was_never_given_out_is_answered_with_resync(
    owner: Api, company: Json, follow: Follow
) -> None:
    last = await newest(follow, owner)
    follower = await follow(owner, since=last + 1000)
    assert follower.seen[-1] == {"type": "resync", "seq": last}
    task = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == task["id"]


async def test_an_erased_company_makes_nobody_begin_anew(owner: Api, follow: Follow) -> None:
    """Its events are gone, but nobody could be sent them anyway; others must not notice that it was there."""
    old = await owner.company()
    since = await newest(follow, owner) - 1
    await owner.task(old)
    kept = await owner.company()
    task = await owner.task(kept)
    await owner.delete(f"/api/unternehmen/{old['id']}")
    follower = await follow(owner, since=since)
    assert follower.seen[-1]["type"] == "subscribed"
    created = await follower.until("task_created")
    assert created["data"]["taskId"] == task["id"]


async def test_who_resumes_while_events_are_written_misses_none_and_gets_none_twice(
    owner: Api, company: Json, follow: Follow
) -> None:
    async def write() -> None:
        for _ in range(40):
            await owner.task(company)

    writers = [asyncio.ensure_future(write()) for _ in range(4)]
    seen: list[Json] = []
    since = 0
    while not all(writer.done() for writer in writers):
        follower = await follow(owner, since=since)
        seen += await everything(follower, since + 20)
        since = seen[-1]["seq"]
        await follower.socket.close()
    last = await newest(follow, owner)
    if since < last:
        seen += await everything(await follow(owner, since=since), last)
    assert numbers(seen) == list(range(1, last + 1))
    assert sum(event["type"] == "task_created" for event in seen) == 160


async def test_asking_for_a_replay_while_following_gives_it_in_order(owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(owner)
    writing = [asyncio.ensure_future(owner.task(company)) for _ in range(60)]
    await follower.until("task_created")
    await follower.socket.send_json({"type": "subscribe", "since": 0})
    while (await follower.next())["type"] != "subscribed":
        pass
    await asyncio.gather(*writing)
    follower.seen.clear()
    last = await newest(follow, owner)
    assert numbers(await everything(follower, last)) == list(range(1, last + 1))


async def test_a_client_resumes_over_a_restart_without_a_gap(tmp_path: Path, settings: Settings) -> None:
    seen: list[Json] = []
    token: str | None = None
    company: Json = {}
    for run in range(3):
        async with (
            Runtime(tmp_path, settings=settings) as runtime,
            listening(runtime, host="127.0.0.1", port=0) as url,
            aiohttp.ClientSession() as session,
        ):
            api = Api(session, url, token)
            if run == 0:
                api = await api.somebody()
                token, company = api.token, await api.company()
            for _ in range(5):
                await api.task(company)
            async with session.ws_connect(url + "/ws", headers=bearer(api)) as socket:
                follower = Follower(socket)
                since = seen[-1]["seq"] if seen else 0
                last = 1 + 10 * (run + 1)
                await socket.send_json({"type": "subscribe", "since": since})
                assert (await follower.next()) == {"type": "subscribed", "since": since, "seq": last}
                # The last two come while nobody listens, and are there after the restart.
                seen += (await everything(follower, last))[: -2 if run < 2 else None]
    assert numbers(seen) == list(range(1, 32))


# Who may see what


async def test_a_stranger_is_sent_nothing(owner: Api, company: Json, follow: Follow) -> None:
    stranger = await owner.somebody()
    follower = await follow(stranger, since=0, unternehmenIds=[company["id"]])
    for _ in range(100):
        await owner.task(company)
    await follower.socket.send_json({"type": "ping"})
    assert (await follower.next())["type"] == "pong"


async def test_an_agent_sees_its_own_company_alone(owner: Api, company: Json, follow: Follow) -> None:
    other = await owner.company()
    agent = await owner.agent_api(await owner.agent(company))
    follower = await follow(agent, types=["task_created"])
    await owner.task(other)
    task = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == task["id"]


async def test_an_admin_sees_every_company(admin: Api, owner: Api, company: Json, follow: Follow) -> None:
    follower = await follow(admin)
    task = await owner.task(company)
    await follower.until("task_created", taskId=task["id"])


async def test_a_founder_sees_a_company_made_while_connected(owner: Api, follow: Follow) -> None:
    follower = await follow(owner)
    company = await owner.company()
    task = await owner.task(company)
    await follower.until("task_created", taskId=task["id"])


@pytest.mark.parametrize("role", ["eigentuemer", "mitglied", "beobachter"])
async def test_a_member_taken_in_while_connected_sees_at_once(
    owner: Api, company: Json, follow: Follow, role: str
) -> None:
    friend = await owner.somebody()
    follower = await follow(friend, types=["task_created"])
    await owner.task(company)
    await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", {"benutzerId": friend.user["id"], "rolle": role})
    task = await owner.task(company)
    assert (await follower.next())["data"]["taskId"] == task["id"]


async def test_a_member_put_out_while_connected_sees_no_more_at_once(owner: Api, company: Json, follow: Follow) -> None:
    friend = await owner.somebody()
    members = f"/api/unternehmen/{company['id']}/mitglieder"
    await owner.make(members, {"benutzerId": friend.user["id"], "rolle": "mitglied"})
    follower = await follow(friend)
    task = await owner.task(company)
    await follower.until("aktivitaet", aktion="task.created")
    assert (await owner.delete(f"{members}/{friend.user['id']}")).status == 200
    await owner.delete(f"/api/aufgaben/{task['id']}")
    assert await answer_to(follower.socket, {"type": "subscribe", "since": 0})
    await follower.socket.send_json({"type": "ping"})
    assert (await follower.next())["type"] == "pong"
