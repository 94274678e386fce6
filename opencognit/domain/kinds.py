"""The kinds of actors that have a snapshot. An actor's address is `kind/id`."""

from typing import Generic, TypeVar

import msgspec
from typing_extensions import override

from opencognit.domain.agent import Agent
from opencognit.domain.approval import Approval
from opencognit.domain.company import Company
from opencognit.domain.goal import Goal
from opencognit.domain.meeting import Meeting
from opencognit.domain.message import Entity
from opencognit.domain.routine import Routine
from opencognit.domain.setting import Settings
from opencognit.domain.subscription import Subscription
from opencognit.domain.task import Task

E = TypeVar("E", bound=Entity)


class Kind(msgspec.Struct, Generic[E], frozen=True):
    """A kind of actor and the type of its state."""

    name: str
    entity: type[E]

    @override
    def __str__(self) -> str:
        return self.name


COMPANY = Kind("company", Company)
AGENT = Kind("agent", Agent)
TASK_LOCK = Kind("task_lock", Task)
APPROVAL = Kind("approval", Approval)
SETTINGS = Kind("settings", Settings)
MEETING = Kind("meeting", Meeting)
GOAL = Kind("goal", Goal)
ROUTINE = Kind("routine", Routine)
SUBSCRIPTION = Kind("subscription", Subscription)
