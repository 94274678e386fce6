"""What people do on the command line: companies, agents, tasks, routines, approvals, conversations."""

import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed, rows, wire

Json = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
Refused = Callable[..., Awaitable[str]]


async def test_a_company_is_built_by_commands_alone(opencognit: Typed, owner: Api) -> None:
    await opencognit("company", "create", "Acme", "--budget", "5000", "--time-zone", "Europe/Berlin")
    await opencognit("agent", "hire", "Ada", "--role", "Engineer", "--heartbeat", "600")
    await opencognit("agent", "hire", "Bob", "--role", "Writer", "--reports-to", "ada")
    said = await opencognit("task", "create", "Build it", "--assign", "ADA", "--priority", "high")
    assert said.stdout.startswith("“Build it” is todo (")
    await opencognit("task", "create", "Paint it", "--after", "build it")
    listed = rows(await opencognit("task", "list"))
    assert [row[:5] for row in listed] == [
        ["Build", "it", "todo", "high", "Ada"],
        ["Paint", "it", "blocked", "medium", "-"],
    ]
    agents = {one["name"]: one for one in wire(await opencognit("agent", "list", "--json"))}
    assert agents["Bob"]["reportsTo"] == agents["Ada"]["id"]
    assert (agents["Ada"]["zyklusAktiv"], agents["Ada"]["zyklusIntervallSek"]) == (True, 600)


async def test_a_task_is_worked_on_by_commands_alone(opencognit: Typed, owner: Api, company: Json) -> None:
    ada = await owner.agent(company, name="Ada")
    task = await owner.task(company, titel="Build it")
    await opencognit("task", "assign", "Build it", "Ada")
    await opencognit("task", "comment", "Build it", "Please hurry.")
    await owner.make(f"/api/aufgaben/{task['id']}/checkout", {"expertId": ada["id"]})
    shown = (await opencognit("task", "show", "Build it")).stdout
    assert re.search(r"^Locked by +Ada$", shown, re.MULTILINE)
    assert shown.endswith("Owner\nPlease hurry.\n")
    released = await opencognit("task", "release", "Build it", "--status", "in_review", "--result", "It stands.")
    assert released.stdout == "“Build it” is in_review.\n"
    await opencognit("task", "set", "Build it", "--status", "done", "--title", "Built")
    assert rows(await opencognit("task", "list", "--status", "done", "--agent", "Ada", "--search", "built"))
    assert (await opencognit("task", "assign", "Built")).stdout == "“Built” is nobody's and done.\n"
    await opencognit("task", "delete", "Built", "--yes")
    assert (await opencognit("task", "list")).stdout == "There are no such tasks.\n"


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("company", "list"), "/api/unternehmen"),
        (("agent", "list"), "/api/unternehmen/{company}/experten"),
        (("agent", "show", "Ada"), "/api/experten/{agent}"),
        (("agent", "runs", "Ada"), "/api/experten/{agent}/laeufe"),
        (("task", "list"), "/api/unternehmen/{company}/aufgaben"),
        (("task", "show", "Build it"), "/api/aufgaben/{task}"),
        (("routine", "list"), "/api/unternehmen/{company}/routinen"),
        (("approval", "list"), "/api/unternehmen/{company}/genehmigungen"),
        (("chat", "Ada"), "/api/unternehmen/{company}/chat?expertId={agent}"),
        (("logs",), "/api/unternehmen/{company}/aktivitaet?limit=20"),
        (("company", "members"), "/api/unternehmen/{company}/mitglieder"),
        (("company", "costs"), "/api/unternehmen/{company}/kosten/zusammenfassung"),
        (("company", "show"), "/api/unternehmen/{company}/dashboard"),
    ],
)
async def test_json_is_exactly_what_the_server_answers(
    words: tuple[str, ...], path: str, opencognit: Typed, owner: Api, company: Json
) -> None:
    agent = await owner.agent(company, name="Ada")
    task = await owner.task(company, titel="Build it")
    await owner.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Daily"})
    await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": "Buy a domain"})
    body = {"nachricht": "How is it going?", "empfaengerId": agent["id"]}
    await owner.make(f"/api/unternehmen/{company['id']}/chat", body)
    there = path.format(company=company["id"], agent=agent["id"], task=task["id"])
    assert (await opencognit(*words, "--json")).stdout == (await owner.get(there)).text + "\n"


