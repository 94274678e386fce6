"""The `Routine`: fires when a schedule comes due, on request and by webhook, and follows the tasks that it has made.

A firing is one commit: the execution, its task and, for a schedule, the next due time. So whenever the process ends,
each due time has fired once or is still to fire. The execution's id follows from the trigger and the due time (or the
webhook's message), so that not even a mistake could enter one twice.
"""

from typing import Any, Final
from uuid import UUID, uuid5

import structlog
from typing_extensions import override

from opencognit.actors.routine_firing import RoutineFiring
from opencognit.actors.routine_profile import schedule_of, with_trigger
from opencognit.domain.company import CompanyStatus
from opencognit.domain.due import due
from opencognit.domain.errors import InvalidStatus, ValidationFailed
from opencognit.domain.execution import Execution, ExecutionSource
from opencognit.domain.instants import Instant, after
from opencognit.domain.kinds import COMPANY, ROUTINE
from opencognit.domain.message import Success, decode
from opencognit.domain.routine import (
    ChangeTrigger,
    CreateRoutine,
    CreateTrigger,
    DeleteRoutine,
    FollowExecution,
    RemoveTrigger,
    RoutineDue,
    RoutineStatus,
    Trigger,
    TriggerKind,
    TriggerRoutine,
    UpdateRoutine,
    check_size,
)
from opencognit.domain.routine import Routine as State
from opencognit.domain.webhook import ReceiveWebhook
from opencognit.domain.wire_names import FIELDS

RoutineMessage = (
    CreateRoutine
    | UpdateRoutine
    | DeleteRoutine
    | CreateTrigger
    | ChangeTrigger
    | RemoveTrigger
    | TriggerRoutine
    | ReceiveWebhook
    | RoutineDue
    | FollowExecution
)

PAUSE: Final = 1.0
"""Seconds before a firing that has failed is tried again."""

_log = structlog.get_logger("opencognit.routines")


