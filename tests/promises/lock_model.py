"""What an execution lock may answer: the model that the histories of P1 are checked against."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.promises.linearizability import UNKNOWN, Operation

SLACK = 0.005
"""Seconds by which the times on the wire, which are cut to milliseconds, may be off."""


class Lock(NamedTuple):
    """A task's lock.

    Attributes:
        token: of the newest grant; grants count from 1.
        assignee: the agent that the task is assigned to.
        holder: the agent and the run that hold it.
        expires_from, expires_by: when their lease ends at the earliest and at the latest, as seconds since 1970;
            the same where the answer to the grant is known.
    """

    token: int = 0
    assignee: str | None = None
    holder: tuple[str, str] | None = None
    expires_from: float = 0.0
    expires_by: float = 0.0


class Granted(NamedTuple):
    """The answer to a checkout: the token, and until when it holds."""

    token: int
    expires: float


class Seen(NamedTuple):
    """The answer to a read."""

    token: int
    holder: tuple[str, str] | None


def lock_model(lock: Lock, operation: Operation) -> Iterator[Lock]:
    """The states after the operation; before it the lock may have expired, if there was time for that."""
    may_be_free = lock.holder is None or operation.answered >= lock.expires_from - SLACK
    free = lock._replace(holder=None, expires_from=0.0, expires_by=0.0)
    match operation.name:
        case "checkout":
            yield from _checkout(lock, free, operation, may_be_free=may_be_free)
        case "release":
            yield from _release(lock, free, operation, may_be_free=may_be_free)
        case "force":
            if operation.answer in ("done", UNKNOWN):
                yield free
        case "unassign":
            yield from _unassign(lock, free, operation, may_be_free=may_be_free)
        case "write":
            expected = "done" if operation.arguments == lock.token else "STALE_TOKEN"
            if operation.answer == expected:
                yield lock
        case "read":
            yield from _read(lock, free, operation, may_be_free=may_be_free)


def _checkout(lock: Lock, free: Lock, operation: Operation, *, may_be_free: bool) -> Iterator[Lock]:
    agent, run, lease = operation.arguments
    answer = operation.answer
    may_be_held = lock.holder is not None and operation.called <= lock.expires_by + SLACK
    is_holder = lock.holder == (agent, run)
    may_be_given = may_be_free and lock.assignee in (None, agent)
    if isinstance(answer, Granted):
        if may_be_held and is_holder and answer.token == lock.token:
            yield lock._replace(expires_from=answer.expires, expires_by=answer.expires)
        if may_be_given and answer.token == lock.token + 1:
            yield Lock(answer.token, agent, (agent, run), answer.expires, answer.expires)
    elif answer is UNKNOWN:
        times = operation.called + lease, operation.answered + lease
        if may_be_held and is_holder:
            yield Lock(lock.token, agent, (agent, run), *times)
        if may_be_given:
            yield Lock(lock.token + 1, agent, (agent, run), *times)
    elif answer == ("LOCKED", lock.holder):
        if may_be_held and not is_holder:
            yield lock
    elif answer == "ASSIGNED_ELSEWHERE" and may_be_free and lock.assignee not in (None, agent):
        yield free


def _release(lock: Lock, free: Lock, operation: Operation, *, may_be_free: bool) -> Iterator[Lock]:
    agent, run, token = operation.arguments
    if token != lock.token:
        if operation.answer == "STALE_TOKEN":
            yield lock
        return
    is_holder = lock.holder == (agent, run)
    if operation.answer in ("done", UNKNOWN) and (is_holder or may_be_free):
        yield free
    if operation.answer == "NOT_LOCK_HOLDER" and lock.holder is not None and not is_holder:
        yield lock


def _unassign(lock: Lock, free: Lock, operation: Operation, *, may_be_free: bool) -> Iterator[Lock]:
    if may_be_free and operation.answer in ("done", UNKNOWN):
        yield free._replace(assignee=None)
    if lock.holder is not None and operation.answer == "LOCKED":
        yield lock


def _read(lock: Lock, free: Lock, operation: Operation, *, may_be_free: bool) -> Iterator[Lock]:
    # What has expired is seen as held until the server's timer has written that.
    if operation.answer == Seen(lock.token, lock.holder):
        yield lock
    if may_be_free and operation.answer == Seen(lock.token, None):
        yield free
