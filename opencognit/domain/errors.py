"""Everything that can be refused, each with the code and status that a client sees.

A domain error is a reply, not a crash: it is raised where the fact is known, travels back to whoever
asked, and is turned into an answer in one place (`http/errors.py`, or the WebSocket).

    DomainError
    ├── ValidationFailed            400   ├── MailboxFull             503
    ├── NotAuthenticated            401   ├── DeadlineExceeded        503
    ├── InvalidCredentials          401   ├── ActorQuarantined        503
    ├── Forbidden                   403   ├── StorageUnavailable      503
    ├── AgentPaused                 403   ├── Draining                503
    ├── NotFound                    404   ├── MethodNotAllowed        405
    ├── TaskLocked                  409   ├── PayloadTooLarge         413
    ├── NotLockHolder               409   ├── UnsupportedMediaType    415
    ├── StaleToken                  409   ├── RateLimited             429
    ├── AssignedElsewhere           409   ├── InternalError           500
    ├── TaskBlocked                 409   ├── IdempotencyConflict     409
    ├── InvalidStatus               409   ├── VersionConflict         409
    ├── DependencyCycle             409   ├── Duplicate               409
    ├── EmailTaken                  409   ├── AlreadyDecided          409
    ├── BudgetExhausted             409   ├── BudgetHeld              503
    └── EventsGone                  410
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from opencognit.domain.wire_names import ERROR_FIELDS


class DomainError(Exception):
    """The root of all refusals.

    Attributes:
        code: stable and machine-readable, as the wire contract lists it.
        status: the HTTP status that goes with it.
        message: one sentence for a person; never a traceback, a path or SQL.
        details: what else helps the client, ready for JSON; None where nothing does.
        retry_after: seconds after which asking again may help; None where it is unknown.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    sentence: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message or self.sentence
        self.details = details
        self.retry_after = retry_after
        super().__init__(self.message)


class ValidationFailed(DomainError):
    """The request says something that cannot be; `details` lists each field and its problem."""

    code = "VALIDATION_ERROR"
    status = 400
    sentence = "The request is not valid"

    @classmethod
    def of(cls, field: str, problem: str) -> "ValidationFailed":
        """One field, by its wire name, and what is wrong with it."""
        return cls(f"{field}: {problem}", details=[{ERROR_FIELDS["field"]: field, "problem": problem}])


class NotAuthenticated(DomainError):
    """No token, or one that is malformed, forged, expired or revoked."""

    code = "NOT_AUTHENTICATED"
    status = 401
    sentence = "Sign in first: the token is missing, expired or revoked"


class InvalidCredentials(DomainError):
    """Wrong e-mail or wrong password; which of the two is never told."""

    code = "INVALID_CREDENTIALS"
    status = 401
    sentence = "E-mail or password is wrong"


class Forbidden(DomainError):
    """The caller is known and may see this company, but not do this."""

    code = "FORBIDDEN"
    status = 403
    sentence = "Your role does not allow this"


class AgentPaused(DomainError):
    """The agent is paused, or in error, and takes no work until it is resumed."""

    code = "AGENT_PAUSED"
    status = 403
    sentence = "The agent is paused"


class NotFound(DomainError):
    """It does not exist, or the caller is not to know that it does."""

    code = "NOT_FOUND"
    status = 404
    sentence = "Not found"


class EventsGone(DomainError):
    """Of what came after that event, some is no longer kept: begin with what is there now."""

    code = "EVENTS_GONE"
    status = 410
    sentence = "Some of these events are no longer kept; read the present state and follow from now on"


class MethodNotAllowed(DomainError):
    """The path exists, but not with this method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    sentence = "This path does not take that method"


class PayloadTooLarge(DomainError):
    """The body is over the limit (1 MiB)."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413
    sentence = "The body is larger than 1 MiB"


