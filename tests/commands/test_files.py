"""Commands that read files: a whole team at once."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed, rows, wire

Json = dict[str, Any]
Refused = Callable[..., Awaitable[str]]

STAFF = """
- {name: Grace, rolle: Engineer, reportsTo: Ada}
- {name: Ada, rolle: CEO}
"""


async def test_a_team_is_hired_from_a_file(opencognit: Typed, tmp_path: Path, owner: Api, company: Json) -> None:
    (tmp_path / "staff.yaml").write_text(STAFF, "utf-8")
    said = await opencognit("agent", "import", str(tmp_path / "staff.yaml"))
    assert said.stdout == "Hired 2 agents.\n"
    assert [row[0] for row in rows(await opencognit("agent", "list"))] == ["Grace", "Ada"]


async def test_a_file_may_come_from_standard_input(opencognit: Typed, company: Json) -> None:
    text = '{"experten": [{"name": "Ada", "rolle": "CEO"}]}'
    assert wire(await opencognit("agent", "import", "-", "--json", stdin=text))["anzahl"] == 1


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
    text: str, problems: list[str], shell: Typed, tmp_path: Path, owner: Api
) -> None:
    company = await owner.company()
    (tmp_path / "staff").write_text(text, "utf-8")
    known = {"OPENCOGNIT_URL": owner.url, "OPENCOGNIT_TOKEN": owner.token or ""}
    result = await shell("agent", "import", str(tmp_path / "staff"), **known)
    assert (result.exit_code, result.stdout) == (1, "")
    head, *lines = result.stderr.splitlines()
    assert head == f"Error: Nothing is imported, for {tmp_path / 'staff'} has to be mended:"
    assert len(lines) == len(problems)
    assert all(line.strip().startswith(problem) for line, problem in zip(lines, problems, strict=True))
    assert (await owner.get(f"/api/unternehmen/{company['id']}/experten")).json == []
