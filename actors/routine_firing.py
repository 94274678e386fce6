"""What becomes of a firing of a routine: a task, a place in an unfinished one, or the reason why there is none."""

from typing import Any, Final

from msgspec.structs import replace

from opencognit.actors.routine_profile import RoutineProfile
from opencognit.domain.agent import AgentStatus, Wake
from opencognit.domain.events import RoutineExecuted, TaskCreated
from opencognit.domain.execution import Execution, ExecutionStatus
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.records import Blockers, ExecutionsEnded, NewTask
from opencognit.domain.routine import ConcurrencyPolicy, Routine, RoutineStatus
from opencognit.domain.run import RunSource
from opencognit.domain.task import FINISHED, Task, TaskStatus, initial_status
from opencognit.domain.template import filled

LONGEST_TITLE: Final = 200
LONGEST_TEXT: Final = 200_000


class RoutineFiring(RoutineProfile):
    """How a firing is carried out and ends. Each is one commit, so there is no execution without its task."""

    async def fire(self, routine: Routine, execution: Execution, *parts: Any, reply: object = None) -> Execution:
        """Persist the routine with what becomes of this firing; answers with the execution.

        Args:
            routine: its next state, as far as that follows from what has fired it.
            execution: what has fired it.
            *parts: what goes into the same commit.
            reply: what the asker is answered with, if it is not the execution.
        """
        policy, now, task = routine.concurrency_policy, self.now(), None
        active = await self._active() if policy is not ConcurrencyPolicy.ENQUEUE else None
        if await self._has_lost_its_agent(routine):
            reason = "Its agent has left the company"
            execution = replace(execution, status=ExecutionStatus.FAILED, error=reason, completed_at=now)
            routine = self.with_due_times(replace(routine, status=RoutineStatus.PAUSED))
            text = f"“{routine.title}” was paused: its agent has left the company"
            entry = self.entry(routine.company_id, "routine.paused", text, executionId=execution.id)
            parts = (_executed(routine, execution), entry, *parts)
        elif active is not None and policy is ConcurrencyPolicy.SKIP:
            reason = "The task of an earlier execution is not finished"
            execution = replace(execution, status=ExecutionStatus.SKIPPED, error=reason, completed_at=now)
        elif active is not None:
            execution = replace(execution, status=ExecutionStatus.RECEIVED, task_id=active.task_id)
        else:
            task = self._task(routine, execution)
            execution = replace(execution, task_id=task.id)
            routine = replace(routine, last_execution_at=now)
            edges = Blockers(task_id=task.id, company_id=task.company_id, blocker_ids=(), open_ids=frozenset())
            text = f"“{routine.title}” has made the task “{task.title}”"
            entry = self.entry(routine.company_id, "routine.fired", text, taskId=task.id, executionId=execution.id)
            parts = (NewTask(task=task, blockers=edges), TaskCreated.of(task), entry, *parts)
        await self.persist(routine, execution, *parts, reply=reply or execution)
        if task is not None:
            self.system.tell_watchers(TASK_LOCK.name, task.id, task)
            if task.assignee_id is not None:
                self.system.tell(AGENT, task.assignee_id, Wake(source=RunSource.AUTOMATION), internal=True)
        return execution

    async def settle(self, execution: Execution) -> bool:
        """End an execution, with all that were merged into it, if its task is over; whether it is."""
        task_id = execution.task_id or ""
        task = await self.system.state(TASK_LOCK, task_id)
        if task is not None and task.status not in FINISHED:
            return False
        routine, is_done = self.existing(), task is not None and task.status is TaskStatus.DONE
        status = ExecutionStatus.COMPLETED if is_done else ExecutionStatus.FAILED
        ended = ExecutionsEnded(
            routine_id=self.id,
            task_id=task_id,
            status=status,
            error=None if is_done else f"The task was {'cancelled' if task is not None else 'deleted'}",
            completed_at=self.now(),
        )
        text = f"An execution of “{routine.title}” has {status}"
        entry = self.entry(routine.company_id, f"routine.{status}", text, executionId=execution.id, taskId=task_id)
        await self.append(ended, _executed(routine, replace(execution, status=status)), entry)
        return True

    # Below: what the two share

    async def _active(self) -> Execution | None:
        """The execution whose task is not finished; those that are over, but were not told of yet, end here."""
        while (body := await self.system.store.queries.open_execution(self.id)) is not None:
            execution = decode(body, Execution)
            if not await self.settle(execution):
                return execution
        return None

    async def _has_lost_its_agent(self, routine: Routine) -> bool:
        """A routine that never had one makes tasks without assignee."""
        if routine.assignee_id is None:
            return False
        agent = await self.system.state(AGENT, routine.assignee_id)
        return agent is None or agent.status is AgentStatus.TERMINATED

    def _task(self, routine: Routine, execution: Execution) -> Task:
        """The task that the templates make of the variables and the payload."""
        values, now = {**routine.variables, **execution.payload}, self.now()
        title = filled(routine.title, values, longest=LONGEST_TITLE).strip() or routine.title
        text = routine.description
        description = filled(text, values, longest=LONGEST_TEXT) if text is not None else None
        return Task(
            id=self.new_id(),
            version=1,
            created_at=now,
            updated_at=now,
            company_id=routine.company_id,
            title=title,
            description=description,
            status=initial_status(routine.assignee_id),
            priority=routine.priority,
            assignee_id=routine.assignee_id,
            created_by=self.asked_by.caller.id,
            routine_id=self.id,
        )


def _executed(routine: Routine, execution: Execution) -> RoutineExecuted:
    return RoutineExecuted(
        company_id=routine.company_id,
        routine_id=routine.id,
        execution_id=execution.id,
        title=routine.title,
        status=execution.status,
        task_id=execution.task_id,
    )
