"""What goes wrong on the command line is one sentence, and exit code 1; and what names something means one thing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed, sentence, wire
from tests.server_process import free_port

Json = dict[str, Any]
Refused = Callable[..., Awaitable[str]]


async def test_nobody_listening_is_said(shell: Typed) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert sentence(await shell("task", "list", "--url", url)) == (
        f"The server at {url} cannot be reached: Connection refused."
    )


async def test_what_is_no_address_is_said(shell: Typed) -> None:
    assert "no address of a server" in sentence(await shell("task", "list", "--url", "localhost"))


async def test_a_refusal_of_the_server_is_its_own_sentence(refused: Refused, company: Json) -> None:
    assert (await refused("task", "create", "")) == "titel: Expected `str` of length >= 1."


async def test_whoever_belongs_to_no_company_is_told_how_to_found_one(refused: Refused) -> None:
    assert "opencognit company create" in await refused("task", "list")


async def test_of_several_companies_one_has_to_be_named_or_chosen(
    shell: Typed, refused: Refused, url: str, owner: Api
) -> None:
    acme, zeta = [await owner.company(name=name) for name in ("Acme", "Zeta")]
    await owner.task(zeta, titel="Theirs")
    assert (await refused("task", "list")).endswith("by `opencognit company use NAME`: Acme, Zeta.")
    await shell("login", "--url", url, "--token", owner.token or "")
    assert (await shell("task", "list", "--company", "zeta")).stdout.count("Theirs") == 1
    assert (await shell("task", "list", OPENCOGNIT_COMPANY=acme["id"])).stdout == "There are no such tasks.\n"
    assert (await shell("company", "use", "Zeta")).exit_code == 0
    assert (await shell("task", "list")).stdout.count("Theirs") == 1


async def test_a_name_that_nobody_bears_is_said(refused: Refused, company: Json) -> None:
    assert await refused("agent", "show", "Nobody") == "There is no agent “Nobody”."
    assert await refused("task", "show", "Nothing") == "There is no task “Nothing”."
    assert await refused("routine", "run", "Never") == "There is no routine “Never”."
    assert await refused("company", "show", "Nowhere") == "There is no company “Nowhere”."


async def test_a_name_that_several_bear_is_not_guessed_at(refused: Refused, owner: Api, company: Json) -> None:
    tasks = [await owner.task(company, titel="Build it") for _ in range(2)]
    said = await refused("task", "show", "build it")
    assert said == f"“build it” names more than one task: write the id ({tasks[0]['id']}, {tasks[1]['id']})."


async def test_an_id_or_its_beginning_is_enough(opencognit: Typed, refused: Refused, owner: Api, company: Json) -> None:
    tasks = [await owner.task(company) for _ in range(3)]
    whole = tasks[1]["id"]
    assert wire(await opencognit("task", "show", whole, "--json"))["id"] == whole
    assert wire(await opencognit("task", "show", whole[:-2].upper(), "--json"))["id"] == whole
    assert "more than one task" in await refused("task", "show", whole[:2])


async def test_a_name_is_found_before_the_beginning_of_an_id(opencognit: Typed, owner: Api, company: Json) -> None:
    tasks = [await owner.task(company) for _ in range(2)]
    named = await owner.task(company, titel=tasks[0]["id"][:8])
    assert wire(await opencognit("task", "show", tasks[0]["id"][:8], "--json"))["id"] == named["id"]


async def test_a_change_of_nothing_is_no_change(shell: Typed, owner: Api, company: Json) -> None:
    await owner.task(company, titel="Build it")
    result = await shell("task", "set", "Build it", OPENCOGNIT_URL=owner.url, OPENCOGNIT_TOKEN=owner.token or "")
    assert result.exit_code == 2
    assert "Name what is to change." in result.stderr


@pytest.mark.parametrize("words", [("task", "list"), ("company", "show"), ("chat", "Ada"), ("logs",)])
async def test_a_stranger_is_told_to_sign_in(words: tuple[str, ...], shell: Typed, url: str, company: Json) -> None:
    said = sentence(await shell(*words, "--url", url))
    assert said == "Sign in first: the token is missing, expired or revoked. `opencognit login` does that."


async def test_a_foreign_company_is_as_if_it_were_not(refused: Refused, admin: Api) -> None:
    theirs = await admin.company(name="Theirs")
    assert await refused("task", "list", "--company", theirs["id"]) == "Company not found."
