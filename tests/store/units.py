"""Small units to commit."""

import itertools

from opencognit.clock import SystemIds
from opencognit.domain.caller import ServerRole, User
from opencognit.domain.company import Company
from opencognit.domain.events import AgentDeleted
from opencognit.domain.instants import Instant
from opencognit.domain.records import NewUser, Snapshot, Unit

NOW = Instant("2026-04-05T10:00:00.000Z")
COMPANY_ID = "00000000-0000-4000-8000-00000000000c"
_ids = SystemIds()
_numbers = itertools.count(1)


def new_id() -> str:
    return _ids.new_id()


def event(name: str = "", *, company_id: str = COMPANY_ID) -> AgentDeleted:
    """An event that can be told from others by its name."""
    return AgentDeleted(company_id=company_id, id=new_id(), name=name)


def founded(name: str = "Acme", version: int = 1) -> Company:
    return Company(id=new_id(), name=name, version=version, created_at=NOW, updated_at=NOW)


def write(after: Company, *, before: Company | None = None) -> Unit:
    """A snapshot with an event of its own, named as the company is."""
    snapshot = Snapshot(kind="company", id=after.id, before=before, entity=after)
    return Unit(snapshot=snapshot, events=(event(after.name),), now=NOW)


def account(email: str) -> Unit:
    user = User(id=new_id(), name=f"User {next(_numbers)}", email=email, role=ServerRole.MEMBER)
    return Unit(records=(NewUser(user, "hash"),), events=(event(email),), now=NOW)