class UnsupportedMediaType(DomainError):
    """The body is not JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415
    sentence = "Send JSON, with Content-Type: application/json"


class RateLimited(DomainError):
    """Too many tries; `retry_after` says when the next one counts."""

    code = "RATE_LIMITED"
    status = 429
    sentence = "Too many attempts; wait before the next"


class TaskLocked(DomainError):
    """Another agent, or another run of the same agent, holds the task's lock."""

    code = "LOCKED"
    status = 409
    sentence = "The task is locked by another run"


class NotLockHolder(DomainError):
    """The caller does not hold the lock that it wants to use or give back."""

    code = "NOT_LOCK_HOLDER"
    status = 409
    sentence = "You do not hold this task's lock"


class StaleToken(DomainError):
    """The execution token is older than the task's newest grant: a late worker, fenced off."""

    code = "STALE_TOKEN"
    status = 409
    sentence = "The execution token is no longer the newest"


class AssignedElsewhere(DomainError):
    """The task is assigned to another agent."""

    code = "ASSIGNED_ELSEWHERE"
    status = 409
    sentence = "The task is assigned to another agent"


class TaskBlocked(DomainError):
    """A task that this one waits for is not done."""

    code = "BLOCKED"
    status = 409
    sentence = "The task waits for another that is not done"


class InvalidStatus(DomainError):
    """The step is not legal from the present status."""

    code = "INVALID_STATUS"
    status = 409
    sentence = "That step is not possible in the present status"


class DependencyCycle(DomainError):
    """The dependency or reporting line would close a circle."""

    code = "DEPENDENCY_CYCLE"
    status = 409
    sentence = "That would close a circle"


class EmailTaken(DomainError):
    """Someone has registered with this e-mail."""

    code = "EMAIL_TAKEN"
    status = 409
    sentence = "This e-mail is registered already"


class AlreadyDecided(DomainError):
    """The approval was decided before."""

    code = "ALREADY_DECIDED"
    status = 409
    sentence = "This was decided already"


class BudgetExhausted(DomainError):
    """What may be spent in this time is used up, or does not cover the next call."""

    code = "BUDGET_EXHAUSTED"
    status = 409
    sentence = "The budget is used up; raise it, or wait until its time is over"


class VersionConflict(DomainError):
    """The entity has moved on since the version that the caller named."""

    code = "VERSION_CONFLICT"
    status = 409
    sentence = "It was changed in the meantime"


class IdempotencyConflict(DomainError):
    """The idempotency key was used before with another request."""

    code = "IDEMPOTENCY_CONFLICT"
    status = 409
    sentence = "This Idempotency-Key was used with another request"


class Duplicate(DomainError):
    """It exists already."""

    code = "DUPLICATE"
    status = 409
    sentence = "It exists already"


class InternalError(DomainError):
    """A fault of ours; the log has it under the request's id."""


class Unavailable(DomainError):
    """Not now; asking again later may succeed."""

    code = "UNAVAILABLE"
    status = 503
    sentence = "Not available at the moment; try again"

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        retry_after: float | None = 1,
    ) -> None:
        super().__init__(message, details=details, retry_after=retry_after)


class MailboxFull(Unavailable):
    """The actor has as many messages waiting as it may; it refuses rather than grow."""

    sentence = "Too many requests wait for this; try again"


class DeadlineExceeded(Unavailable):
    """The actor did not answer within the deadline; the message may or may not have been handled."""

    sentence = "No answer in time; try again"


class ActorQuarantined(Unavailable):
    """The actor failed too often and is held back for a while."""

    sentence = "This failed too often and rests for a while"


class BudgetHeld(Unavailable):
    """What is left of the budget is reserved for calls under way; when they end, something may be left again."""

    sentence = "What is left of the budget is reserved for calls under way"


class StorageUnavailable(Unavailable):
    """The write could not be made durable; nothing was changed."""

    sentence = "The store cannot write at the moment; nothing was changed"


class Draining(Unavailable):
    """The server was told to stop and takes nothing new."""

    sentence = "The server is shutting down"
