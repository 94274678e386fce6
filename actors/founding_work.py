"""The tasks and the routines of a company's file."""

from collections.abc import Mapping

from msgspec.structs import asdict, replace

from opencognit.actors.founding_draft import Draft, calmly
from opencognit.actors.review import check_critic
from opencognit.actors.routine_profile import check_schedule, new_secret, schedule_of
from opencognit.actors.task_rules import Rules
from opencognit.domain.company_file import CommentInFile, RoutineInFile, TaskInFile
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant
from opencognit.domain.kinds import ROUTINE, TASK_LOCK
from opencognit.domain.records import Created, FirstBlockers, TriggerKept
from opencognit.domain.routine import (
    CreateRoutine,
    CreateTrigger,
    NewTrigger,
    Routine,
    RoutineStatus,
    Trigger,
    TriggerKind,
    check_size,
)
from opencognit.domain.task import FINISHED, Comment, Task, TaskStatus, initial_status
from opencognit.domain.wire_names import FIELDS, FILE_FIELDS


async def draft_tasks(draft: Draft) -> None:
    """All tasks, with what was said on them and what they wait for."""
    rows = draft.file.tasks
    done = {row.id for row in rows if row.status is TaskStatus.DONE}
    projects: dict[str | None, str] = {row.project_id: draft.new_id() for row in rows if row.project_id is not None}
    edges: list[tuple[str, str, bool]] = []
    async for place, row in calmly(rows, draft.tasks):
        try:
            task = _task(draft, row, place, done, projects)
            said = [_comment(draft, comment, task, f"{place}.{FILE_FIELDS['comments']}") for comment in row.comments]
        except ValidationFailed as refusal:
            draft.problems.add_refusal(place, refusal)
            continue
        draft.records += [Created(kind=TASK_LOCK.name, entity=task), *said]
        is_open = {draft.tasks.ids.get(key): key not in done for key in row.blocked_by}
        edges += [(task.id, blocker, is_open[blocker]) for blocker in task.blocked_by]
    draft.records.append(FirstBlockers(company_id=draft.company_id, edges=tuple(edges)))
    parents = [(row.parent_id,) if row.parent_id is not None else () for row in rows]
    await draft.tasks.refuse_circle("parent_id", parents)
    await draft.tasks.refuse_circle("blocked_by", [row.blocked_by for row in rows])


def _task(draft: Draft, row: TaskInFile, place: str, done: set[str], projects: Mapping[str | None, str]) -> Task:
    check_critic(draft.system, row.critic)
    blockers = (draft.tasks.of(key, place, "blocked_by") for key in dict.fromkeys(row.blocked_by))
    status = row.status or initial_status(row.assignee_id)
    if status is TaskStatus.IN_PROGRESS:
        status = TaskStatus.TODO
    if status not in FINISHED and not done.issuperset(row.blocked_by):
        status = TaskStatus.BLOCKED
    completed, cancelled = _when(row, "completed_at"), _when(row, "cancelled_at")
    not_before = _when(row, "not_before")
    return Task(
        id=draft.tasks.ids[row.id],
        company_id=draft.company_id,
        title=row.title,
        description=draft.readdressed(row.description),
        status=status,
        priority=row.priority,
        assignee_id=draft.agents.of(row.assignee_id, place, "assignee_id"),
        created_by=draft.agents.of(row.created_by, place, "created_by"),
        parent_id=draft.tasks.of(row.parent_id, place, "parent_id"),
        project_id=projects.get(row.project_id),
        goal_id=draft.goals.of(row.goal_id, place, "goal_id"),
        routine_id=draft.routines.of(row.routine_id, place, "routine_id"),
        blocked_by=tuple(blocker for blocker in blockers if blocker is not None),
        due_at=_when(row, "due_at"),
        not_before=not_before if not_before is not None and not_before > draft.now else None,
        result=draft.readdressed(row.result),
        started_at=_when(row, "started_at"),
        completed_at=(completed or draft.now) if status is TaskStatus.DONE else None,
        cancelled_at=(cancelled or draft.now) if status is TaskStatus.CANCELLED else None,
        critic=row.critic,
        version=1,
        created_at=_when(row, "created_at") or draft.now,
        updated_at=draft.now,
    )


def _when(row: TaskInFile | CommentInFile, field: str) -> Instant | None:
    return Rules.moment(getattr(row, field), field)


def _comment(draft: Draft, row: CommentInFile, task: Task, place: str) -> Comment:
    return Comment(
        id=draft.new_id(),
        company_id=draft.company_id,
        task_id=task.id,
        author_type=row.author_type,
        author_agent_id=draft.agents.of(row.author_agent_id, place, "author_agent_id"),
        author_name=row.author_name,
        content=draft.readdressed(row.content),
        created_at=_when(row, "created_at") or draft.now,
    )


async def draft_routines(draft: Draft) -> list[NewTrigger]:
    """All routines; answers with the webhooks, whose secrets are told this once."""
    webhooks: list[NewTrigger] = []
    async for place, row in calmly(draft.file.routines, draft.routines):
        agent_id = draft.agents.of(row.assignee_id, place, "assignee_id")
        try:
            check_size(row.variables, FIELDS["variables"])
            triggers = tuple(_trigger(draft, row, wish) for wish in row.triggers)
        except ValidationFailed as refusal:
            draft.problems.add_refusal(place, refusal)
            continue
        fields = {name: getattr(row, name) for name in CreateRoutine.__struct_fields__} | {"assignee_id": agent_id}
        fields["description"] = draft.readdressed(row.description)
        routine = Routine(
            id=draft.routines.ids[row.id],
            company_id=draft.company_id,
            triggers=triggers,
            version=1,
            created_at=draft.now,
            updated_at=draft.now,
            **fields,
        )
        draft.records.append(Created(kind=ROUTINE.name, entity=routine))
        webhooks += _keep(draft, triggers)
    return webhooks


def _trigger(draft: Draft, routine: RoutineInFile, wish: CreateTrigger) -> Trigger:
    trigger = Trigger(
        id=draft.new_id(),
        routine_id=draft.routines.ids[routine.id],
        public_id=draft.new_id() if wish.kind is TriggerKind.WEBHOOK else None,
        version=1,
        created_at=draft.now,
        updated_at=draft.now,
        **asdict(wish),
    )
    check_schedule(trigger, draft.now)
    if trigger.kind is TriggerKind.SCHEDULE and trigger.is_active and routine.status is RoutineStatus.ACTIVE:
        trigger = replace(trigger, next_due_at=schedule_of(trigger).next(draft.now))
    return trigger


def _keep(draft: Draft, triggers: tuple[Trigger, ...]) -> list[NewTrigger]:
    """Let the triggers be found by their ids; the webhooks among them get secrets."""
    webhooks = []
    for trigger in triggers:
        secret, sealed = new_secret(draft.system) if trigger.public_id is not None else (None, None)
        draft.records.append(
            TriggerKept(
                trigger_id=trigger.id,
                routine_id=trigger.routine_id,
                company_id=draft.company_id,
                public_id=trigger.public_id,
                sealed=sealed,
            )
        )
        if secret is not None:
            webhooks.append(NewTrigger(**asdict(trigger), secret=secret))
    return webhooks
