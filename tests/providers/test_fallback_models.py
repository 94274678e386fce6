"""An agent's further models: they go on where the one before fails for good."""

import json

import pytest

from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.openai_compatible import OpenAiCompatibleProvider
from opencognit.providers.port import ProviderFailed
from tests.providers.anthropic_wire import MODEL, Wire, text, use, work
from tests.providers.openai_wire import OpenAiWire
from tests.providers.openai_wire import work as openai_work
from tests.providers.toolbox import FakeToolbox

OTHER, THIRD = "claude-haiku-4-5", "claude-opus-4-8"


def refuses(wire: Wire | OpenAiWire, status: int = 529) -> None:
    wire.answers(status=status, body=json.dumps({"error": {"type": "overloaded_error", "message": "sorry"}}))


async def test_the_next_model_goes_on_with_the_same_conversation(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(use("comment", text="hello"))
    refuses(wire)
    wire.replies(text("Better."), use("finish", result="done"))
    outcome = await work(claude, toolbox, ersatzModelle=[OTHER])
    assert outcome.result == "done"
    assert [body["model"] for body in wire.bodies] == [MODEL, MODEL, OTHER]
    assert wire.bodies[2]["messages"] == wire.bodies[1]["messages"]


async def test_which_model_went_on_is_said_and_kept(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    refuses(wire)
    wire.replies(text("Done."), stop="end_turn")
    outcome = await work(claude, toolbox, ersatzModelle=[OTHER])
    assert "".join(toolbox.heard) == outcome.output
    assert MODEL in outcome.output
    assert f"{OTHER} goes on" in outcome.output
    assert outcome.result == "Done."


async def test_the_models_follow_in_their_order_and_none_comes_back(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    refuses(wire)
    refuses(wire)
    wire.replies(use("comment", text="hello"))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox, ersatzModelle=[OTHER, THIRD])
    assert [body["model"] for body in wire.bodies] == [MODEL, OTHER, THIRD, THIRD]


async def test_where_the_last_model_fails_the_work_does(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    refuses(wire)
    refuses(wire, status=401)
    with pytest.raises(ProviderFailed, match="401"):
        await work(claude, toolbox, ersatzModelle=[OTHER])


async def test_an_openai_compatible_model_has_others_too(
    openai: OpenAiCompatibleProvider, toolbox: FakeToolbox, openai_wire: OpenAiWire
) -> None:
    refuses(openai_wire)
    openai_wire.says("done")
    assert (await openai_work(openai, toolbox, ersatzModelle=["gpt-4.1-mini"])).result == "done"
    assert [body["model"] for body in openai_wire.bodies] == ["gpt-4.1", "gpt-4.1-mini"]
