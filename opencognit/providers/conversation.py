"""How a model works on a task, whoever makes the model: ask, show what it says, do what it asks for, ask again.

Each step is one metered call. What it used and cost is booked before anything is done with its reply, so that
no crash can forget it. Where one model fails for good, the next of the agent's models goes on with the same
conversation.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec

from opencognit.providers.agent_tool import ToolAnswer
from opencognit.providers.agent_tools import call_tool, offered
from opencognit.providers.chat_model import Ask, ChatModel, Message, Reply, ToolCall
from opencognit.providers.exchange import AdapterConfig
from opencognit.providers.port import Outcome, ProviderFailed, Toolbox, WorkOrder
from opencognit.providers.prompt import standing_prompt, task_prompt

ModelName = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9.:@_/-]*$")]
"""A vendor's name for a model."""

PARAGRAPH = "\n\n"


class ModelConfig(AdapterConfig, frozen=True, kw_only=True):
    """What every agent that is a model can be configured with."""

    model: ModelName
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=32_000)] = 8192
    """The most that one step may write."""
    max_steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
    """The most steps that one run may take."""
    fallback_models: Annotated[tuple[ModelName, ...], msgspec.Meta(max_length=10)] = ()
    """The models that go on, in this order, where one before fails for good."""
    review_model: ModelName | None = None
    """The model that reviews results; a lighter one of the vendor's by default."""


async def converse(order: WorkOrder, toolbox: Toolbox, *, chat: ChatModel, config: ModelConfig) -> Outcome:
    """Let the model work until it finishes, asks the board, or runs out of steps.

    Raises:
        ProviderFailed: no model answers. What was used until then is booked.
    """
    talk = _Talk(order, toolbox, chat, config)
    for _ in range(config.max_steps):
        if toolbox.stopping():
            return Outcome(status="todo", output=talk.said())
        reply = await talk.reply()
        outcome = await talk.take(reply)
        if outcome is not None:
            return msgspec.structs.replace(outcome, output=talk.said(), model=reply.model)
    return Outcome(error=f"The task was not finished in {config.max_steps} steps", output=talk.said())


class _Talk:
    """What was said so far, and what follows from the next reply."""

    def __init__(self, order: WorkOrder, toolbox: Toolbox, chat: ChatModel, config: ModelConfig) -> None:
        self._toolbox = toolbox
        self._chat = chat
        self._config = config
        self._time_limit = order.time_limit
        self._tools = offered(order)
        self._system = standing_prompt(order)
        self._messages: list[Message] = [chat.said(task_prompt(order))]
        self._models = [config.model, *config.fallback_models]
        self._texts: list[str] = []
        self._show = _Showing(toolbox.progress)

    def said(self) -> str:
        """All text of the model, for the record of the run."""
        return PARAGRAPH.join(self._texts)

    async def reply(self) -> Reply:
        """Ask the first model that has not failed yet, and so on."""
        while True:
            self._show.new_paragraph()
            try:
                return await self._toolbox.metered(self._chat.call(self._ask()))
            except ProviderFailed as error:
                failed, *others = self._models
                if not others:
                    raise
                self._models = others
                note = f"[{failed} failed: {error}; {others[0]} goes on]"
            self._texts.append(note)
            self._show.new_paragraph()
            self._show.text(note)

    def _ask(self) -> Ask:
        return Ask(
            model=self._models[0],
            max_tokens=self._config.max_tokens,
            system=self._system,
            messages=tuple(self._messages),
            tools=self._tools,
            time_limit=self._time_limit,
            hear=self._show.text,
        )

    async def take(self, reply: Reply) -> Outcome | None:
        """Do what the reply says; returns the outcome when it ends the work."""
        self._texts += reply.texts
        if reply.stopped is not None:
            return Outcome(error=reply.stopped)
        if reply.calls:
            return await self._use_tools(reply)
        answer = PARAGRAPH.join(reply.texts).strip()
        return Outcome(result=answer) if answer else Outcome(error="The model's answer is empty")

    async def _use_tools(self, reply: Reply) -> Outcome | None:
        answers = []
        for call in reply.calls:
            answer = await self._use(call)
            if answer.outcome is not None:
                # What the model asked for after it had ended its work is not done.
                return answer.outcome
            answers.append((call, answer))
        self._messages += [reply.message, *self._chat.answered(answers)]
        return None

    async def _use(self, call: ToolCall) -> ToolAnswer:
        if call.problem is not None:
            return ToolAnswer(text=call.problem, failed=True)
        return await call_tool(call.name, call.arguments, self._toolbox)


class _Showing:
    """Shows text as it comes, with an empty line between what does not belong together."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._begun = False
        self._gap = False

    def new_paragraph(self) -> None:
        """What comes next begins anew."""
        self._gap = self._begun

    def text(self, text: str) -> None:
        """Show it."""
        if text:
            self._show(PARAGRAPH + text if self._gap else text)
            self._begun, self._gap = True, False