class Routine(RoutineFiring):
    """One routine."""

    kind = ROUTINE
    protocol = RoutineMessage

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._has_failed = False

    @override
    async def activated(self) -> None:
        """Set the timer; what came due meanwhile is told at once."""
        if self._has_failed:
            self.remind("due", after(self.now(), PAUSE), RoutineDue())
        else:
            self.arm()

    @override
    def forget(self) -> None:
        """After a failure, such as a full disk, the next try waits a little."""
        self._has_failed = True

    # Firing

    async def trigger_routine(self, message: TriggerRoutine) -> Execution:
        """Fire now.

        Raises:
            ValidationFailed: no `api` trigger of this routine is named, or the payload is too large.
            InvalidStatus: the routine, the trigger or the company rests.
        """
        routine = self.existing()
        check_size(message.payload, "payload")
        trigger = None
        if message.trigger_id is not None:
            trigger = routine.trigger(message.trigger_id.lower())
            if trigger is None or trigger.kind is not TriggerKind.API:
                raise ValidationFailed.of(FIELDS["trigger_id"], "is not an api trigger of this routine")
        await self._refuse_at_rest(routine, trigger)
        source = ExecutionSource.MANUAL if trigger is None else ExecutionSource.API
        execution = self._execution(self.new_id(), source, trigger, message.payload)
        return await self.fire(self._noted(routine, trigger), execution)

    async def receive_webhook(self, message: ReceiveWebhook) -> Success:
        """Fire, unless this message has had its effect.

        Raises:
            NotFound: the trigger is gone.
            InvalidStatus: as for `trigger_routine`.
        """
        trigger, routine = self.trigger(message.trigger_id), self.existing()
        execution_id = _id(trigger, "message", message.message_id)
        if await self.system.store.queries.has_execution(execution_id):
            return Success()
        await self._refuse_at_rest(routine, trigger)
        execution = self._execution(execution_id, ExecutionSource.WEBHOOK, trigger, message.payload)
        await self.fire(self._noted(routine, trigger), execution, reply=Success())
        return Success()

    async def routine_due(self, _message: RoutineDue) -> None:
        """Fire for the earliest due time that has come; if another has come, its reminder comes at once.

        While the company rests, there is no reminder: it tells when it goes on.
        """
        routine, now = self.state, self.now()
        waiting = routine.next_due_at() if routine is not None else None
        if routine is None or waiting is None or waiting > now:
            self.arm()
            return
        company = await self.system.state(COMPANY, routine.company_id)
        if company is None or company.status is not CompanyStatus.ACTIVE:
            return
        trigger = next(trigger for trigger in routine.triggers if trigger.next_due_at == waiting)
        try:
            await self._come_due(routine, trigger, waiting, now)
        except ValidationFailed as error:
            # A later version of the library or of the time zones does not know it any more.
            _log.warning("schedule_not_readable", routine=self.id, trigger=trigger.id, error=error.message)
            off = self.moved(trigger, is_active=False, next_due_at=None)
            text = f"A schedule of “{routine.title}” was switched off: {error.message}"
            entry = self.entry(routine.company_id, "routine.trigger_changed", text, triggerId=trigger.id)
            await self.persist(with_trigger(routine, off), entry)
        self.arm()

    async def follow_execution(self, message: FollowExecution) -> None:
        """A task is finished or gone: the execution that has made it ends, with all that were merged into it."""
        if self.state is None:
            return
        body = await self.system.store.queries.open_execution(self.id, message.task_id)
        if body is not None:
            await self.settle(decode(body, Execution))

    # Below: what the handlers share

    async def _come_due(self, routine: State, trigger: Trigger, waiting: Instant, now: Instant) -> None:
        limits = self.system.limits
        step = due(
            schedule_of(trigger),
            waiting,
            routine.catch_up_policy,
            now=now,
            missed_after=limits.missed_after,
            limit=limits.catch_up_limit,
        )
        missed = []
        if step.is_missed:
            text = f"“{routine.title}” was due while nothing could fire; what was missed is skipped"
            missed = [self.entry(routine.company_id, "routine.missed", text, triggerId=trigger.id, since=waiting)]
        if step.fires is None:
            await self.persist(with_trigger(routine, self.moved(trigger, next_due_at=step.next)), *missed)
            return
        payload = {FIELDS["due_at"]: step.fires}
        execution = self._execution(_id(trigger, "due", step.fires), ExecutionSource.SCHEDULE, trigger, payload)
        await self.fire(self._noted(routine, trigger, next_due_at=step.next), execution, *missed)

    async def _refuse_at_rest(self, routine: State, trigger: Trigger | None) -> None:
        if routine.status is RoutineStatus.PAUSED:
            raise InvalidStatus("The routine is paused")
        if trigger is not None and not trigger.is_active:
            raise InvalidStatus("The trigger is switched off")
        company = await self.system.state(COMPANY, routine.company_id)
        if company is None or company.status is not CompanyStatus.ACTIVE:
            raise InvalidStatus("The company is not active")

    def _noted(self, routine: State, trigger: Trigger | None, **changes: Any) -> State:
        """The routine with the time of this firing noted at its trigger."""
        if trigger is None:
            return routine
        return with_trigger(routine, self.moved(trigger, last_fired_at=self.now(), **changes))

    def _execution(
        self, execution_id: str, source: ExecutionSource, trigger: Trigger | None, payload: dict[str, Any]
    ) -> Execution:
        return Execution(
            id=execution_id,
            company_id=self.existing().company_id,
            routine_id=self.id,
            trigger_id=trigger.id if trigger is not None else None,
            source=source,
            payload=payload,
            created_at=self.now(),
        )


def _id(trigger: Trigger, what: str, which: str) -> str:
    """The id of the one execution that a trigger has for a due time or a message."""
    return str(uuid5(UUID(trigger.id), f"{what}/{which}"))
