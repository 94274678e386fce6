"""Ready-made companies: files in the format of exported ones, which come with the product and are adapted when used."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from opencognit.domain.budget import Cents
from opencognit.domain.company import Currency
from opencognit.domain.company_file import FORMAT, AgentInFile, CompanyFile
from opencognit.domain.message import Name, Text
from opencognit.domain.routine import ZoneName
from opencognit.domain.wire_names import ADAPTER_FIELDS, FILE_FIELDS

NAME_PATTERN: Final = "[a-z][a-z0-9-]{0,99}"
"""Of a template's name, by which it is asked for."""

_LEADER: Final = "ceo"
_BY: Final = ADAPTER_FIELDS["provider"]


class TemplateAgent(msgspec.Struct, frozen=True, kw_only=True, rename=FILE_FIELDS):
    """Who works in a company of this kind."""

    name: str
    role: str


class Template(msgspec.Struct, frozen=True, kw_only=True, rename=FILE_FIELDS):
    """A ready-made company, as it is offered."""

    name: str
    """By which it is asked for."""
    title: str
    description: str | None
    agents: tuple[TemplateAgent, ...]
    goals: tuple[str, ...]
    tasks: tuple[str, ...]
    """What is worked on first."""
    routines: tuple[str, ...]
    budget_cents: int
    currency: str


class UseTemplate(msgspec.Struct, frozen=True, kw_only=True, rename=FILE_FIELDS, forbid_unknown_fields=True):
    """What is to be other than in the template."""

    name: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    goal: Text | None | UnsetType = UNSET
    budget_cents: Cents | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    """Of the company, and of its schedules."""
    adapter: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    """By which all agents work."""
    adapter_config: dict[str, Any] | UnsetType = UNSET
    """And how; secrets are sealed."""


def offered(name: str, file: CompanyFile) -> Template:
    """What a template is about."""
    return Template(
        name=name,
        title=file.company.name,
        description=file.company.description,
        agents=tuple(TemplateAgent(name=agent.name, role=agent.role) for agent in file.agents),
        goals=tuple(goal.title for goal in file.goals),
        tasks=tuple(task.title for task in file.tasks),
        routines=tuple(routine.title for routine in file.routines),
        budget_cents=file.company.budget_cents,
        currency=file.company.currency,
    )


def adapted(file: CompanyFile, wish: UseTemplate) -> CompanyFile:
    """The template as somebody wants it."""
    names = ("name", "description", "goal", "budget_cents", "currency", "time_zone")
    chosen = {name: value for name in names if (value := getattr(wish, name)) is not UNSET}
    routines = file.routines
    if wish.time_zone is not UNSET:
        zone = wish.time_zone
        routines = tuple(
            replace(routine, triggers=tuple(replace(trigger, time_zone=zone) for trigger in routine.triggers))
            for routine in routines
        )
    agents = tuple(_working_by(agent, wish) for agent in file.agents)
    return replace(file, format=FORMAT, company=replace(file.company, **chosen), agents=agents, routines=routines)


def _working_by(agent: AgentInFile, wish: UseTemplate) -> AgentInFile:
    """A leader goes on leading, on the adapter that all work by."""
    adapter, config = agent.adapter, agent.adapter_config
    leads = adapter == _LEADER
    if wish.adapter_config is not UNSET:
        config = wish.adapter_config | ({_BY: config[_BY]} if leads else {})
    if wish.adapter is not UNSET:
        adapter, config = (_LEADER, config | {_BY: wish.adapter}) if leads else (wish.adapter, config)
    return replace(agent, adapter=adapter, adapter_config=config)
