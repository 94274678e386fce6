"""A toolbox that notes what an adapter does with it, and an order to work on."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from opencognit.domain.coding_session import CodingSession
from opencognit.providers.port import MeteredCall, Outcome, WorkOrder

T = TypeVar("T")


def order(**changes: Any) -> WorkOrder:
    """An order for one task; what a test cares about is given by name."""
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "task_id": "task-1",
        "company_id": "company-1",
        "agent_id": "agent-1",
        "agent_name": "Ada",
        "role": "Engineer",
        "system_prompt": "Be brief.",
        "skills": ("Sums: add numbers",),
        "company_name": "Acme",
        "company_goal": "Sell anvils",
        "title": "Count the anvils",
        "description": "All of them.",
        "comments": ("Bob: hurry",),
        "blocker_results": ("Open the store: done",),
        "config": {},
        "workspace": "/nonexistent",
        "time_limit": 60.0,
    }
    return WorkOrder(**{**fields, **changes})


class FakeCallback:
    """Answers with what the test puts in."""

    url = "http://127.0.0.1:3201/api/rueckruf/run-1"
    token = "once-only"

    def __init__(self) -> None:
        self.given: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()

    async def answer(self) -> Mapping[str, Any]:
        return await self.given


class FakeToolbox:
    """Notes each call; `refuse` names an error that the next tool call meets."""

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.subtasks: list[dict[str, Any]] = []
        self.approvals: list[dict[str, str]] = []
        self.sent: list[dict[str, str]] = []
        self.meetings: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.booked: list[Outcome] = []
        self.metered_calls: list[MeteredCall[Any]] = []
        self.heard: list[str] = []
        self.session: CodingSession | None = None
        self.sessions: list[CodingSession | None] = []
        self.refuse: Exception | None = None
        self.paused_after: int | None = None
        self.callback: FakeCallback | None = None
        self.callback_opened = asyncio.Event()
        self._waiting: list[tuple[str, asyncio.Event]] = []

    async def comment(self, text: str) -> None:
        self._refuse()
        self.comments.append(text)

    async def create_subtask(self, *, title: str, description: str | None, assignee: str | None) -> str:
        self._refuse()
        self.subtasks.append({"title": title, "description": description, "assignee": assignee})
        return f"subtask-{len(self.subtasks)}"

    async def request_approval(self, *, title: str, description: str, revises: str | None = None) -> str:
        self._refuse()
        self.approvals.append({"title": title, "description": description} | ({"revises": revises} if revises else {}))
        return f"approval-{len(self.approvals)}"

    async def send_message(self, *, to: str, text: str) -> None:
        self._refuse()
        self.sent.append({"to": to, "text": text})

    async def call_meeting(self, *, title: str, participants: tuple[str, ...], question: str) -> str:
        self._refuse()
        self.meetings.append({"title": title, "participants": participants, "question": question})
        return f"meeting-{len(self.meetings)}"

    async def remember(self, text: str) -> None:
        self._refuse()
        self.notes.append(text)

    async def recall(self, words: str) -> tuple[str, ...]:
        self._refuse()
        return tuple(note for note in self.notes if words in note)

    async def permit(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        return None

    def open_callback(self) -> FakeCallback:
        self.callback = FakeCallback()
        self.callback_opened.set()
        return self.callback

    async def metered(self, call: MeteredCall[T]) -> T:
        self.metered_calls.append(call)
        reply, used = await call.make()
        await self.book(used)
        return reply

    async def book(self, outcome: Outcome) -> None:
        self.booked.append(outcome)

    async def coding_session(self) -> CodingSession | None:
        return self.session

    async def keep_coding_session(self, session: CodingSession | None) -> None:
        self.session = session
        self.sessions.append(session)

    def progress(self, text: str) -> None:
        self.heard.append(text)
        for wanted, event in self._waiting:
            if wanted in "".join(self.heard):
                event.set()

    def stopping(self) -> bool:
        return self.paused_after is not None and len(self.booked) >= self.paused_after

    async def said(self, wanted: str) -> None:
        """Wait until the work has said this."""
        event = asyncio.Event()
        self._waiting.append((wanted, event))
        self.progress("")
        async with asyncio.timeout(10):
            await event.wait()

    def _refuse(self) -> None:
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            raise refusal
