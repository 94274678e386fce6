"""How a file becomes a company: all of it checked, with new ids for everything, ready to be written in one commit.

The company is paused, so that nobody works and nothing fires before whoever has imported it has looked at it, and has
filled in the secrets that are missing.
"""

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict, replace

from opencognit.actors.agent_memory import refuse_long
from opencognit.actors.budget import zone
from opencognit.actors.founding_draft import Draft, calmly
from opencognit.actors.founding_work import draft_routines, draft_tasks
from opencognit.actors.hiring import hired
from opencognit.domain.agent import AddSkill, AgentStatus, Skill
from opencognit.domain.budget import PauseReason
from opencognit.domain.company import Company, CompanyStatus
from opencognit.domain.company_file import AgentInFile, CompanyFile, GoalInFile, Imported, MissingSecret
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.goal import OPEN, CreateGoal, Goal
from opencognit.domain.instants import Instant
from opencognit.domain.kinds import AGENT, GOAL
from opencognit.domain.memory import Memory
from opencognit.domain.records import Created, Record
from opencognit.domain.wire_names import FILE_FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem


class Founded(msgspec.Struct, frozen=True, kw_only=True):
    """A company ready to be written."""

    company: Company
    records: tuple[Record, ...]
    created: tuple[Created, ...]
    """The entities among the records."""
    imported: Imported


async def founded(system: "ActorSystem", file: CompanyFile, company_id: str, *, now: Instant) -> Founded:
    """The company that a file describes.

    Raises:
        ValidationFailed: with everything that is wrong with it.
    """
    draft = Draft(system, file, company_id, now)
    try:
        zone(file.company.time_zone)
    except ValidationFailed as refusal:
        draft.problems.add_refusal(FILE_FIELDS["company"], refusal)
    await draft.number()
    await _draft_agents(draft)
    await _draft_goals(draft)
    await draft_tasks(draft)
    triggers = await draft_routines(draft)
    _check_missing(draft)
    draft.problems.refuse()
    return Founded(
        company=Company(
            id=company_id, status=CompanyStatus.PAUSED, paused_by=PauseReason.BOARD, **asdict(file.company)
        ),
        records=tuple(draft.records),
        created=tuple(draft.created()),
        imported=Imported(
            agents=len(file.agents),
            goals=len(file.goals),
            tasks=len(file.tasks),
            routines=len(file.routines),
            missing_secrets=tuple(draft.missing),
            triggers=tuple(triggers),
        ),
    )


async def _draft_agents(draft: Draft) -> None:
    async for place, row in calmly(draft.file.agents, draft.agents):
        agent_id = draft.agents.ids[row.id]
        superior = draft.agents.of(row.reports_to, place, "reports_to")
        notes = _notes(draft, row, agent_id, place)
        try:
            agent, secrets = hired(draft.system, draft.company_id, agent_id, row, now=draft.now)
        except ValidationFailed as refusal:
            draft.problems.add_refusal(place, refusal)
            continue
        agent = replace(
            agent,
            reports_to=superior,
            system_prompt=draft.readdressed(row.system_prompt),
            skills=tuple(_skill(draft, skill) for skill in row.skills),
            permissions=row.permissions,
            version=1,
            created_at=draft.now,
            updated_at=draft.now,
        )
        if agent.is_orchestrator:
            draft.leaders.add(row.id)
        if row.status == "paused":
            agent = replace(agent, status=AgentStatus.PAUSED, paused_by=PauseReason.BOARD, next_heartbeat=None)
        draft.records += [Created(kind=AGENT.name, entity=agent), *notes]
        paths = draft.system.surroundings.secrets.missing(row.adapter_config)
        draft.missing += [MissingSecret(agent_id=agent_id, path=path) for path in paths]
        if secrets.sealed is not None:
            draft.records.append(secrets)
    lines = [(row.reports_to,) if row.reports_to is not None else () for row in draft.file.agents]
    await draft.agents.refuse_circle("reports_to", lines)


def _skill(draft: Draft, skill: AddSkill) -> Skill:
    return Skill(id=draft.new_id(), **asdict(skill) | {"content": draft.readdressed(skill.content)})


def _notes(draft: Draft, row: AgentInFile, agent_id: str, place: str) -> list[Memory]:
    notes = []
    for index, note in enumerate(row.memories):
        content = draft.readdressed(note.content)
        try:
            refuse_long(content)
        except ValidationFailed as refusal:
            draft.problems.add_refusal(f"{place}.{FILE_FIELDS['memories']}[{index}]", refusal)
        notes.append(
            Memory(
                id=draft.new_id(),
                company_id=draft.company_id,
                agent_id=agent_id,
                version=1,
                created_at=draft.now,
                updated_at=draft.now,
                content=content,
                keywords=note.keywords,
            )
        )
    return notes


async def _draft_goals(draft: Draft) -> None:
    async for place, row in calmly(draft.file.goals, draft.goals):
        draft.records.append(Created(kind=GOAL.name, entity=_goal(draft, row, place)))
    lines = [(row.parent_id,) if row.parent_id is not None else () for row in draft.file.goals]
    await draft.goals.refuse_circle("parent_id", lines)


def _goal(draft: Draft, row: GoalInFile, place: str) -> Goal:
    planning = draft.tasks.of(row.planning_task_id, place, "planning_task_id")
    owed = None
    if planning is None and row.status in OPEN and row.owner_id in draft.leaders:
        # Like any goal that is set for the orchestrator: it is asked to plan it.
        planning = owed = draft.new_id()
    reviews = (draft.tasks.of(task, place, "review_task_ids") for task in row.review_task_ids)
    fields = {name: getattr(row, name) for name in CreateGoal.__struct_fields__}
    fields["description"] = draft.readdressed(row.description)
    fields["parent_id"] = draft.goals.of(row.parent_id, place, "parent_id")
    fields["owner_id"] = draft.agents.of(row.owner_id, place, "owner_id")
    return Goal(
        id=draft.goals.ids[row.id],
        company_id=draft.company_id,
        planning_task_id=planning,
        review_task_ids=tuple(task for task in reviews if task is not None),
        owed_task_id=owed,
        version=1,
        created_at=draft.now,
        updated_at=draft.now,
        **fields,
    )


def _check_missing(draft: Draft) -> None:
    """The file's own list is for its reader, who may have filled in some; but it names agents of the file."""
    for index, secret in enumerate(draft.file.missing_secrets):
        draft.agents.of(secret.agent_id, f"{FILE_FIELDS['missing_secrets']}[{index}]", "agent_id")
