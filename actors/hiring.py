"""Hiring: what makes an agent of a wish, for one alone and for a list with reporting lines by name."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from opencognit.actors.agent_rules import check_adapter
from opencognit.actors.review import check_critic
from opencognit.domain.agent import Agent, CreateAgent, Skill
from opencognit.domain.agent_list import NewAgent
from opencognit.domain.circles import circle
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.instants import Instant, after
from opencognit.domain.problems import Problems
from opencognit.domain.records import AgentSecrets
from opencognit.domain.wire_names import AGENT_LIST_FIELDS, FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

_LIST = AGENT_LIST_FIELDS["agents"]
_SUPERIOR = FIELDS["reports_to"]


def hired(
    system: "ActorSystem", company_id: str, agent_id: str, wish: CreateAgent, *, now: Instant
) -> tuple[Agent, AgentSecrets]:
    """The agent, its timer set, and its sealed secrets; whom it reports to is for the caller to check.

    Raises:
        ValidationFailed: its adapter, or its critic, cannot be used so.
    """
    check_adapter(system, wish.adapter, wish.adapter_config)
    check_critic(system, wish.critic)
    masked, sealed = system.surroundings.secrets.split(wish.adapter_config, before={}, sealed_before=None)
    fields = {name: getattr(wish, name) for name in CreateAgent.__struct_fields__} | {"adapter_config": masked}
    fields["is_orchestrator"] = wish.is_orchestrator or orchestrates(system, wish.adapter)
    due = after(now, wish.heartbeat_interval) if wish.heartbeat_on else None
    agent = Agent(id=agent_id, company_id=company_id, next_heartbeat=due, **fields)
    return agent, AgentSecrets(agent_id=agent_id, company_id=company_id, sealed=sealed)


def orchestrates(system: "ActorSystem", adapter: str | None) -> bool:
    """Whether whoever works with this adapter is an orchestrator."""
    return getattr(system.surroundings.providers.get(adapter or ""), "is_orchestrator", False)


async def hired_together(
    system: "ActorSystem", company_id: str, wishes: Sequence[NewAgent], *, now: Instant
) -> list[tuple[Agent, AgentSecrets]]:
    """The agents of a list, ready to be written, each with its sealed secrets.

    Raises:
        ValidationFailed: with everything that is wrong with any of them.
    """
    problems = Problems()
    staff = await system.store.queries.agent_names(company_id)
    ids = {wish.name: system.ids.new_id() for wish in wishes}
    _check_names(wishes, {name for name, _ in staff}, problems)
    _check_circle(wishes, problems)
    superiors = _Superiors(ids, staff)
    made = []
    for index, wish in enumerate(wishes):
        place = f"{_LIST}[{index}]"
        try:
            agent, secrets = hired(system, company_id, ids[wish.name], wish, now=now)
            above = superiors.named(wish.reports_to) if wish.reports_to is not None else None
        except ValidationFailed as refusal:
            problems.add_refusal(place, refusal)
            continue
        skills = tuple(Skill(id=system.ids.new_id(), **asdict(skill)) for skill in wish.skills)
        made.append(
            (replace(agent, reports_to=above, skills=skills, version=1, created_at=now, updated_at=now), secrets)
        )
    problems.refuse()
    return made


class _Superiors:
    """Finds whom a reporting line means: one of the list, else one who is there, by id or by name."""

    def __init__(self, ids: dict[str, str], staff: list[tuple[str, str]]) -> None:
        self._ids = ids
        self._staff = staff

    def named(self, superior: str) -> str:
        if superior in self._ids:
            return self._ids[superior]
        found = [id_ for name, id_ in self._staff if superior.lower() == id_]
        found = found or [id_ for name, id_ in self._staff if name == superior]
        if len(found) != 1:
            problem = "is the name of several agents; give an id" if found else "is nobody of the list or the company"
            raise ValidationFailed.of(_SUPERIOR, problem)
        return found[0]


def _check_names(wishes: Sequence[NewAgent], taken: set[str], problems: Problems) -> None:
    counted = Counter(wish.name for wish in wishes)
    for index, wish in enumerate(wishes):
        if counted[wish.name] > 1:
            problems.add(f"{_LIST}[{index}].name", "stands in the list more than once")
        elif wish.name in taken:
            problems.add(f"{_LIST}[{index}].name", "is the name of an agent of the company already")


def _check_circle(wishes: Sequence[NewAgent], problems: Problems) -> None:
    lines = {wish.name: (wish.reports_to,) if wish.reports_to is not None else () for wish in wishes}
    if round_ := circle(lines):
        first = next(index for index, wish in enumerate(wishes) if wish.name == round_[0])
        way = " → ".join((*round_, round_[0]))
        problems.add(f"{_LIST}[{first}].{_SUPERIOR}", f"goes round in a circle: {way}")