async def test_what_a_command_does_is_answered_in_json_too(opencognit: Typed, owner: Api, company: Json) -> None:
    made = wire(await opencognit("task", "create", "Build it", "--json"))
    assert made == (await owner.get(f"/api/aufgaben/{made['id']}")).json
    assert wire(await opencognit("task", "delete", "Build it", "--yes", "--json")) == {"success": True}


async def test_a_list_of_many_pages_is_shown_whole_and_a_limit_cuts_it(
    opencognit: Typed, owner: Api, company: Json
) -> None:
    for number in range(103):
        await owner.task(company, titel=f"Task {number}")
    assert len(rows(await opencognit("task", "list", "--limit", "1000"))) == 103
    assert len(wire(await opencognit("task", "list", "--limit", "7", "--json"))) == 7


async def test_a_company_is_paused_resumed_stopped_and_erased(opencognit: Typed, owner: Api, company: Json) -> None:
    assert (await opencognit("company", "pause")).stdout == "Acme is paused.\n"
    assert (await opencognit("company", "resume", "Acme")).stdout == "Acme is active.\n"
    await opencognit("company", "stop", company["id"])
    assert (await owner.get(f"/api/unternehmen/{company['id']}")).json["status"] == "paused"
    shown = (await opencognit("company", "show")).stdout
    assert re.search(r"^Status +paused$", shown, re.MULTILINE)
    await opencognit("company", "delete", "Acme", "--yes")
    assert (await opencognit("company", "list")).stdout == "You belong to no company yet.\n"


