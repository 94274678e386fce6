"""Lists whose rows lie in many cells: the same rows, order and number as one look at all of them would give."""

import itertools
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.builders import Api

Json = dict[str, Any]

STATUSES = ("backlog", "todo", "in_review", "done", "cancelled")
PRIORITIES = ("critical", "high", "medium", "low")


@pytest.fixture
async def tasks(owner: Api, company: Json) -> list[Json]:
    """Two of each status and priority, in an order that keeps to neither."""
    made = []
    for number in range(40):
        status = STATUSES[number * 7 % len(STATUSES)]
        task = await owner.task(company, prioritaet=PRIORITIES[number * 3 // len(STATUSES) % len(PRIORITIES)])
        if status != "backlog":
            task = (await owner.patch(f"/api/aufgaben/{task['id']}", {"status": status})).json
        made.append(task)
    return made


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": "done"},
        {"status": "todo,cancelled,backlog"},
        {"prioritaet": "low"},
        {"prioritaet": "critical,low"},
        {"status": "done,todo", "prioritaet": "high,medium"},
        {"status": "todo,todo"},
        {"status": "blocked"},
        {"status": ",".join(STATUSES), "prioritaet": ",".join(PRIORITIES)},
    ],
    ids=urlencode,
)
async def test_pages_hold_what_was_asked_for_in_order_of_creation(
    owner: Api, company: Json, tasks: list[Json], wanted: dict[str, str]
) -> None:
    expected = [task["id"] for task in tasks if all(task[name] in values.split(",") for name, values in wanted.items())]
    found: list[str] = []
    for offset in range(0, len(tasks) + 7, 7):
        query = urlencode({**wanted, "limit": 7, "offset": offset})
        page = await owner.get(f"/api/unternehmen/{company['id']}/aufgaben?{query}")
        assert page.headers["X-Total-Count"] == str(len(expected))
        found += [task["id"] for task in page.json]
    assert found == expected


async def test_another_companys_tasks_are_in_no_cell(owner: Api, company: Json, tasks: list[Json]) -> None:
    other = await owner.company()
    for query in ("", "?status=done,todo", "?prioritaet=high"):
        page = await owner.get(f"/api/unternehmen/{other['id']}/aufgaben{query}")
        assert (page.json, page.headers["X-Total-Count"]) == ([], "0")


async def test_deleted_agents_are_neither_listed_nor_counted(owner: Api, company: Json) -> None:
    agents = [await owner.agent(company) for _ in range(4)]
    await owner.delete(f"/api/experten/{agents[1]['id']}")
    page = await owner.get(f"/api/unternehmen/{company['id']}/experten?limit=2")
    assert [agent["id"] for agent in page.json] == [agents[0]["id"], agents[2]["id"]]
    assert page.headers["X-Total-Count"] == "3"


async def test_the_feed_is_read_to_its_end_while_it_grows(owner: Api, company: Json) -> None:
    for _ in range(5):
        await owner.task(company)
    path = f"/api/unternehmen/{company['id']}/aktivitaet"
    whole = (await owner.get(path)).json
    link: str | None = f"{path}?limit=2"
    found: list[Json] = []
    for added in itertools.count(len(whole)):
        assert link is not None
        page = await owner.get(link)
        assert page.headers["X-Total-Count"] == str(added)
        found += page.json
        if "Link" not in page.headers:
            break
        link = page.headers["Link"].partition(">")[0].removeprefix("<").removeprefix(owner.url)
        await owner.task(company)
    assert found == whole
