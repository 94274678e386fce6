"""What the end of an adapter's work means: for the run, for its task, and for those who wait for it."""

import asyncio
from typing import Final

import structlog
from msgspec.structs import replace

from opencognit.actors.review import CriticFailed, ResultRejected
from opencognit.actors.run_tools import RunTools
from opencognit.domain.errors import BudgetExhausted, DomainError
from opencognit.domain.run import Run, RunStatus
from opencognit.domain.task import EscalationReason, HandIn, TaskStatus
from opencognit.providers.port import Outcome, ProviderFailed

STOPPED: Final = "The run was cancelled"

_log = structlog.get_logger("opencognit.work")


def end_of(run: Run, work: "asyncio.Task[Outcome]", tools: RunTools, *, lock_token: int) -> HandIn:
    """How a run is handed in whose work has ended, in whichever way."""
    if work.cancelled():
        return _cancelled(tools.recorded(run), lock_token)
    error = work.exception()
    run = tools.recorded(run, ended="It ended with the run")
    if error is None:
        return _outcome(run, work.result(), tools, lock_token)
    return _fault(run, error, tools, lock_token)


def _cancelled(run: Run, token: int) -> HandIn:
    run = replace(run, status=RunStatus.CANCELLED, error=STOPPED)
    if run.uncertain is None:
        return HandIn(run=run, lock_token=token, status=TaskStatus.TODO)
    return HandIn(run=run, lock_token=token, status=TaskStatus.BLOCKED, board=EscalationReason.INTERRUPTED)


def _fault(run: Run, error: BaseException, tools: RunTools, token: int) -> HandIn:  # noqa: PLR0911 - one for each fault
    match error:
        case TimeoutError():
            return failed(run, token, "The time limit was reached", RunStatus.TIMED_OUT)
        case ProviderFailed(transient=True):
            # The provider is away: no fault of the work, so no attempt is counted.
            deferred = replace(run, status=RunStatus.DEFERRED, error=str(error))
            until = tools.turns.next_chance(error)
            return HandIn(run=deferred, lock_token=token, status=TaskStatus.TODO, not_before=until)
        case ResultRejected():
            rejected = f"The critic has rejected the result: {error}"
            run = replace(run, status=RunStatus.FAILED, error=rejected)
            return HandIn(run=run, lock_token=token, status=TaskStatus.BLOCKED, board=EscalationReason.REJECTED)
        case CriticFailed():
            return _unjudged(run, token, error)
        case BudgetExhausted():
            # The task did not fail: it waits for its agent to have money again.
            put_off = replace(run, status=RunStatus.DEFERRED, error=error.message)
            return HandIn(run=put_off, lock_token=token, status=TaskStatus.TODO)
        case ProviderFailed() | DomainError():
            return failed(run, token, str(error), RunStatus.FAILED)
        case _:
            _log.error("adapter_crashed", run=run.id, exc_info=error)
            return failed(run, token, f"The adapter failed: {type(error).__name__}", RunStatus.FAILED)


def _outcome(run: Run, outcome: Outcome, tools: RunTools, token: int) -> HandIn:
    run = replace(run, output=outcome.output or run.output)
    if outcome.error is not None:
        return failed(run, token, outcome.error, RunStatus.FAILED)
    return HandIn(
        run=replace(run, status=RunStatus.SUCCEEDED),
        lock_token=token,
        status=TaskStatus(outcome.status),
        asked=tuple(tools.asked),
        result=outcome.result,
        comment=outcome.result,
    )


def _unjudged(run: Run, token: int, error: CriticFailed) -> HandIn:
    """Nobody can say whether the result is good: a person looks at it."""
    return HandIn(
        run=replace(run, status=RunStatus.SUCCEEDED, error=str(error), output=error.outcome.output or run.output),
        lock_token=token,
        status=TaskStatus.IN_REVIEW,
        result=error.outcome.result,
        comment=error.outcome.result,
        board=EscalationReason.CRITIC_FAILED,
    )


def failed(run: Run, token: int, error: str, status: RunStatus) -> HandIn:
    """A failed attempt, to be tried again later."""
    return HandIn(
        run=replace(run, status=status, error=error),
        lock_token=token,
        status=TaskStatus.TODO,
        comment=f"This attempt failed: {error}",
        failed=True,
    )