async def test_an_agent_is_paused_resumed_woken_and_let_go(opencognit: Typed, owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada")
    assert (await opencognit("agent", "pause", "Ada")).stdout == "Ada is paused.\n"
    assert (await opencognit("agent", "resume", "Ada")).stdout == "Ada is idle.\n"
    assert (await opencognit("agent", "wake", "Ada")).stdout == "Ada is woken.\n"
    token = (await opencognit("agent", "token", "Ada")).stdout.strip()
    assert (await owner.with_token(token).get(f"/api/experten/{agent['id']}/inbox")).status == 200
    assert (await opencognit("agent", "fire", "Ada", stdin="y\n")).stdout == "Ada is gone.\n"
    assert (await opencognit("agent", "list")).stdout == "There are no agents yet.\n"


async def test_an_agents_runs_are_listed(opencognit: Typed, owner: Api, company: Json, follower: Any) -> None:
    agent = await owner.agent(company, name="Ada", verbindungsTyp="scripted")
    task = await owner.task(company, titel="Build it", zugewiesenAn=agent["id"])
    await follower.until("run_finished", aufgabeId=task["id"])
    (row,) = rows(await opencognit("agent", "runs", "Ada"))
    assert "succeeded" in row
    assert task["id"] in row


async def test_a_routine_is_made_run_and_looked_back_on(opencognit: Typed, owner: Api, company: Json) -> None:
    await owner.agent(company, name="Ada")
    words = ("--cron", "0 9 * * 1-5", "--time-zone", "Europe/Berlin", "--assign", "Ada")
    assert "is active, next: 2" in (await opencognit("routine", "create", "Report", *words)).stdout
    assert (await opencognit("routine", "pause", "Report")).stdout == "“Report” is paused.\n"
    assert (await opencognit("routine", "resume", "Report")).stdout == "“Report” is active.\n"
    fired = wire(await opencognit("routine", "run", "Report", "--json"))
    (row,) = rows(await opencognit("routine", "history", "Report"))
    assert row[2:4] == ["manual", "enqueued"]
    assert fired["aufgabeId"] in row
    await opencognit("routine", "delete", "Report", "--yes")
    assert (await opencognit("routine", "list")).stdout == "There are no routines yet.\n"


async def test_approvals_are_decided(opencognit: Typed, refused: Refused, owner: Api, company: Json) -> None:
    for title in ("Buy a domain", "Buy a rocket", "Buy an island"):
        await owner.make(f"/api/unternehmen/{company['id']}/genehmigungen", {"titel": title})
    assert len(rows(await opencognit("approval", "list"))) == 3
    assert (await opencognit("approval", "approve", "buy a domain")).stdout == "“Buy a domain” is approved.\n"
    await opencognit("approval", "reject", "Buy a rocket", "--note", "Too dear.")
    await opencognit("approval", "revise", "Buy an island", "--note", "Which one?")
    assert (await opencognit("approval", "list")).stdout == "Nothing waits for the board.\n"
    assert re.search(r"^Note +Too dear\.$", (await opencognit("approval", "show", "Buy a rocket")).stdout, re.MULTILINE)
    assert await refused("approval", "approve", "Buy a rocket") == "There is no approval “Buy a rocket”."


async def test_a_conversation_is_led_and_shown(opencognit: Typed, owner: Api, company: Json) -> None:
    agent = await owner.agent(company, name="Ada")
    itself = await owner.agent_api(agent)
    await opencognit("chat", "Ada", "How", "is", "it", "going?")
    await itself.make(f"/api/unternehmen/{company['id']}/chat", {"nachricht": "Well."})
    shown = (await opencognit("chat", "ada")).stdout.splitlines()
    assert [line.partition("  ")[2] for line in shown] == ["Owner: How is it going?", "Ada: Well."]
    unread = await owner.get(f"/api/unternehmen/{company['id']}/chat/ungelesen")
    assert unread.json == [], "what was shown is read"
    assert len((await opencognit("chat", "ada", "--limit", "1")).stdout.splitlines()) == 1


async def test_the_log_ends_with_the_newest(opencognit: Typed, owner: Api, company: Json) -> None:
    for title in ("First", "Second", "Third"):
        await owner.task(company, titel=title)
    lines = (await opencognit("logs", "--limit", "2")).stdout.splitlines()
    assert [re.sub(r".*“(.*)”.*", r"\1", line) for line in lines] == ["Second", "Third"]


async def test_nothing_is_erased_without_a_yes(shell: Typed, opencognit: Typed, owner: Api, company: Json) -> None:
    await owner.task(company, titel="Build it")
    known = {"OPENCOGNIT_TOKEN": owner.token or "", "OPENCOGNIT_URL": owner.url}
    assert (await shell("task", "delete", "Build it", stdin="n\n", **known)).exit_code == 1
    assert len(rows(await opencognit("task", "list"))) == 1


async def test_what_agents_have_written_cannot_move_the_cursor(opencognit: Typed, owner: Api, company: Json) -> None:
    await owner.task(company, titel="Build \x1b[2Jit", beschreibung="a\x9bb\rc")
    shown = (await opencognit("task", "list")).stdout + (await opencognit("task", "show", "Build \x1b[2Jit")).stdout
    assert "Build \N{REPLACEMENT CHARACTER}[2Jit" in shown
    assert not set("\x1b\x9b\r") & set(shown)


async def test_square_brackets_are_no_styles(opencognit: Typed, owner: Api, company: Json) -> None:
    await owner.task(company, titel="[red]Build[/red] it")
    assert "[red]Build[/red] it" in (await opencognit("task", "list")).stdout


async def test_the_pages_first_session_does_what_it_says(shell: Typed, url: str, admin: Api) -> None:
    """`docs/command-line.md`, as a newcomer types it."""
    (block, *_) = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "opencognit"
        if words != ["watch"]:
            result = await shell(*words, OPENCOGNIT_URL=url, OPENCOGNIT_PASSWORD="secret-password")
            assert result.exit_code == 0, result.output
    (task,) = wire(await shell("task", "list", "--json"))
    assert (task["titel"], task["prioritaet"]) == ("Build it", "high")
