"""A task that does not go on by itself is brought to someone: the orchestrator of its company, or the board.

That it shall be is committed with the end of the run, together with the id of what will be made for it; then it is
made under that id. So a crash in between makes it neither twice nor never, whenever it comes.
"""

from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.task_details import TaskDetails
from opencognit.domain.agent import Agent, AgentStatus
from opencognit.domain.approval import RequestApproval
from opencognit.domain.errors import DomainError, Duplicate, Unavailable
from opencognit.domain.events import TaskEscalated, TaskUpdated
from opencognit.domain.instants import after
from opencognit.domain.kinds import APPROVAL, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.origin import Origin
from opencognit.domain.run import Run, RunSource
from opencognit.domain.task import (
    FINISHED,
    CreateEscalation,
    Escalation,
    EscalationReason,
    FollowEscalation,
    Priority,
    Task,
    TaskStatus,
)
from opencognit.domain.wire_names import FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

OUTPUT_SHOWN: Final = 2000
"""Characters of each attempt's output that are told."""

TITLE_LENGTH: Final = 200

_WHY = {
    EscalationReason.ATTEMPTS: "has failed too often",
    EscalationReason.REJECTED: "was rejected by its critic too often",
    EscalationReason.CRITIC_FAILED: "could not be looked at by its critic",
    EscalationReason.INTERRUPTED: "was interrupted",
}

_log = structlog.get_logger("opencognit.actors")


class TaskEscalation(TaskDetails):
    """How a task is brought to someone, and goes on when they are done."""

    @override
    async def activated(self) -> None:
        """What an earlier process was about to make is made."""
        await super().activated()
        if self.state is not None and self.state.escalation is not None and not self.state.escalation.made:
            self.tell_self(FollowEscalation())

    async def create_escalation(self, message: CreateEscalation) -> Task:
        """Create this task, which is about another one that does not go on."""
        return await self.create_task(message)

    async def follow_escalation(self, _message: FollowEscalation) -> None:
        """Make what is to be made for this task, or go on if whoever was asked is done."""
        task = self.state
        if task is None or task.escalation is None:
            return
        if not task.escalation.made:
            await self._make(task, task.escalation)
        elif task.escalation.agent_id is not None:
            await self._look_after(task, task.escalation)

    async def escalated(self, task: Task, reason: EscalationReason, error: str, *, by: str) -> Task:
        """The task with the intent to bring it to someone; `by` is the agent that could not do it."""
        whom = await _orchestrator(self.system, task, by) if reason is EscalationReason.ATTEMPTS else None
        return replace(task, escalation=Escalation(id=self.new_id(), agent_id=whom, reason=reason, error=error))

    # Below: what the handlers share

    async def _make(self, task: Task, escalation: Escalation) -> None:
        try:
            whom = await self._bring(task, escalation)
        except Unavailable as error:
            self.remind("escalation", after(self.now(), error.retry_after or 1), FollowEscalation())
            return
        made = replace(task, escalation=replace(escalation, agent_id=whom, made=True))
        parts: list[Any] = [TaskUpdated.of(made)]
        if escalation.reason is EscalationReason.ATTEMPTS:
            parts.append(
                TaskEscalated(
                    company_id=task.company_id,
                    task_id=task.id,
                    task_title=task.title,
                    agent_id=task.assignee_id,
                    attempts=task.attempts,
                    error=escalation.error,
                    escalation_task_id=escalation.id if whom is not None else None,
                )
            )
        text = f"“{task.title}” {_WHY[escalation.reason]}; {'the orchestrator' if whom else 'the board'} is asked"
        await self.persist(
            made, *parts, self.entry(task.company_id, "task.escalated", text, escalationId=escalation.id)
        )

    async def _bring(self, task: Task, escalation: Escalation) -> str | None:
        """Make the escalation task or the approval, unless it was made before a crash; returns who is asked."""
        origin = Origin(company_id=task.company_id)
        title = f"“{task.title}” {_WHY[escalation.reason]}"
        title = title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1]}…"
        description = await self._history(task, escalation)
        if escalation.agent_id is not None:
            create = CreateEscalation(
                title=title,
                description=description,
                priority=Priority.HIGH,
                parent_id=task.id,
                assignee_id=escalation.agent_id,
                escalates=task.id,
            )
            try:
                await self.system.ask(TASK_LOCK, escalation.id, create, origin=origin)
            except Duplicate:
                _log.info("escalation_found", task=task.id)
            except Unavailable:
                raise
            except DomainError as error:
                _log.warning("orchestrator_not_asked", task=task.id, error=error.message)
                escalation = replace(escalation, agent_id=None)
        if escalation.agent_id is None:
            request = RequestApproval(title=title, description=description, payload={FIELDS["task_id"]: task.id})
            try:
                await self.system.ask(APPROVAL, escalation.id, request, origin=origin)
            except Duplicate:
                _log.info("escalation_found", task=task.id)
        return escalation.agent_id

    async def _history(self, task: Task, escalation: Escalation) -> str:
        """What whoever is asked needs to know."""
        bodies = await self.system.store.queries.attempts_at(
            task.id, task.assignee_id or "", len(self.system.limits.retry_delays)
        )
        lines = [task.description or "", f"It {_WHY[escalation.reason]}: {escalation.error}"]
        lines += [_told(decode(body, Run)) for body in reversed(bodies)]
        if escalation.agent_id is not None:
            lines.append("When this task is done, the other one is tried again, with this one's result as a comment.")
        return "\n\n".join(line for line in lines if line)

    async def _look_after(self, task: Task, escalation: Escalation) -> None:
        asked = await self.system.state(TASK_LOCK, escalation.id)
        if asked is not None and asked.status not in FINISHED and asked.assignee_id is not None:
            return
        if asked is not None and asked.status is TaskStatus.DONE:
            free = replace(task, escalation=None)
            if not self._open:
                free = free.moved_to(TaskStatus.TODO, now=self.now())
            activity = self.entry(task.company_id, "task.deescalated", f"“{task.title}” goes on")
            comment = self._comment(task, f"“{asked.title}” is done: {asked.result or ''}".strip())
            await self._change(task, free, activity, comment)
            self._wake_assignee(RunSource.AUTOMATION)
            return
        # Whoever was asked will not answer: the board is the last to ask.
        board = replace(escalation, id=self.new_id(), agent_id=None, made=False)
        await self.persist(replace(task, escalation=board))
        self.tell_self(FollowEscalation())


def _told(run: Run) -> str:
    return f"## {run.started_at}: {run.status}\n{run.error or ''}\n\n{run.output[-OUTPUT_SHOWN:]}".strip()


async def _orchestrator(system: "ActorSystem", task: Task, failing: str) -> str | None:
    """Whom to ask: the highest orchestrator above the agent, else the company's oldest; None for the board."""
    if task.escalates is not None:
        # An escalation that fails is not escalated to those who could not help.
        return None
    staff = {agent.id: agent for agent in [decode(b, Agent) for b in await system.store.queries.staff(task.company_id)]}
    fit = [
        agent.id
        for agent in staff.values()
        if agent.is_orchestrator and agent.id != failing and agent.status in (AgentStatus.IDLE, AgentStatus.RUNNING)
    ]
    above: list[str] = []
    superior = staff[failing].reports_to if failing in staff else None
    while superior is not None and superior not in above:
        above.append(superior)
        superior = staff[superior].reports_to if superior in staff else None
    return next((agent_id for agent_id in reversed(above) if agent_id in fit), fit[0] if fit else None)
