"""Following a company live: `watch`, `logs --follow` and `chat --follow`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opencognit.client import Client, Retries
from tests.builders import Api
from tests.commands.terminal import Terminal
from tests.server_process import ServerProcess

Json = dict[str, Any]
Opened = Callable[..., Terminal]


@pytest.fixture
def as_owner(url: str, owner: Api) -> Opened:
    """A command of the owner's."""

    def opened(*words: str, **options: Any) -> Terminal:
        return Terminal(*words, **options, OPENCOGNIT_URL=url, OPENCOGNIT_TOKEN=owner.token or "")

    return opened


async def test_a_task_is_seen_going_from_todo_to_done(as_owner: Opened, owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada")
    async with as_owner("watch") as screen:
        await screen.shows("Ada")
        task = await owner.task(company, titel="Build [it]", zugewiesenAn=agent["id"])
        place = await screen.shows("“Build [it]” is todo")
        await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
        place = await screen.shows("1 in progress", after=place)
        await owner.make(f"/api/aufgaben/{task['id']}/release", {"expertId": agent["id"], "status": "done"})
        await screen.shows("“Build [it]” is done", after=place)
        await screen.shows("0 open, 0 in progress, 0 blocked, 1 done", after=place)


@pytest.mark.parametrize("leave", [lambda screen: screen.press("q"), lambda screen: screen.interrupt()])
async def test_q_or_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(
    leave: Callable[[Terminal], None], as_owner: Opened, company: Json
) -> None:
    async with as_owner("watch") as screen:
        before = screen.mode
        await screen.shows("q: quit")
        assert screen.mode != before
        leave(screen)
        assert await screen.ended() == 0
        await screen.shows("\x1b[?1049l")
        assert screen.mode == before
        assert "Traceback" not in screen.said
        assert "Aborted" not in screen.said


async def test_without_a_terminal_it_tells_line_by_line(as_owner: Opened, owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada")
    async with as_owner("watch", on_terminal=False) as lines:
        await lines.shows("Watching Acme: 0 open tasks, 0 done.\n")
        task = await owner.task(company, titel="Build it", zugewiesenAn=agent["id"])
        await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": agent["id"]})
        body = {"expertId": agent["id"], "status": "done", "ergebnis": "It\nstands."}
        await owner.make(f"/api/aufgaben/{task['id']}/release", body)
        await lines.shows("is done: It stands.\n")
        told = [line.partition("  ")[2] for line in lines.said.splitlines()]
        story = ("“Build it” is todo", "Ada works on “Build it”", "“Build it” is done: It stands.")
        assert [line for line in told if line in story] == list(story)
        assert "\x1b" not in lines.said
        lines.interrupt()
        assert await lines.ended() == 0


async def test_as_json_it_tells_what_the_server_sends(as_owner: Opened, owner: Api, company: Json) -> None:
    async with as_owner("watch", "--json", on_terminal=False) as lines:
        # It has no first line: a task is made until one is told of.
        while not lines.said:
            await owner.task(company, titel="Build it")
        await lines.shows("\n")
        event = json.loads(lines.said.splitlines()[0])
        assert {"type", "seq", "data", "timestamp", "unternehmenId"} == event.keys()


async def test_it_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Client(server.url, retries=Retries(tries=60, longest=0.5)) as client:
        signed_in = await client.auth.register(name="Jane", email="jane@example.com", password="secret-password")
        client.token = signed_in.token
        company = await client.companies.create(name="Acme")
        async with Terminal("watch", OPENCOGNIT_URL=server.url, OPENCOGNIT_TOKEN=signed_in.token) as screen:
            await screen.shows("q: quit")
            await server.end()
            place = await screen.shows("no connection, trying again")
            await server.start()
            await client.tasks.create(company.id, title="Build it")
            place = await screen.shows("“Build it” is backlog", after=place)
            await screen.shows("1 open", after=place)
            screen.press("q")
            assert await screen.ended() == 0


async def test_a_token_that_ends_ends_it_with_a_sentence(as_owner: Opened, owner: Api, company: Json) -> None:
    async with as_owner("watch") as screen:
        await screen.shows("q: quit")
        await owner.post("/api/auth/abmelden")
        assert await screen.ended() == 1
        await screen.shows("Error: Sign in first")
        assert "Traceback" not in screen.said


async def test_the_log_is_followed_without_a_gap(as_owner: Opened, owner: Api, company: Json) -> None:
    await owner.task(company, titel="Before")
    async with as_owner("logs", "--follow", "--limit", "1", on_terminal=False) as lines:
        await lines.shows("“Before”\n")
        await owner.task(company, titel="After")
        await lines.shows("“After”\n")
        assert len(lines.said.splitlines()) == 2
        lines.interrupt()
        assert await lines.ended() == 0


async def test_a_conversation_is_followed(as_owner: Opened, owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada")
    itself = await owner.agent_api(agent)
    async with as_owner("chat", "Ada", "Hello", "--follow", on_terminal=False) as lines:
        await lines.shows("Owner: Hello\n")
        await itself.make(f"/api/unternehmen/{company['id']}/chat", {"nachricht": "Good morning."})
        await lines.shows("Ada: Good morning.\n")
        assert len(lines.said.splitlines()) == 2
