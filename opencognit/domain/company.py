"""A company: the unit of tenancy and of placement; all its agents and tasks belong to it alone."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from opencognit.domain.budget import Cents, Ledger
from opencognit.domain.caller import CompanyRole, Member
from opencognit.domain.instants import Instant
from opencognit.domain.message import Id, Message, Name, Success, Text

Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]
"""ISO 4217."""


class CompanyStatus(StrEnum):
    """Whether its agents work."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class Company(Ledger, frozen=True, kw_only=True):
    """A company as clients see it."""

    name: str
    description: str | None = None
    goal: str | None = None
    status: CompanyStatus = CompanyStatus.ACTIVE
    work_dir: str | None = None
    currency: str = "USD"
    time_zone: str = "UTC"
    month_ends_at: Instant | None = None
    """When what was spent begins anew; None while nothing was."""


class CreateCompany(Message[Company], frozen=True, kw_only=True):
    """Found a company; the caller owns it."""

    name: Name
    description: Text | None = None
    goal: Text | None = None
    work_dir: Name | None = None
    budget_cents: Cents = 0
    currency: Currency = "USD"
    time_zone: Name = "UTC"


class UpdateCompany(Message[Company], frozen=True, kw_only=True):
    """Change what is named; null clears what is optional."""

    name: Name | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    goal: Text | None | UnsetType = UNSET
    status: CompanyStatus | UnsetType = UNSET
    work_dir: Name | None | UnsetType = UNSET
    budget_cents: Cents | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    time_zone: Name | UnsetType = UNSET


class StopCompany(Message[Company], frozen=True, kw_only=True):
    """Pause the company and cut off whatever its agents are doing, instead of letting it end."""


class CutOff(Message[None], frozen=True, kw_only=True):
    """Internal: the time is over that runs had to end after a stop."""


class DeleteCompany(Message[Success], frozen=True, kw_only=True):
    """End the company's runs and erase all that belongs to it."""


class AddMember(Message[Member], frozen=True, kw_only=True):
    """Take a user in, or give a member another role. The user is named by id or by e-mail."""

    user_id: Id | None = None
    email: str | None = None
    role: CompanyRole = CompanyRole.MEMBER


class RemoveMember(Message[Success], frozen=True, kw_only=True):
    """Put a member out. The last owner stays."""

    user_id: str


class NoteProvider(Message[None], frozen=True, kw_only=True):
    """Internal: a provider that this company's agents wait for has failed too often in a row, or is back."""

    provider: str
    circuit_open: bool
    until: Instant | None = None


class ResolveBlocker(Message[None], frozen=True, kw_only=True):
    """Internal: a task was done, cancelled or deleted; free those that waited for it alone."""

    task_id: str
    outcome: str
