"""Agents that are models behind an OpenAI-compatible API, from their configuration to the result and its price."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opencognit.settings import Settings
from tests.builders import Api, assert_error
from tests.conftest import quick_settings
from tests.http.sockets import Follow, Json

SECRET = "sk-own-0123456789abcdef0123456789"


class ModelServer:
    """Says the same to everyone, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization"))
        chunks = (
            '{"model": "own-1", "choices": [{"delta": {"content": "12 "}}]}',
            '{"model": "own-1", "choices": [{"delta": {"content": "anvils"}, "finish_reason": "stop"}]}',
            '{"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}',
            "[DONE]",
        )
        return web.Response(text="".join(f"data: {chunk}\n\n" for chunk in chunks), content_type="text/event-stream")


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    models = ModelServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", models.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        models.url = str(server.make_url("/v1"))
        yield models


@pytest.fixture
def settings(models: ModelServer) -> Settings:
    place = models.url.removeprefix("http://").removesuffix("/v1")
    agents = {"custom_allowed_addresses": [place], "ollama_base_url": models.url}
    return quick_settings(agents=agents, work={"critic": "off"})


async def worked(owner: Api, company: Json, follow: Follow, **fields: Any) -> Json:
    """A run of a new agent of this kind, after its end."""
    follower = await follow(owner, types=["task_completed", "agent_status"])
    agent = await owner.agent(company, **fields)
    await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("task_completed", ergebnis="12 anvils")
    await follower.until("agent_status", status="idle")
    [run] = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
    found: Json = run
    return found


async def test_an_agent_behind_a_server_of_ones_own_does_its_task_with_its_own_key(
    owner: Api, company: Json, models: ModelServer, follow: Follow
) -> None:
    config = {"modell": "own-1", "basisUrl": models.url, "apiKey": SECRET}
    run = await worked(owner, company, follow, verbindungsTyp="custom", verbindungsConfig=config)
    assert models.keys == [f"Bearer {SECRET}"]
    # 1,500 and 7,500 cents for a million tokens.
    assert (run["ausgabe"], run["kostenCent"]) == ("12 anvils", 0.225)


async def test_a_local_model_costs_nothing(owner: Api, company: Json, models: ModelServer, follow: Follow) -> None:
    run = await worked(owner, company, follow, verbindungsTyp="ollama", verbindungsConfig={"modell": "llama3.3"})
    assert models.keys == [None]
    assert (run["kostenCent"], run["usage"]["inputTokens"]) == (0, 100)


async def test_what_a_model_says_is_seen_live(owner: Api, company: Json, models: ModelServer, follow: Follow) -> None:
    follower = await follow(owner, types=["run_output"])
    await worked(owner, company, follow, verbindungsTyp="ollama", verbindungsConfig={"modell": "llama3.3"})
    said = ""
    while said != "12 anvils":
        said += (await follower.until("run_output"))["data"]["text"]


async def test_the_key_of_a_server_of_ones_own_is_shown_masked(owner: Api, company: Json, models: ModelServer) -> None:
    config = {"modell": "own-1", "basisUrl": models.url, "apiKey": SECRET}
    agent = await owner.agent(company, verbindungsTyp="custom", verbindungsConfig=config)
    shown = (await owner.get(f"/api/experten/{agent['id']}")).text
    assert SECRET not in shown
    assert agent["verbindungsConfig"]["modell"] == "own-1"


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("custom", {"modell": "own-1"}),
        ("custom", {"modell": "own-1", "basisUrl": "http://169.254.169.254/v1"}),
        ("ollama", {}),
        ("openai", {"modell": 5}),
        ("openrouter", {"ersatzModelle": "gpt"}),
        ("gemini", {"kostenlos": True}),
        ("claude", {"ersatzModelle": [""]}),
    ],
)
async def test_a_bad_configuration_is_refused(owner: Api, company: Json, kind: str, config: Json) -> None:
    body = {"name": "Ada", "rolle": "Engineer", "verbindungsTyp": kind, "verbindungsConfig": config}
    assert_error(await owner.post(f"/api/unternehmen/{company['id']}/experten", body), 400, "VALIDATION_ERROR")
