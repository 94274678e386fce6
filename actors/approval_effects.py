"""What an approval carries out: how its payload is checked when it is asked for, and how it is done, exactly once.

Done exactly once, although the process may die at any line: the agent to be hired has its id before, and its second
hiring is refused; a change of a budget is written together with a mark that a second one runs into.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from opencognit.actors.agent_rules import check_adapter, check_agent_of
from opencognit.domain.agent import CreateAgent, UpdateAgent
from opencognit.domain.approval import Approval, ApprovalKind, BudgetChange
from opencognit.domain.company import UpdateCompany
from opencognit.domain.errors import Duplicate, IdempotencyConflict, ValidationFailed
from opencognit.domain.kinds import AGENT, COMPANY, TASK_LOCK
from opencognit.domain.message import decode, encode
from opencognit.domain.origin import Origin, PendingAnswer
from opencognit.domain.wire_names import FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem

T = TypeVar("T")

TASK: str = FIELDS["task_id"]
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_NAMED = re.compile(r"(?:unknown|required) field `([^`]+)`")


async def check_payload(system: "ActorSystem", company_id: str, kind: ApprovalKind, payload: Mapping[str, Any]) -> None:
    """Refuse what could not be carried out, and a task that is not this company's.

    Raises:
        ValidationFailed: with the field.
    """
    task_id = payload.get(TASK)
    if task_id is not None:
        task = await system.state(TASK_LOCK, str(task_id))
        if task is None or task.company_id != company_id:
            raise ValidationFailed.of("payload", "names a task that is not of this company")
    if kind is ApprovalKind.HIRE:
        wanted = _read(payload, CreateAgent)
        if wanted.reports_to is not None:
            await check_agent_of(system, company_id, wanted.reports_to, field=f"payload.{FIELDS['reports_to']}")
        check_adapter(system, wanted.adapter, wanted.adapter_config)
        _, sealed = system.surroundings.secrets.split(wanted.adapter_config, before={}, sealed_before=None)
        if sealed is not None:
            # A payload is shown to all who may read the approval.
            raise ValidationFailed.of(
                f"payload.{FIELDS['adapter_config']}", "must hold no secret; give it to the agent once it is hired"
            )
    elif kind is ApprovalKind.BUDGET:
        change = _read(payload, BudgetChange)
        if change.agent_id is not None:
            await check_agent_of(system, company_id, change.agent_id, field=f"payload.{FIELDS['agent_id']}")


async def carry_out(system: "ActorSystem", approval: Approval, origin: Origin) -> None:
    """Do what was approved, unless it was done already.

    Args:
        system: the actors.
        approval: what was decided; for a hiring, `result` names the id of the new agent.
        origin: on whose behalf.

    Raises:
        DomainError: it cannot be done, or not now (`Unavailable`).
    """
    done_before = Duplicate if approval.kind is ApprovalKind.HIRE else IdempotencyConflict
    with suppress(done_before):
        if approval.kind is ApprovalKind.HIRE:
            agent_id = str((approval.result or {})[FIELDS["agent_id"]])
            await system.ask(AGENT, agent_id, _read(approval.payload, CreateAgent), origin=origin)
        else:
            change = _read(approval.payload, BudgetChange)
            await _change_budget(system, approval.company_id, change, once(origin, approval, "effect"))


def once(origin: Origin, approval: Approval, step: str) -> Origin:
    """The origin of a step that is done once for each round of an approval: its commit bears a mark of it."""
    key = f"{len(approval.rounds)}/{approval.status}/{step}"
    mark = PendingAnswer(caller=f"approval:{approval.id}", key=key, fingerprint="", status=200, seal=None)
    return replace(origin, answer=mark)


async def _change_budget(system: "ActorSystem", company_id: str, change: BudgetChange, origin: Origin) -> None:
    if change.agent_id is None:
        await system.ask(COMPANY, company_id, UpdateCompany(budget_cents=change.budget_cents), origin=origin)
        return
    # Asked again, because the agent may have left since.
    await check_agent_of(system, company_id, change.agent_id, field=FIELDS["agent_id"])
    await system.ask(AGENT, change.agent_id, UpdateAgent(budget_cents=change.budget_cents), origin=origin)


def _read(payload: Mapping[str, Any], wanted: type[T]) -> T:
    """The payload as what it stands for; the task that waits is named beside it."""
    try:
        return decode(encode({name: value for name, value in payload.items() if name != TASK}), wanted)
    except msgspec.ValidationError as error:
        message = str(error)
        place, named = _PLACE.search(message), _NAMED.search(message)
        below = ".".join(part for part in (place and place[1], named and named[1]) if part)
        problem = message[: place.start()] if place else message
        raise ValidationFailed.of(f"payload.{below}" if below else "payload", problem) from error
