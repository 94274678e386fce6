"""An execution: what became of one firing of a routine."""

from enum import StrEnum
from typing import Any

import msgspec

from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS


class ExecutionSource(StrEnum):
    """What fired the routine."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    API = "api"
    WEBHOOK = "webhook"


class ExecutionStatus(StrEnum):
    """Where an execution stands, or how it ended."""

    RECEIVED = "received"
    """Merged into the unfinished task of an earlier one, and ends with it."""
    ENQUEUED = "enqueued"
    """It has a task of its own, which is not finished."""
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """An earlier one was not finished, and the routine skips then."""


class Execution(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """An execution as clients see it. It is a record: it has no version and is changed by its end alone."""

    id: str
    company_id: str
    routine_id: str
    trigger_id: str | None
    source: ExecutionSource
    status: ExecutionStatus = ExecutionStatus.ENQUEUED
    payload: dict[str, Any] = {}
    task_id: str | None = None
    error: str | None = None
    created_at: Instant
    completed_at: Instant | None = None
