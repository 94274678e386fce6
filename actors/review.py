"""The critic: a result is looked at before its task is done.

A rejection goes back to the agent in the same run, with its reasons; when it has been rejected too often, a person is
asked. A critic that fails passes nothing: the work waits for its provider, or for a person.
"""

from typing import TYPE_CHECKING, Final, cast

import structlog
from msgspec.structs import replace

from opencognit.domain.caller import SYSTEM
from opencognit.domain.critic import CommandCritic, Critic, ModelCritic, NoCritic
from opencognit.domain.errors import DomainError, ValidationFailed
from opencognit.domain.kinds import AGENT, TASK_LOCK
from opencognit.domain.task import TaskStatus
from opencognit.domain.wire_names import ADAPTER_FIELDS
from opencognit.providers.port import Outcome, Provider, ProviderFailed, Reviewer, Verdict, WorkOrder

if TYPE_CHECKING:
    from opencognit.actors.run_tools import RunTools
    from opencognit.actors.system import ActorSystem

MOST_REJECTIONS: Final = 3
"""With the last of them a person is asked."""

COMMANDS: Final = "bash"
"""The adapter that runs a critic's command, with its permission and its sandbox."""

_log = structlog.get_logger("opencognit.work")


class ResultRejected(Exception):
    """The critic has rejected the result too often; the message is the last reasons."""


class CriticFailed(Exception):
    """There is no verdict and there will be none; the message says why.

    Attributes:
        outcome: what was to be looked at.
    """

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


def check_critic(system: "ActorSystem", critic: object) -> None:
    """Check a critic when it is saved.

    Raises:
        ValidationFailed: it is a command, and this server runs none.
    """
    if not isinstance(critic, CommandCritic):
        return
    commands = system.surroundings.providers.get(COMMANDS)
    if commands is None:
        raise ValidationFailed.of("critic", "this server runs no commands")
    try:
        commands.validate(_config(critic))
    except ValidationFailed as error:
        raise ValidationFailed.of("critic", str(error)) from error


async def accepted_work(system: "ActorSystem", order: WorkOrder, provider: Provider, tools: "RunTools") -> Outcome:
    """Let the adapter work until the critic accepts, where there is one.

    Raises:
        ProviderFailed: the adapter, or the critic's provider.
        ResultRejected: it was rejected too often.
        CriticFailed: nobody can say whether it is good.
    """
    reasons = ""
    for _ in range(MOST_REJECTIONS):
        outcome = await provider.work(order, tools)
        await tools.book(outcome)
        critic = await _critic(system, order, provider)
        if outcome.error is not None or outcome.status != TaskStatus.DONE or critic is None:
            return outcome
        verdict = await _verdict(system, critic, order=order, provider=provider, outcome=outcome, tools=tools)
        comment = await tools.note_review(verdict)
        if verdict.accepted:
            return outcome
        reasons = verdict.reasons
        order = replace(order, comments=(*order.comments, f"{SYSTEM.name}: {comment}"))
        if tools.stopping():
            return Outcome(status=TaskStatus.TODO, output=outcome.output)
    raise ResultRejected(reasons)


async def _critic(system: "ActorSystem", order: WorkOrder, provider: Provider) -> ModelCritic | CommandCritic | None:
    """Who is to look at this order's result: the task says, else the agent, else the server."""
    if not order.task_id:
        return None
    task = await system.state(TASK_LOCK, order.task_id)
    agent = await system.state(AGENT, order.agent_id)
    chosen: Critic | None = (task.critic if task else None) or (agent.critic if agent else None)
    if chosen is None and system.limits.critic == "auto" and hasattr(provider, "review"):
        chosen = ModelCritic()
    return None if isinstance(chosen, NoCritic) else chosen


async def _verdict(
    system: "ActorSystem",
    critic: ModelCritic | CommandCritic,
    *,
    order: WorkOrder,
    provider: Provider,
    outcome: Outcome,
    tools: "RunTools",
) -> Verdict:
    try:
        if isinstance(critic, ModelCritic):
            verdict = await _ask_model(critic, order, provider=provider, result=outcome.result or "", tools=tools)
        else:
            commands = system.surroundings.providers[COMMANDS]
            verdict = await _run_command(critic, order, commands=commands, result=outcome.result or "", tools=tools)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"A critic's answer is a Verdict, not {type(verdict).__name__}")  # noqa: TRY301 - as any fault
    except ProviderFailed as error:
        if error.transient:
            raise
        await tools.book(error.partial)
        raise CriticFailed(str(error), outcome) from error
    except DomainError:
        raise
    except Exception as error:
        _log.exception("critic_crashed", run=order.run_id)
        raise CriticFailed(f"The critic failed: {type(error).__name__}", outcome) from error
    return verdict


async def _ask_model(
    critic: ModelCritic, order: WorkOrder, *, provider: Provider, result: str, tools: "RunTools"
) -> Verdict:
    if not hasattr(provider, "review"):
        raise ProviderFailed(f"The adapter {provider.name} cannot look at results", transient=False)
    return await cast("Reviewer", provider).review(order, result, tools, critic.model)


async def _run_command(
    critic: CommandCritic, order: WorkOrder, *, commands: Provider, result: str, tools: "RunTools"
) -> Verdict:
    outcome = await commands.work(replace(order, config=_config(critic), result=result), tools)
    return Verdict(accepted=outcome.error is None, reasons=outcome.output.strip() or outcome.error or "")


def _config(critic: CommandCritic) -> dict[str, str]:
    return {ADAPTER_FIELDS["command"]: critic.command}
