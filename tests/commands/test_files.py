"""Commands that read and write files: a whole team, a whole company."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed, rows, wire

Json = dict[str, Any]

Lines = Callable[..., Awaitable[list[str]]]

STAFF = """
- {name: Grace, rolle: Engineer, reportsTo: Ada}
- {name: Ada, rolle: CEO}
"""


@pytest.fixture
def refused_in_lines(shell: Typed, owner: Api) -> Lines:
    """Types a command about a file that is refused, and gives what is wrong with it."""

    async def typed(*words: str) -> list[str]:
        result = await shell(*words, OPENCOGNIT_URL=owner.url, OPENCOGNIT_TOKEN=owner.token or "")
        assert (result.exit_code, result.stdout) == (1, "")
        head, *lines = result.stderr.splitlines()
        assert head == f"Error: Nothing is imported, for {words[-1]} has to be mended:"
        return [line.strip() for line in lines]

    return typed


async def test_a_team_is_hired_from_a_file(opencognit: Typed, tmp_path: Path, owner: Api, company: Json) -> None:
    (tmp_path / "staff.yaml").write_text(STAFF, "utf-8")
    said = await opencognit("agent", "import", str(tmp_path / "staff.yaml"))
    assert said.stdout == "Hired 2 agents.\n"
    assert [row[0] for row in rows(await opencognit("agent", "list"))] == ["Grace", "Ada"]


async def test_a_file_may_come_from_standard_input(opencognit: Typed, company: Json) -> None:
    text = '{"experten": [{"name": "Ada", "rolle": "CEO"}]}'
    assert wire(await opencognit("agent", "import", "-", "--json", stdin=text))["anzahl"] == 1


async def test_a_company_goes_out_and_in_again(opencognit: Typed, tmp_path: Path, owner: Api, company: Json) -> None:
    await owner.agent(company, name="Ada")
    file = str(tmp_path / "acme.json")
    await opencognit("company", "export", company["id"], "-o", file)
    said = (await opencognit("company", "import", file)).stdout.splitlines()
    assert re.fullmatch(r"Founded Acme \(.+\): 1 agents, 0 goals, 0 tasks, 0 routines\. It is paused\.", said[0])
    copy = said[-1].removeprefix("Let it work by `opencognit company resume ").removesuffix("`.")
    assert (await opencognit("company", "resume", copy)).stdout == "Acme is active.\n"
    printed = wire(await opencognit("company", "export", copy))
    assert [agent["name"] for agent in printed["experten"]] == ["Ada"]


async def test_what_is_wrong_with_a_company_is_told(refused_in_lines: Lines, tmp_path: Path, owner: Api) -> None:
    text = (
        "format: opencognit-company\nformatVersion: 1\nunternehmen: {name: A}\naufgaben: [{id: t, titel: T, zielId: g}]"
    )
    (tmp_path / "file").write_text(text, "utf-8")
    assert await refused_in_lines("company", "import", str(tmp_path / "file")) == [
        "aufgaben[0].zielId: is not one of the file's goals: 'g'"
    ]
    assert (await owner.get("/api/unternehmen")).json == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[{name: Ada}]", ["experten[0].rolle: is required"]),
        (
            '[{"name": "A", "rolle": "R", "reportsTo": "B"}, {"name": "C", "rolle": "R", "verbindungsTyp": "magic"}]',
            ["experten[0].reportsTo: is nobody of the list or the company", "experten[1].verbindungsTyp: "],
        ),
        ("- {name: Ada", ["The body is not valid YAML"]),
    ],
)
async def test_each_problem_of_a_file_has_its_line(
    text: str, problems: list[str], refused_in_lines: Lines, tmp_path: Path, owner: Api
) -> None:
    company = await owner.company()
    (tmp_path / "staff").write_text(text, "utf-8")
    lines = await refused_in_lines("agent", "import", str(tmp_path / "staff"))
    assert len(lines) == len(problems)
    assert all(line.startswith(problem) for line, problem in zip(lines, problems, strict=True))
    assert (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json == []


async def test_a_company_is_founded_from_a_template(opencognit: Typed, owner: Api) -> None:
    names = [row[0] for row in rows(await opencognit("template", "list")) if row]
    assert names == ["content-studio", "research-desk", "software-team"]
    assert "Research analyst" in (await opencognit("template", "show", "research-desk")).stdout
    options = ["--name", "Desk", "--goal", "Answers", "--adapter", "ollama", "--model", "m", "--time-zone", "Asia/Baku"]
    made = wire(await opencognit("template", "use", "research-desk", *options, "--json"))
    assert (made["name"], made["ziel"], made["zeitzone"], made["status"]) == ("Desk", "Answers", "Asia/Baku", "paused")
    agents = wire(await opencognit("agent", "list", "--company", "Desk", "--json"))
    assert {agent["verbindungsConfig"]["modell"] for agent in agents} == {"m"}
    said = (await opencognit("template", "use", "research-desk")).stdout
    assert said.startswith("Founded Research desk (")
    assert "It is paused." in said


async def test_a_template_is_a_file_to_begin_with(opencognit: Typed, owner: Api) -> None:
    file = (await opencognit("template", "show", "software-team", "--json")).stdout
    made = wire(await opencognit("company", "import", "-", "--json", stdin=file))
    assert made["importiert"]["experten"] == 7
