"""Routines: tasks that are given again and again, their triggers, and what became of each firing."""

from msgspec.structs import replace

from opencognit.domain.caller import Right
from opencognit.domain.errors import InvalidStatus
from opencognit.domain.execution import Execution
from opencognit.domain.kinds import ROUTINE
from opencognit.domain.message import Success, encode
from opencognit.domain.query import Backwards, Paging
from opencognit.domain.routine import (
    ChangeTrigger,
    CreateRoutine,
    CreateTrigger,
    DeleteRoutine,
    NewTrigger,
    RemoveTrigger,
    Routine,
    RoutineQuery,
    RoutineStatus,
    Trigger,
    TriggerBody,
    TriggerKind,
    TriggerRoutine,
    UpdateRoutine,
)
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Routes, Subject
from opencognit.store.reading import Page

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['routines']}"
ONE = f"/api/{PATHS['routines']}/{{id}}"
ONE_TRIGGER = "/api/triggers/{id}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ)
async def listing(request: Request[None, RoutineQuery]) -> Listing[Routine]:
    """The company's routines; `?status=` narrows (a comma list)."""
    limit, offset = request.paging()
    page = await request.runtime.queries.routines(request.id, request.query.status, limit, offset)
    return Listing(page, limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    status=201,
    example={"title": "Write the weekly report", "priority": "low"},
)
async def create(request: Request[CreateRoutine]) -> Routine:
    """Give the company a routine."""
    return await request.create(ROUTINE, await request.body())


@routes.add("GET", ONE, subject=Subject.ROUTINE, right=Right.READ)
async def details(request: Request) -> Routine:
    """One routine."""
    routine: Routine = request.subject
    return routine


@routes.add("PATCH", ONE, subject=Subject.ROUTINE, right=Right.WORK, example={"status": RoutineStatus.PAUSED})
async def update(request: Request[UpdateRoutine]) -> Routine:
    """Change the fields present."""
    return await request.ask(ROUTINE, await request.body())


@routes.add("DELETE", ONE, subject=Subject.ROUTINE, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Erase the routine with its triggers and its history; its tasks stay."""
    return await request.ask(ROUTINE, DeleteRoutine())


@routes.add(
    "POST",
    f"{ONE}/trigger",
    subject=Subject.ROUTINE,
    right=Right.WORK,
    status=201,
    errors=(InvalidStatus,),
    example={"payload": {"customer": "Acme"}},
)
async def trigger(request: Request[TriggerRoutine]) -> Execution:
    """Fire the routine now."""
    return await request.ask(ROUTINE, await request.body())


@routes.add("GET", f"{ONE}/{PATHS['executions']}", subject=Subject.ROUTINE, right=Right.READ)
async def executions(request: Request[None, Backwards]) -> Listing[Execution]:
    """What became of each firing, newest first."""
    limit, offset = request.paging()
    page = await request.runtime.queries.executions(request.id, limit, offset, request.query.before)
    return Listing(page, limit, offset, newest_first=True)


@routes.add("GET", f"{ONE}/triggers", subject=Subject.ROUTINE, right=Right.READ)
async def triggers(request: Request[None, Paging]) -> Listing[Trigger]:
    """The routine's triggers."""
    limit, offset = request.paging()
    known: tuple[Trigger, ...] = request.subject.triggers
    return Listing(Page([encode(one) for one in known[offset : offset + limit]], len(known)), limit, offset)


@routes.add(
    "POST",
    f"{ONE}/triggers",
    subject=Subject.ROUTINE,
    right=Right.WORK,
    status=201,
    secret=True,
    errors=(InvalidStatus,),
    example={"kind": TriggerKind.SCHEDULE, "cron": "0 9 * * 1", "time_zone": "Europe/Berlin"},
)
async def create_trigger(request: Request[CreateTrigger]) -> NewTrigger:
    """Let the routine be fired by a schedule, a webhook or a call; a webhook's secret is shown this once."""
    return await request.ask(ROUTINE, await request.body())


@routes.add("PATCH", ONE_TRIGGER, subject=Subject.TRIGGER, right=Right.WORK, example={"is_active": False})
async def update_trigger(request: Request[TriggerBody]) -> Trigger:
    """Change the fields present."""
    body = await request.body()
    message = ChangeTrigger(
        trigger_id=request.id,
        expected_version=_version_of_the_trigger(request),
        cron=body.cron,
        time_zone=body.time_zone,
        is_active=body.is_active,
    )
    return await request.ask(ROUTINE, message, entity_id=request.subject.routine_id)


@routes.add("DELETE", ONE_TRIGGER, subject=Subject.TRIGGER, right=Right.WORK)
async def delete_trigger(request: Request) -> Success:
    """Erase the trigger."""
    message = RemoveTrigger(trigger_id=request.id, expected_version=_version_of_the_trigger(request))
    return await request.ask(ROUTINE, message, entity_id=request.subject.routine_id)


def _version_of_the_trigger(request: Request) -> int | None:
    """The version that `If-Match` names is the trigger's, not that of the routine which keeps it."""
    expected = request.origin.expected_version
    request.origin = replace(request.origin, expected_version=None)
    return expected
