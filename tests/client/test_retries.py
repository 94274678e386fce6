"""A request is sent until it has its answer, and has one effect."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from opencognit.client import Client, Retries, ServerUnreachable, UnexpectedAnswer
from opencognit.domain.caller import ServerRole, User
from opencognit.domain.errors import DomainError, Duplicate, RateLimited, Unavailable
from opencognit.domain.message import encode
from opencognit.domain.refusal import Refusal
from tests.builders import Api
from tests.client.breaking_proxy import BreakingProxy
from tests.client.conftest import QUICK
from tests.server_process import ServerProcess

ME = encode(User(id="1", name="Jane", email="jane@example.com", role=ServerRole.ADMIN))
Scripted = Callable[..., Awaitable[Client]]


def refused(error: type[DomainError], **headers: str) -> web.Response:
    body = Refusal(message=error.sentence, code=error.code, status=error.status, request_id="1")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=error.status, body=encode(body), headers=named)


def granted() -> web.Response:
    return web.Response(body=ME)


class Script:
    """A server that answers what it is told to, one answer after the other, and the last one for ever."""

    def __init__(self, *answers: Callable[[], web.Response]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _request: web.BaseRequest) -> web.Response:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer()


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    """A client of a server with this script."""
    async with AsyncExitStack() as stack:

        async def open_one(script: Script, retries: Retries = QUICK) -> Client:
            server: Any = await stack.enter_async_context(RawTestServer(script))
            return await stack.enter_async_context(Client(str(server.make_url("/")), retries=retries))

        yield open_one


async def test_a_post_whose_answer_is_lost_makes_one_row(distant: Client, proxy: BreakingProxy) -> None:
    company = await distant.companies.create(name="Acme")
    proxy.requests.clear()
    proxy.lost = 3
    task = await distant.tasks.create(company.id, title="Build it")
    posts = [head for head in proxy.requests if head.startswith("POST")]
    assert (len(posts), len(set(proxy.header("Idempotency-Key")))) == (4, 1)
    assert [one.id async for one in distant.tasks.list(company.id)] == [task.id]


async def test_each_post_has_a_key_of_its_own(distant: Client, proxy: BreakingProxy) -> None:
    company = await distant.companies.create(name="Acme")
    first, second = [await distant.tasks.create(company.id, title="Build it") for _ in range(2)]
    assert first.id != second.id
    assert len(set(proxy.header("Idempotency-Key"))) == 3


async def test_a_deletion_whose_answer_is_lost_has_succeeded(distant: Client, proxy: BreakingProxy) -> None:
    company = await distant.companies.create(name="Acme")
    task = await distant.tasks.create(company.id, title="Build it")
    proxy.lost = 1
    assert (await distant.tasks.delete(task.id)).success
    assert [one async for one in distant.tasks.list(company.id)] == []


async def test_a_change_of_one_version_is_not_repeated_when_nobody_knows_what_became_of_it(
    distant: Client, proxy: BreakingProxy
) -> None:
    company = await distant.companies.create(name="Acme")
    proxy.lost = 1
    with pytest.raises(ServerUnreachable):
        await distant.companies.at(company.version).update(company.id, name="Other")
    assert (await distant.companies.get(company.id)).name == "Other"


async def test_a_change_of_password_is_not_repeated_when_nobody_knows_what_became_of_it(
    distant: Client, proxy: BreakingProxy, owner: Api
) -> None:
    proxy.lost = 1
    with pytest.raises(ServerUnreachable):
        await distant.auth.change_password(old_password="secret-password", new_password="another-password")
    await distant.auth.sign_in(email=owner.user["email"], password="another-password")


async def test_a_request_waits_for_a_server_that_starts_again(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server, Client(server.url, retries=Retries(tries=60, longest=0.5)) as client:
        signed_in = await client.auth.register(name="Jane", email="jane@example.com", password="secret-password")
        client.token = signed_in.token
        await server.end()
        founding = asyncio.ensure_future(client.companies.create(name="Acme"))
        await server.start()
        company = await founding
        assert [one.id async for one in client.companies.list()] == [company.id]


async def test_what_is_not_available_is_asked_again(scripted: Scripted) -> None:
    script = Script(lambda: refused(Unavailable), lambda: web.Response(status=502, text="Bad gateway"), granted)
    assert (await (await scripted(script)).auth.me()).name == "Jane"
    assert script.asked == 3


async def test_what_stays_unavailable_is_given_up_after_so_many_tries(scripted: Scripted) -> None:
    script = Script(lambda: refused(Unavailable))
    with pytest.raises(Unavailable):
        await (await scripted(script, Retries(tries=4, shortest=0.01))).auth.me()
    assert script.asked == 4


async def test_a_server_is_given_the_time_that_it_asks_for(scripted: Scripted) -> None:
    loop = asyncio.get_running_loop()
    client = await scripted(Script(lambda: refused(RateLimited, Retry_After="1"), granted))
    began = loop.time()
    await client.auth.me()
    assert loop.time() - began >= 1


async def test_whoever_asks_for_more_time_than_the_client_has_is_not_waited_for(scripted: Scripted) -> None:
    script = Script(lambda: refused(RateLimited, Retry_After="3600"))
    with pytest.raises(RateLimited) as error:
        await (await scripted(script)).auth.me()
    assert (script.asked, error.value.retry_after) == (1, 3600)


async def test_a_refusal_is_not_asked_again(scripted: Scripted) -> None:
    script = Script(lambda: refused(Duplicate))
    with pytest.raises(Duplicate):
        await (await scripted(script)).auth.me()
    assert script.asked == 1


async def test_a_code_that_only_a_newer_server_knows_keeps_its_name(scripted: Scripted) -> None:
    body = Refusal(message="Too late", code="TOO_LATE", status=410, request_id="1", details={"since": "noon"})
    client = await scripted(Script(lambda: web.Response(status=410, body=encode(body))))
    with pytest.raises(DomainError) as error:
        await client.auth.me()
    assert (error.value.code, error.value.status, error.value.message) == ("TOO_LATE", 410, "Too late")
    assert error.value.details == {"since": "noon"}


async def test_a_redirection_is_not_followed(scripted: Scripted) -> None:
    """It would take the token along, and lose the body."""
    script = Script(lambda: web.Response(status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(UnexpectedAnswer):
        await (await scripted(script)).auth.me()
    assert script.asked == 1


def test_pauses_grow_to_the_longest_and_differ() -> None:
    retries = Retries(tries=100, shortest=1, longest=8)
    for tried, full in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (99, 8)):
        pauses = {retries.pause(tried) or 0 for _ in range(20)}
        assert all(full / 2 <= pause <= full for pause in pauses)
        assert len(pauses) > 1
    assert retries.pause(100) is None
