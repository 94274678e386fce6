"""A routine as the board sees and changes it, with its triggers. How it fires is in `routine.py`."""

from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from opencognit.actors.agent_rules import check_agent_of
from opencognit.actors.budget import zone
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.cron import Cron
from opencognit.domain.errors import Duplicate, InvalidStatus, NotFound, ValidationFailed, VersionConflict
from opencognit.domain.instants import Instant
from opencognit.domain.message import Success
from opencognit.domain.records import ExecutionsErased, TriggerKept, TriggersGone
from opencognit.domain.routine import (
    MOST_TRIGGERS,
    ChangeTrigger,
    CreateRoutine,
    CreateTrigger,
    DeleteRoutine,
    NewTrigger,
    RemoveTrigger,
    Routine,
    RoutineDue,
    RoutineStatus,
    Trigger,
    TriggerKind,
    UpdateRoutine,
    check_size,
)
from opencognit.domain.webhook import signing_secret
from opencognit.domain.wire_names import FIELDS, TRIGGER_FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem


class RoutineProfile(PersistentActor[Routine]):
    """What the board does with a routine."""

    async def create_routine(self, message: CreateRoutine) -> Routine:
        """Create this routine.

        Raises:
            ValidationFailed: its agent is not of this company, or its variables are too large.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        await self._check(company_id, asdict(message))
        routine = Routine(id=self.id, company_id=company_id, **asdict(message))
        return await self.persist(routine, self.entry(company_id, "routine.created", f"Created “{routine.title}”"))

    async def update_routine(self, message: UpdateRoutine) -> Routine:
        """Change what the message names. A paused routine has no due times; resumed, its next ones lie ahead.

        Raises:
            ValidationFailed: as for `create_routine`.
        """
        before = self.existing()
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        await self._check(before.company_id, changes)
        routine = self.with_due_times(replace(before, **changes))
        routine = await self.persist(
            routine, self.entry(routine.company_id, "routine.updated", f"Changed “{routine.title}”")
        )
        self.arm()
        return routine

    async def delete_routine(self, _message: DeleteRoutine) -> Success:
        """Erase it with its triggers and its history."""
        routine, done = self.existing(), Success()
        await self.erase(
            self.entry(routine.company_id, "routine.deleted", f"Deleted “{routine.title}”"),
            TriggersGone(trigger_ids=tuple(trigger.id for trigger in routine.triggers)),
            ExecutionsErased(routine_id=self.id),
            reply=done,
        )
        return done

    # Triggers

    async def create_trigger(self, message: CreateTrigger) -> NewTrigger:
        """Add a trigger.

        Raises:
            ValidationFailed: its schedule cannot be read, never comes due, or is none.
            InvalidStatus: there are too many.
        """
        routine = self.existing()
        if len(routine.triggers) >= MOST_TRIGGERS:
            raise InvalidStatus(f"A routine has at most {MOST_TRIGGERS} triggers")
        now, is_webhook = self.now(), message.kind is TriggerKind.WEBHOOK
        trigger = Trigger(
            id=self.new_id(),
            version=1,
            created_at=now,
            updated_at=now,
            routine_id=self.id,
            public_id=self.new_id() if is_webhook else None,
            **asdict(message),
        )
        check_schedule(trigger, self.now())
        secret, sealed = new_secret(self.system) if is_webhook else (None, None)
        routine = self.with_due_times(replace(routine, triggers=(*routine.triggers, trigger)))
        created = NewTrigger(**asdict(routine.triggers[-1]), secret=secret)
        kept = TriggerKept(
            trigger_id=trigger.id,
            routine_id=self.id,
            company_id=routine.company_id,
            public_id=trigger.public_id,
            sealed=sealed,
        )
        await self._persist_triggers(routine, "trigger_added", trigger, kept, reply=created)
        return created

    async def change_trigger(self, message: ChangeTrigger) -> Trigger:
        """Change a trigger; switched on again, its next due time lies ahead.

        Raises:
            NotFound: there is none of this id.
            ValidationFailed: as for `create_trigger`.
        """
        before = self.trigger(message.trigger_id, message.expected_version)
        names = ("cron", "time_zone", "is_active")
        changes = {name: value for name in names if (value := getattr(message, name)) is not UNSET}
        trigger = self.moved(before, **changes)
        check_schedule(trigger, self.now())
        if {"cron", "time_zone"} & changes.keys():
            trigger = replace(trigger, next_due_at=None)
        routine = self.with_due_times(with_trigger(self.existing(), trigger))
        changed = routine.trigger(trigger.id) or trigger
        await self._persist_triggers(routine, "trigger_changed", trigger, reply=changed)
        return changed

    async def remove_trigger(self, message: RemoveTrigger) -> Success:
        """Erase a trigger.

        Raises:
            NotFound: there is none of this id.
        """
        trigger, done = self.trigger(message.trigger_id, message.expected_version), Success()
        routine = self.existing()
        left = tuple(one for one in routine.triggers if one.id != trigger.id)
        gone = TriggersGone(trigger_ids=(trigger.id,))
        await self._persist_triggers(replace(routine, triggers=left), "trigger_removed", trigger, gone, reply=done)
        return done

    # Below: what the handlers share

    def arm(self) -> None:
        """Be reminded of the first due time."""
        self.remind("due", self.state.next_due_at() if self.state is not None else None, RoutineDue())

    def _next(self, trigger: Trigger) -> Instant | None:
        # Not before it has fired last, so that no clock that is set back lets it fire twice for one due time.
        return schedule_of(trigger).next(max(self.now(), trigger.last_fired_at or self.now()))

    def with_due_times(self, routine: Routine) -> Routine:
        """The routine with the due time of each of its schedules; none where it rests."""

        def scheduled(trigger: Trigger) -> Trigger:
            is_on = trigger.kind is TriggerKind.SCHEDULE and trigger.is_active
            if not is_on or routine.status is RoutineStatus.PAUSED:
                due = None
            else:
                due = trigger.next_due_at or self._next(trigger)
            return trigger if due == trigger.next_due_at else self.moved(trigger, next_due_at=due)

        return replace(routine, triggers=tuple(scheduled(trigger) for trigger in routine.triggers))

    def moved(self, trigger: Trigger, **changes: Any) -> Trigger:
        """The trigger with changes, in its next version."""
        before = self.state.trigger(trigger.id) if self.state is not None else None
        version = (before.version if before is not None else 0) + 1
        return replace(trigger, version=version, updated_at=self.now(), **changes)

    async def _check(self, company_id: str, fields: dict[str, Any]) -> None:
        if isinstance(agent_id := fields.get("assignee_id"), str):
            await check_agent_of(self.system, company_id, agent_id, field=FIELDS["assignee_id"])
        check_size(fields.get("variables", {}), FIELDS["variables"])

    def trigger(self, trigger_id: str, expected_version: int | None = None) -> Trigger:
        """The trigger of this id.

        Raises:
            NotFound: there is none.
            VersionConflict: it has another version.
        """
        trigger = self.existing().trigger(trigger_id)
        if trigger is None:
            raise NotFound("Trigger not found")
        if expected_version not in (None, trigger.version):
            raise VersionConflict(details={"version": trigger.version})
        return trigger

    async def _persist_triggers(
        self, routine: Routine, verb: str, trigger: Trigger, *records: Any, reply: object
    ) -> None:
        text = f"Changed the triggers of “{routine.title}”"
        entry = self.entry(routine.company_id, f"routine.{verb}", text, triggerId=trigger.id)
        await self.persist(routine, entry, *records, reply=reply)
        self.arm()


def with_trigger(routine: Routine, trigger: Trigger) -> Routine:
    """The routine with this trigger in place of the one of its id."""
    triggers = tuple(trigger if one.id == trigger.id else one for one in routine.triggers)
    return replace(routine, triggers=triggers)


def schedule_of(trigger: Trigger) -> Cron:
    """When a trigger comes due.

    Raises:
        ValidationFailed: that cannot be read.
    """
    return Cron(trigger.cron or "", zone(trigger.time_zone, field=TRIGGER_FIELDS["time_zone"]))


def check_schedule(trigger: Trigger, now: Instant) -> None:
    """A schedule has due times to come, and nothing else has any.

    Raises:
        ValidationFailed: it is not so.
    """
    field = TRIGGER_FIELDS["cron"]
    if trigger.kind is not TriggerKind.SCHEDULE:
        if trigger.cron is not None:
            raise ValidationFailed.of(field, "is for triggers of the kind schedule")
    elif trigger.cron is None:
        raise ValidationFailed.of(field, "is required")
    elif schedule_of(trigger).next(now) is None:
        raise ValidationFailed.of(field, "never comes due")


def new_secret(system: "ActorSystem") -> tuple[str, str | None]:
    """(a new secret of a webhook in the form of the Standard Webhooks, the same sealed)."""
    secret = signing_secret(system.ids.new_secret())
    _, sealed = system.surroundings.secrets.split({"secret": secret}, before={}, sealed_before=None)
    return secret, sealed
