"""What agents remember: written, found by its words, bounded, and seen by the board."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opencognit.providers.port import Outcome, Toolbox, WorkOrder
from opencognit.runtime import Runtime
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
Follow = Callable[..., Awaitable[Follower]]
NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def ada(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada")


@pytest.fixture
async def path(ada: Json) -> str:
    return f"/api/experten/{ada['id']}/erinnerungen"


@pytest.fixture
async def itself(owner: Api, ada: Json) -> Api:
    return await owner.agent_api(ada)


async def contents(api: Api, path: str) -> list[str]:
    return [memory["inhalt"] for memory in (await api.get(path)).json]


# Writing


async def test_an_agent_notes_down_what_the_board_sees(owner: Api, itself: Api, ada: Json, path: str) -> None:
    answer = await itself.post(path, {"inhalt": "The door code is 4711", "schlagworte": ["office"]})
    assert answer.status == 201
    expected = {"expertId": ada["id"], "unternehmenId": ada["unternehmenId"], "schlagworte": ["office"], "version": 1}
    assert answer.json.items() >= expected.items()
    assert (await owner.get(path)).json == [answer.json]
    assert (await owner.get(f"{path}/{answer.json['id']}")).json == answer.json


async def test_a_note_is_in_the_activity_as_the_agents(owner: Api, company: Json, itself: Api, path: str) -> None:
    memory = await itself.make(path, {"inhalt": "Tea at four"})
    entry = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json[0]
    assert (entry["aktion"], entry["akteurTyp"]) == ("agent.remembered", "agent")
    assert entry["details"]["memoryId"] == memory["id"]


async def test_a_note_is_changed_where_it_is_still_as_it_was_read(owner: Api, itself: Api, path: str) -> None:
    memory = await itself.make(path, {"inhalt": "Tea at four", "schlagworte": ["tea"]})
    one = f"{path}/{memory['id']}"
    changed = await owner.patch(one, {"inhalt": "Tea at five"}, headers={"If-Match": '"1"'})
    assert changed.status == 200
    assert changed.json.items() >= {"inhalt": "Tea at five", "schlagworte": ["tea"], "version": 2}.items()
    for late in (
        await owner.patch(one, {"inhalt": "Tea at six"}, headers={"If-Match": '"1"'}),
        await owner.delete(one, headers={"If-Match": '"1"'}),
    ):
        assert_error(late, 409, "VERSION_CONFLICT")
    assert (await owner.get(one)).json == changed.json


async def test_a_note_is_forgotten_alone_or_with_all_others(owner: Api, itself: Api, path: str) -> None:
    for text in ("one", "two", "three"):
        await itself.make(path, {"inhalt": text})
    first = (await owner.get(path)).json[0]
    assert (await owner.delete(f"{path}/{first['id']}")).json == {"success": True}
    assert await contents(owner, path) == ["two", "three"]
    assert (await itself.delete(path)).json == {"success": True}
    assert await contents(owner, path) == []


async def test_forgetting_all_is_about_one_agent(owner: Api, company: Json, path: str) -> None:
    other = f"/api/experten/{(await owner.agent(company))['id']}/erinnerungen"
    for each in (path, other):
        await owner.make(each, {"inhalt": "Tea"})
    await owner.delete(path)
    assert await contents(owner, other) == ["Tea"]
    assert len((await owner.get(f"{other}?q=tea")).json) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "inhalt"),
        ({"inhalt": ""}, "inhalt"),
        ({"inhalt": "  "}, "inhalt"),
        ({"inhalt": 5}, "inhalt"),
        ({"inhalt": "x" * 10_001}, "inhalt"),
        ({"inhalt": "ü" * 5_001}, "inhalt"),
        ({"inhalt": "x", "schlagworte": "tea"}, "schlagworte"),
        ({"inhalt": "x", "text": "x"}, "text"),
        ({"inhalt": "x", "expertId": NO_ID}, "expertId"),
    ],
)
async def test_a_bad_note_is_refused_by_its_field(owner: Api, path: str, body: Json, field: str) -> None:
    answer = await owner.post(path, body)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert [detail["feld"] for detail in answer.json["details"]] == [field]
    assert await contents(owner, path) == []


async def test_a_note_may_have_ten_thousand_bytes(owner: Api, path: str) -> None:
    assert (await owner.post(path, {"inhalt": "ü" * 5_000})).status == 201


async def test_a_retried_note_is_kept_once(itself: Api, path: str) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [await itself.make(path, {"inhalt": "Tea"}, headers=key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert await contents(itself, path) == ["Tea"]


async def test_an_unknown_note_is_not_found(owner: Api, company: Json, path: str) -> None:
    elsewhere = f"/api/experten/{(await owner.agent(company))['id']}/erinnerungen"
    of_another = await owner.make(elsewhere, {"inhalt": "Tea"})
    for memory_id in (NO_ID, "nonsense", of_another["id"]):
        one = f"{path}/{memory_id}"
        for answer in (await owner.get(one), await owner.patch(one, {"inhalt": "x"}), await owner.delete(one)):
            assert_error(answer, 404, "NOT_FOUND")


# Recall


async def test_recall_gives_the_nearest_first(owner: Api, path: str) -> None:
    for text in ("The kettle is in the kitchen", "Tea at four, tea at five, tea always", "Tea or coffee, ask Bob"):
        await owner.make(path, {"inhalt": text})
    assert await contents(owner, f"{path}?q=TEA kettle") == [
        "The kettle is in the kitchen",
        "Tea at four, tea at five, tea always",
        "Tea or coffee, ask Bob",
    ]
    answer = await owner.get(f"{path}?q=tea&limit=1")
    assert [memory["inhalt"] for memory in answer.json] == ["Tea at four, tea at five, tea always"]
    assert answer.headers["X-Total-Count"] == "2"


async def test_a_note_is_found_by_its_keywords_and_as_it_reads_now(owner: Api, path: str) -> None:
    memory = await owner.make(path, {"inhalt": "Four o'clock", "schlagworte": ["Café"]})
    assert await contents(owner, f"{path}?q=cafe") == ["Four o'clock"]
    await owner.patch(f"{path}/{memory['id']}", {"inhalt": "Five", "schlagworte": []})
    assert await contents(owner, f"{path}?q=cafe clock") == []
    assert await contents(owner, f"{path}?q=five") == ["Five"]


@pytest.mark.parametrize(
    "words",
    ['"', "'", "tea AND", "NOT tea", "tea*", "words : tea", "NEAR(tea four, 5)", "(tea", "-tea", "^tea", "tea\x00four"],
)
async def test_the_syntax_of_a_search_is_nothing_but_words(owner: Api, path: str, words: str) -> None:
    await owner.make(path, {"inhalt": "Tea at four"})
    answer = await owner.get(path, params={"q": words})
    assert answer.status == 200
    assert len(answer.json) == ("tea" in words)


@pytest.mark.parametrize("words", ["", " ", "…", "coffee", "%25", "\U0001f375"])
async def test_a_search_without_a_match_finds_nothing(owner: Api, path: str, words: str) -> None:
    await owner.make(path, {"inhalt": "Tea at four"})
    answer = await owner.get(path, params={"q": words})
    assert (answer.status, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")


async def test_recall_finds_no_other_agents_notes(owner: Api, company: Json, path: str) -> None:
    await owner.make(f"/api/experten/{(await owner.agent(company))['id']}/erinnerungen", {"inhalt": "Tea"})
    assert await contents(owner, f"{path}?q=tea") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "words=tea"])
async def test_a_bad_query_is_refused(owner: Api, path: str, query: str) -> None:
    assert_error(await owner.get(f"{path}?{query}"), 400, "VALIDATION_ERROR")


# Bounds


class TestWithRoomForThree:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(agents={"memories_per_agent": 3})

    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_the_oldest_goes_when_there_is_no_room(self, owner: Api, company: Json, path: str) -> None:
        made = [await owner.make(path, {"inhalt": text}) for text in ("one", "two", "three", "four")]
        assert await contents(owner, path) == ["two", "three", "four"]
        assert await contents(owner, f"{path}?q=one") == []
        entry = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json[0]
        assert entry["details"]["forgotten"] == [made[0]["id"]]

    async def test_what_the_agent_has_recalled_stays_longer(
        self, owner: Api, itself: Api, path: str, clock: ManualClock
    ) -> None:
        for text in ("one", "two", "three"):
            await owner.make(path, {"inhalt": text})
        await clock.advance(1)
        assert await contents(itself, f"{path}?q=one") == ["one"]
        await owner.make(path, {"inhalt": "four"})
        assert await contents(owner, path) == ["one", "three", "four"]

    async def test_what_the_board_looks_up_does_not_stay_longer(
        self, owner: Api, path: str, clock: ManualClock
    ) -> None:
        for text in ("one", "two", "three"):
            await owner.make(path, {"inhalt": text})
        await clock.advance(1)
        assert await contents(owner, f"{path}?q=one") == ["one"]
        await owner.make(path, {"inhalt": "four"})
        assert await contents(owner, path) == ["two", "three", "four"]

    async def test_the_bound_holds_when_many_write_at_once(self, owner: Api, path: str) -> None:
        await asyncio.gather(*(owner.make(path, {"inhalt": f"note {number}"}) for number in range(20)))
        assert len(await contents(owner, path)) == 3


# Those who are gone


async def test_a_deleted_agents_notes_are_erased(owner: Api, ada: Json, path: str, runtime: Runtime) -> None:
    await owner.make(path, {"inhalt": "Tea"})
    await owner.delete(f"/api/experten/{ada['id']}")
    assert_error(await owner.get(path), 404, "NOT_FOUND")
    assert (await runtime.queries.memories(ada["id"], 10, 0)).total == 0


async def test_a_deleted_companys_notes_are_erased(
    owner: Api, company: Json, ada: Json, *, path: str, runtime: Runtime
) -> None:
    await owner.make(path, {"inhalt": "Tea"})
    await owner.delete(f"/api/unternehmen/{company['id']}")
    assert (await runtime.queries.recalled(ada["id"], "tea", 10)).total == 0
    assert (await runtime.queries.memories(ada["id"], 10, 0)).total == 0


# At work


async def test_a_task_comes_with_what_the_agent_has_noted_about_it(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    for text in ("Anvils weigh 50 kg", "Tea at four"):
        await owner.make(f"/api/experten/{agent['id']}/erinnerungen", {"inhalt": text})
    follower = await follow(owner)
    await owner.task(company, titel="Ship the anvils", zugewiesenAn=agent["id"])
    await follower.until("task_completed")
    assert worker.orders[0].memories == ("Anvils weigh 50 kg",)


async def test_a_task_comes_with_ten_notes_at_most(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted")
    for number in range(12):
        await owner.make(f"/api/experten/{agent['id']}/erinnerungen", {"inhalt": f"Anvil {number}"})
    follower = await follow(owner)
    await owner.task(company, titel="Ship", beschreibung="the anvil", zugewiesenAn=agent["id"])
    await follower.until("task_completed")
    assert len(worker.orders[0].memories) == 10


async def test_an_agent_at_work_notes_down_and_recalls(
    owner: Api, company: Json, *, worker: ScriptedProvider, follow: Follow
) -> None:
    async def learn(_order: WorkOrder, toolbox: Toolbox) -> Outcome:
        await toolbox.remember("Anvils weigh 50 kg")
        return Outcome(result=" ".join(await toolbox.recall("anvils")))

    worker.script = learn
    agent = await owner.agent(company, verbindungsTyp="scripted")
    follower = await follow(owner)
    await owner.task(company, zugewiesenAn=agent["id"])
    assert (await follower.until("task_completed"))["data"]["ergebnis"] == "Anvils weigh 50 kg"
    assert await contents(owner, f"/api/experten/{agent['id']}/erinnerungen") == ["Anvils weigh 50 kg"]
