"""What adapters are told when there is no task but messages to answer, and the tools to write to others."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from opencognit.domain.errors import ValidationFailed
from opencognit.providers.anthropic import ClaudeProvider
from opencognit.providers.command_line import BashProvider
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.port import Conversation, WorkOrder
from tests.providers.anthropic_wire import MODEL, Wire, results, text, use, work
from tests.providers.toolbox import FakeToolbox, order
from tests.providers.web_service import Service

TALK = Conversation(
    partner="Jane",
    earlier=("Jane: Good morning", "Ada: Good morning"),
    messages=("Jane: How many anvils?",),
    open_tasks=("Count the anvils (todo, id 1)",),
)
WIRE = {
    "partner": "Jane",
    "bisher": ["Jane: Good morning", "Ada: Good morning"],
    "nachrichten": ["Jane: How many anvils?"],
    "offeneAufgaben": ["Count the anvils (todo, id 1)"],
}


def question(config: dict[str, Any]) -> WorkOrder:
    fields: dict[str, Any] = {"task_id": None, "title": "Answer Jane", "comments": (), "blocker_results": ()}
    return order(**fields, conversation=TALK, config=config)


async def test_a_model_reads_the_conversation_and_its_text_is_the_answer(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(text("Twelve."), stop="end_turn")
    outcome = await claude.work(question({"modell": MODEL}), toolbox)
    assert outcome.result == "Twelve."
    [prompt] = wire.bodies[0]["messages"][0]["content"]
    for part in (*TALK.earlier, *TALK.messages, *TALK.open_tasks):
        assert part in prompt["text"]
    assert "Jane has written to you" in prompt["text"]
    assert "<task>" not in prompt["text"]


async def test_a_model_is_told_the_same_about_itself_as_for_a_task(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    """So that its prompt is found in the provider's cache."""
    for _ in range(2):
        wire.replies(text("Twelve."), stop="end_turn")
    await claude.work(question({"modell": MODEL}), toolbox)
    await work(claude, toolbox)
    assert wire.bodies[0]["system"] == wire.bodies[1]["system"]


async def test_a_command_gets_the_conversation_on_standard_input(workspace: Path) -> None:
    command = 'cat; echo "[$OPENCOGNIT_TASK_ID]" >&2'
    asked = replace(question({"befehl": command}), workspace=str(workspace))
    outcome = await BashProvider(enabled=True, sandbox="none").work(asked, FakeToolbox())
    document = json.loads(outcome.result or "")
    assert (document["aufgabeId"], document["gespraech"]) == (None, WIRE)
    assert "[]" in outcome.output


async def test_a_service_is_sent_the_conversation(http: HttpProvider, service: Service) -> None:
    await http.work(question({"url": service.url}), FakeToolbox())
    [body] = service.bodies
    assert (body["aufgabeId"], body["gespraech"]) == (None, WIRE)


async def test_a_model_writes_to_others_and_calls_meetings(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire
) -> None:
    wire.replies(
        use("send_message", "call-1", to="Bob", text="Hello"),
        use("call_meeting", "call-2", title="Anvils", participants=["Bob", "Eve"], question="Sell them?"),
    )
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    assert toolbox.sent == [{"to": "Bob", "text": "Hello"}]
    assert toolbox.meetings == [{"title": "Anvils", "participants": ("Bob", "Eve"), "question": "Sell them?"}]
    told = [result["content"] for result in results(wire.bodies[1])]
    assert told == ["The message is sent.", "Meeting meeting-1 is called."]


@pytest.mark.parametrize(
    "call",
    [
        use("send_message", to="Bob"),
        use("send_message", to="", text="Hello"),
        use("send_message", to="Bob", text=""),
        use("call_meeting", title="Anvils", participants=[], question="Sell them?"),
        use("call_meeting", title="Anvils", participants=["Bob"]),
    ],
)
async def test_a_bad_call_is_told_to_the_model(
    claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire, call: Any
) -> None:
    wire.replies(call)
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    assert [result["is_error"] for result in results(wire.bodies[1])] == [True]
    assert (toolbox.sent, toolbox.meetings) == ([], [])


async def test_a_refusal_is_told_to_the_model(claude: ClaudeProvider, toolbox: FakeToolbox, wire: Wire) -> None:
    toolbox.refuse = ValidationFailed("There is no agent called 'Bob' in this company")
    wire.replies(use("send_message", to="Bob", text="Hello"))
    wire.replies(use("finish", result="done"))
    await work(claude, toolbox)
    [result] = results(wire.bodies[1])
    assert "no agent called 'Bob'" in result["content"]
