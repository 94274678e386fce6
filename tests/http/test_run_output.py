"""What a run says while it runs, as those who follow its company see it."""

import asyncio
from typing import Any

import pytest

from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower
from tests.http.sockets import Follow, Json

SECOND = 1.0


class Talker:
    """A script that says what the test tells it to, until it is told to stop."""

    def __init__(self, worker: ScriptedProvider) -> None:
        self.toolbox: Toolbox | None = None
        self.begun = asyncio.Event()
        self.stopped = asyncio.Event()
        worker.script = self

    async def __call__(self, order: WorkOrder, toolbox: Toolbox) -> Outcome:
        self.toolbox = toolbox
        self.begun.set()
        await self.stopped.wait()
        return Outcome(result="done")

    def say(self, text: str) -> None:
        assert self.toolbox is not None
        self.toolbox.progress(text)


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def talker(owner: Api, company: Json, worker: ScriptedProvider) -> Talker:
    """An agent at work on a task."""
    talker = Talker(worker)
    agent = await owner.agent(company, verbindungsTyp="scripted")
    await owner.task(company, zugewiesenAn=agent["id"])
    await asyncio.wait_for(talker.begun.wait(), 5)
    return talker


async def outputs(follower: Follower) -> list[str]:
    """All that was said to this follower, up to now."""
    pong = {"type": "none"}
    await follower.socket.send_json({"type": "ping"})
    said = []
    while pong["type"] != "pong":
        pong = await follower.next()
        if pong["type"] == "run_output":
            said.append(pong["data"]["text"])
    return said


async def test_what_a_run_says_is_sent_at_once_and_has_no_number(
    owner: Api, company: Json, talker: Talker, worker: ScriptedProvider, follow: Follow
) -> None:
    follower = await follow(owner)
    talker.say("Counting.")
    message = await follower.until("run_output")
    [order] = worker.orders
    assert message == {
        "type": "run_output",
        "data": {
            "unternehmenId": company["id"],
            "expertId": order.agent_id,
            "aufgabeId": order.task_id,
            "laufId": order.run_id,
            "text": "Counting.",
        },
        "timestamp": message["timestamp"],
        "unternehmenId": company["id"],
    }


async def test_a_run_that_talks_fast_is_sent_ten_times_a_second(
    owner: Api, talker: Talker, clock: ManualClock, follow: Follow
) -> None:
    follower = await follow(owner, types=["run_output"])
    for number in range(100):
        talker.say(f"{number} ")
        await clock.advance(SECOND / 100)
    said = await outputs(follower)
    assert 9 <= len(said) <= 11
    await clock.advance(SECOND)
    assert "".join([*said, *await outputs(follower)]) == "".join(f"{number} " for number in range(100))


async def test_what_is_left_is_sent_before_the_end(owner: Api, talker: Talker, follow: Follow) -> None:
    follower = await follow(owner)
    talker.say("one ")
    talker.say("two ")
    talker.say("three")
    talker.stopped.set()
    await follower.until("task_completed")
    texts = [message["data"]["text"] for message in follower.seen if message["type"] == "run_output"]
    assert texts == ["one ", "two three"]


async def test_of_a_flood_only_the_newest_is_sent(
    owner: Api, talker: Talker, clock: ManualClock, follow: Follow
) -> None:
    follower = await follow(owner, types=["run_output"])
    talker.say("first")
    talker.say("x" * 50_000 + "last")
    await clock.advance(SECOND)
    first, newest = await outputs(follower)
    assert (first, len(newest), newest[-4:]) == ("first", 16_000, "last")


async def test_a_stranger_is_sent_nothing(owner: Api, admin: Api, talker: Talker, follow: Follow) -> None:
    stranger, follower = await follow(await admin.somebody()), await follow(owner)
    talker.say("secret")
    await follower.until("run_output")
    assert await outputs(stranger) == []


@pytest.mark.parametrize("choice", [{"types": ["task_created"]}, {"unternehmenIds": []}])
async def test_the_choice_of_a_subscription_holds_for_it(
    owner: Api, talker: Talker, follow: Follow, choice: dict[str, Any]
) -> None:
    choosy, follower = await follow(owner, **choice), await follow(owner)
    talker.say("hello")
    await follower.until("run_output")
    assert await outputs(choosy) == []


async def test_resuming_does_not_replay_it(owner: Api, talker: Talker, follow: Follow) -> None:
    follower = await follow(owner)
    talker.say("hello")
    await follower.until("run_output")
    late = await follow(owner, since=0)
    assert await outputs(late) == []
    assert "task_started" in [message["type"] for message in late.seen]


async def test_the_run_keeps_the_whole_output(
    owner: Api, talker: Talker, worker: ScriptedProvider, follow: Follow
) -> None:
    follower = await follow(owner)
    for word in ("one ", "two ", "three"):
        talker.say(word)
    talker.stopped.set()
    await follower.until("agent_status", status="idle")
    run = (await owner.get(f"/api/laeufe/{worker.orders[0].run_id}")).json
    assert run["ausgabe"] == "one two three"
