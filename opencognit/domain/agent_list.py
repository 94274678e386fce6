"""A list of agents that are hired together or not at all, with reporting lines by name."""

from typing import Annotated, Any, Final

import msgspec

from opencognit.domain.agent import AddSkill, Agent, CreateAgent
from opencognit.domain.message import Message, Name
from opencognit.domain.problems import Problems, decode_json
from opencognit.domain.wire_names import AGENT_LIST_FIELDS

LONGEST: Final = 1000
"""Agents of one list."""


class NewAgent(CreateAgent, frozen=True, kw_only=True, omit_defaults=True):
    """One of the agents, with all that one is hired with."""

    reports_to: Name | None = None
    """The name of another one of the list, or name or id of an agent of the company."""
    skills: Annotated[tuple[AddSkill, ...], msgspec.Meta(max_length=100)] = ()


NewAgents = Annotated[tuple[NewAgent, ...], msgspec.Meta(min_length=1, max_length=LONGEST)]


class AgentsImport(msgspec.Struct, frozen=True, kw_only=True, rename=AGENT_LIST_FIELDS):
    """What became of a list: all of them were hired."""

    count: int
    agent_ids: tuple[str, ...]
    """In the order of the list, as `agents` is."""
    agents: tuple[Agent, ...]
    errors: tuple[dict[str, Any], ...] = ()
    """None: where there is one, nobody is hired, and the answer is 400."""


class ImportAgents(Message[AgentsImport], frozen=True, kw_only=True, rename=AGENT_LIST_FIELDS):
    """Hire all of these agents in one commit."""

    agents: NewAgents


class _List(msgspec.Struct, frozen=True, rename=AGENT_LIST_FIELDS, forbid_unknown_fields=True):
    agents: list[msgspec.Raw]


_EITHER: Final[Any] = _List | list[msgspec.Raw]


def read_agents(body: bytes) -> ImportAgents:
    """The list that JSON stands for: an array of agents, or an object that holds it.

    Raises:
        ValidationFailed: it is none; `details` has each agent's problem.
    """
    read: _List | list[msgspec.Raw] = decode_json(body, _EITHER)
    rows = read.agents if isinstance(read, _List) else read
    field, problems = AGENT_LIST_FIELDS["agents"], Problems()
    if not 1 <= len(rows) <= LONGEST:
        problems.add(field, f"must have 1 to {LONGEST} agents")
        problems.refuse()
    agents = problems.decoded(rows, NewAgent, field)
    problems.refuse()
    return ImportAgents(agents=tuple(agents))
