"""A routine: a task that is given again and again, at due times or on request, with the triggers that fire it."""

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.execution import Execution
from opencognit.domain.instants import Instant
from opencognit.domain.message import Entity, Id, Message, Name, Success, Text, encode
from opencognit.domain.query import Paging
from opencognit.domain.task import Priority
from opencognit.domain.wire_names import TRIGGER_FIELDS

MOST_TRIGGERS: Final = 50
"""Triggers of one routine."""

LARGEST_PAYLOAD: Final = 64 * 1024
"""Bytes of a payload, or of a routine's variables, as JSON."""

CronText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class RoutineStatus(StrEnum):
    """Whether it fires."""

    ACTIVE = "active"
    PAUSED = "paused"


class ConcurrencyPolicy(StrEnum):
    """What a firing does while the task of an earlier one is not finished."""

    COALESCE = "coalesce_if_active"
    """It is merged into that one."""
    SKIP = "skip_if_active"
    """It is skipped."""
    ENQUEUE = "always_enqueue"
    """It makes a task of its own."""


class CatchUpPolicy(StrEnum):
    """What becomes of due times that passed while nobody could fire."""

    SKIP = "skip_missed"
    CATCH_UP = "catch_up"


class TriggerKind(StrEnum):
    """By what a trigger fires."""

    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    API = "api"


class Trigger(Entity, frozen=True, kw_only=True, rename=TRIGGER_FIELDS):
    """A trigger as clients see it; a part of its routine, with a version of its own."""

    routine_id: str
    kind: TriggerKind
    cron: str | None = None
    time_zone: str = "UTC"
    is_active: bool = True
    next_due_at: Instant | None = None
    """Of a schedule that is on: the due time that comes next, or has come and waits to be fired."""
    last_fired_at: Instant | None = None
    public_id: str | None = None


class NewTrigger(Trigger, frozen=True, kw_only=True):
    """A trigger as its creation is answered."""

    secret: str | None = None
    """Of a webhook; it is never shown again."""


class Routine(Entity, frozen=True, kw_only=True):
    """A routine as clients see it. Title and description are templates of the task's."""

    company_id: str
    title: str
    description: str | None = None
    assignee_id: str | None = None
    priority: Priority = Priority.MEDIUM
    status: RoutineStatus = RoutineStatus.ACTIVE
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.COALESCE
    catch_up_policy: CatchUpPolicy = CatchUpPolicy.SKIP
    variables: dict[str, Any] = {}
    triggers: tuple[Trigger, ...] = ()
    last_execution_at: Instant | None = None

    def next_due_at(self) -> Instant | None:
        """When its first schedule comes due."""
        return min((trigger.next_due_at for trigger in self.triggers if trigger.next_due_at), default=None)

    def trigger(self, trigger_id: str) -> Trigger | None:
        """The trigger of this id."""
        return next((trigger for trigger in self.triggers if trigger.id == trigger_id), None)


def check_size(values: dict[str, Any], field: str) -> None:
    """Refuse what is too large to be kept with each execution.

    Raises:
        ValidationFailed: it is.
    """
    if len(encode(values)) > LARGEST_PAYLOAD:
        raise ValidationFailed.of(field, f"is larger than {LARGEST_PAYLOAD} bytes")


class CreateRoutine(Message[Routine], frozen=True, kw_only=True):
    """Give the company a routine; it has no triggers yet."""

    title: Name
    description: Text | None = None
    assignee_id: Id | None = None
    priority: Priority = Priority.MEDIUM
    status: RoutineStatus = RoutineStatus.ACTIVE
    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.COALESCE
    catch_up_policy: CatchUpPolicy = CatchUpPolicy.SKIP
    variables: dict[str, Any] = {}


class UpdateRoutine(Message[Routine], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    title: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    assignee_id: Id | None | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    status: RoutineStatus | UnsetType = UNSET
    concurrency_policy: ConcurrencyPolicy | UnsetType = UNSET
    catch_up_policy: CatchUpPolicy | UnsetType = UNSET
    variables: dict[str, Any] | UnsetType = UNSET


class DeleteRoutine(Message[Success], frozen=True, kw_only=True):
    """Erase the routine with its triggers and its history; the tasks that it made stay."""


class CreateTrigger(Message[NewTrigger], frozen=True, kw_only=True, rename=TRIGGER_FIELDS):
    """Let the routine be fired by something."""

    kind: TriggerKind
    cron: CronText | None = None
    time_zone: ZoneName = "UTC"
    is_active: bool = True


class ChangeTrigger(Message[Trigger], frozen=True, kw_only=True):
    """Change what is named of a trigger."""

    trigger_id: str
    expected_version: int | None = None
    """The version that the trigger must have; None for any."""
    cron: CronText | UnsetType = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class RemoveTrigger(Message[Success], frozen=True, kw_only=True):
    """Erase a trigger; a webhook of it is unknown from then on."""

    trigger_id: str
    expected_version: int | None = None


class TriggerRoutine(Message[Execution], frozen=True, kw_only=True):
    """Fire the routine now: by hand, or as the `api` trigger that is named."""

    trigger_id: Id | None = None
    payload: dict[str, Any] = {}


class RoutineDue(Message[None], frozen=True, kw_only=True):
    """Internal: a due time has come, or may have while nothing could fire."""


class FollowExecution(Message[None], frozen=True, kw_only=True):
    """Internal: a task of the routine is finished or gone."""

    task_id: str


class TriggerBody(msgspec.Struct, frozen=True, kw_only=True, rename=TRIGGER_FIELDS, forbid_unknown_fields=True):
    """What is changed of a trigger."""

    cron: CronText | UnsetType = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class RoutineQuery(Paging, frozen=True, kw_only=True):
    """Which routines."""

    status: tuple[RoutineStatus, ...] = ()
