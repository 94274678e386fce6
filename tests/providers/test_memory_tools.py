"""The tools by which an agent notes things down, and how it reads them at its next task."""

import pytest

from opencognit.domain.errors import NotLockHolder, Unavailable
from opencognit.providers.agent_tools import call_tool
from opencognit.providers.exchange import OrderDocument
from opencognit.providers.prompt import standing_prompt, task_prompt
from tests.providers.toolbox import FakeToolbox, order


async def test_a_note_is_found_by_a_later_recall() -> None:
    toolbox = FakeToolbox()
    assert not (await call_tool("remember", {"text": "Anvils weigh 50 kg"}, toolbox)).failed
    answer = await call_tool("recall", {"words": "Anvils"}, toolbox)
    assert answer.text == "<memory>\nAnvils weigh 50 kg\n</memory>"


async def test_a_recall_without_a_match_says_so() -> None:
    answer = await call_tool("recall", {"words": "Anvils"}, FakeToolbox())
    assert (answer.text, answer.failed) == ("Nothing is noted.", False)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("remember", {}), ("remember", {"text": ""}), ("recall", {"words": 5}), ("recall", {"text": "x"})],
)
async def test_a_bad_call_is_told_to_the_model(tool: str, arguments: dict[str, object]) -> None:
    answer = await call_tool(tool, arguments, FakeToolbox())
    assert answer.failed
    assert "not valid" in answer.text


async def test_a_refused_note_is_told_to_the_model() -> None:
    toolbox = FakeToolbox()
    toolbox.refuse = Unavailable("The store is full")
    assert (await call_tool("remember", {"text": "x"}, toolbox)).text == "Refused: The store is full"


async def test_a_lost_task_ends_the_run_at_a_note_too() -> None:
    toolbox = FakeToolbox()
    toolbox.refuse = NotLockHolder()
    with pytest.raises(NotLockHolder):
        await call_tool("remember", {"text": "x"}, toolbox)


async def test_a_new_wording_names_the_approval_that_was_sent_back() -> None:
    toolbox = FakeToolbox()
    arguments = {"title": "Buy", "description": "Two", "revises": "approval-7"}
    answer = await call_tool("ask_for_approval", arguments, toolbox)
    assert toolbox.approvals == [arguments]
    assert answer.outcome is not None
    assert answer.outcome.status == "blocked"


def test_notes_stand_in_the_task_and_not_in_the_part_that_stays_the_same() -> None:
    wanted = order(memories=("Anvils weigh 50 kg", "Tea at four"))
    task = task_prompt(wanted)
    assert "<memory>\nAnvils weigh 50 kg\n</memory>\n<memory>\nTea at four\n</memory>" in task
    assert task.startswith("<task>")
    assert standing_prompt(wanted) == standing_prompt(order())


def test_an_order_that_is_sent_out_has_the_notes() -> None:
    assert OrderDocument.of(order(memories=("Tea at four",))).memories == ("Tea at four",)
