"""Holds tests to `docs/reference.md`: what a row says that a test shows, it must have seen when it has passed."""

import re
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from opencognit.domain.agent import AgentStatus
from opencognit.domain.approval import ApprovalKind, ApprovalStatus
from opencognit.domain.budget import LimitKind, PauseReason, Period
from opencognit.domain.caller import CallerKind, CompanyRole, ServerRole
from opencognit.domain.company import CompanyStatus
from opencognit.domain.delivery import DeliveryStatus
from opencognit.domain.execution import ExecutionSource, ExecutionStatus
from opencognit.domain.goal import GoalLevel, GoalStatus
from opencognit.domain.meeting import MeetingStatus
from opencognit.domain.permission import Grant, Permission
from opencognit.domain.routine import CatchUpPolicy, ConcurrencyPolicy, RoutineStatus, TriggerKind
from opencognit.domain.run import RunSource, RunStatus
from opencognit.domain.subscription import SubscriptionStatus
from opencognit.domain.task import EscalationReason, Priority, TaskStatus
from tests.seen import SEEN

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference.md"

VALUES: Final[dict[str, type[StrEnum]]] = {
    "Status of a task": TaskStatus,
    "Priority of a task": Priority,
    "Why a task was escalated": EscalationReason,
    "Status of an agent": AgentStatus,
    "Permission of an agent": Permission,
    "Grant of a permission": Grant,
    "Status of a run": RunStatus,
    "What began a run": RunSource,
    "Status of a company": CompanyStatus,
    "Who has paused": PauseReason,
    "What a limit counts": LimitKind,
    "Time of a limit": Period,
    "Role on the server": ServerRole,
    "Role in a company": CompanyRole,
    "Who acts": CallerKind,
    "Status of a routine": RoutineStatus,
    "Concurrency policy of a routine": ConcurrencyPolicy,
    "Catch-up policy of a routine": CatchUpPolicy,
    "Kind of a trigger": TriggerKind,
    "What fired a routine": ExecutionSource,
    "Status of an execution": ExecutionStatus,
    "Kind of an approval": ApprovalKind,
    "Status of an approval": ApprovalStatus,
    "Level of a goal": GoalLevel,
    "Status of a goal": GoalStatus,
    "Status of a meeting": MeetingStatus,
    "Status of a subscription": SubscriptionStatus,
    "Status of a delivery": DeliveryStatus,
}
"""The page's heading of each enumeration."""

NAMED: Final = {
    "Endpoints": "{cell}",
    "Events": "event {cell}",
    "Values": "{kind} {cell}",
    "Refusals": "{cell}",
    "Statuses of HTTP": "status {cell}",
    "Settings": "setting {cell}",
}
"""How `tests/seen.py` names what a row of each part is about."""

_ROW = re.compile(r"\| (?P<mark>●?) *\| `(?P<cell>[^`]+)` \| (?P<what>[^|]+) \| (\N{EN DASH}|`(?P<test>[^`]+)`) \|")


class Row(NamedTuple):
    """A row of the page.

    Attributes:
        thing: what it is about, as `tests/seen.py` names it.
        is_marked: whether the reference names it.
        what: what it is.
        test: the test that shows it, as pytest names it; None where it is never sent.
    """

    thing: str
    is_marked: bool
    what: str
    test: str | None


def rows(text: str | None = None) -> Iterator[Row]:
    """The rows of the page."""
    part = heading = ""
    for line in (PAGE.read_text("utf-8") if text is None else text).splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif line.startswith("### "):
            heading = line.removeprefix("### ")
        elif line.startswith("| ") and "`" in line:
            found = _ROW.fullmatch(line)
            assert found is not None, f"docs/reference.md has a row of another form: {line}"
            kind = VALUES[heading].__name__ if part == "Values" else ""
            thing = NAMED[part].format(cell=found["cell"], kind=kind)
            test = f"tests/{found['test']}" if found["test"] else None
            yield Row(thing, bool(found["mark"]), found["what"], test)


def assert_shown(test: str) -> None:
    """A test that has passed has seen all that the page says it shows."""
    missing = sorted(_claims().get(test.partition("[")[0], set()) - SEEN)
    assert missing == [], f"docs/reference.md says that this test shows {missing}, but it has seen nothing of it"


@cache
def _claims() -> dict[str, set[str]]:
    claims: dict[str, set[str]] = defaultdict(set)
    for row in rows():
        if row.test is not None:
            claims[row.test].add(row.thing)
    return claims
