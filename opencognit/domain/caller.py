"""Who asks, and what each may do.

A `Caller` comes from a token, never from a body. Rights are a table: a role in a company maps to a set of rights, and
each route names the one that it needs.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from opencognit.domain.instants import Instant
from opencognit.domain.message import VISIBLE, Entity, Message, Name
from opencognit.domain.wire_names import FIELDS, ROLES

Password = Annotated[str, msgspec.Meta(min_length=8, max_length=1024)]
_PART = VISIBLE.replace("[^", "[^@")
Email = Annotated[str, msgspec.Meta(max_length=320, pattern=rf"^{_PART}+@{_PART}+\.{_PART}+\Z")]
AnyPassword = Annotated[str, msgspec.Meta(max_length=1024)]


class ServerRole(StrEnum):
    """What a user is on the whole server."""

    ADMIN = ROLES["admin"]
    MEMBER = ROLES["member"]


class CompanyRole(StrEnum):
    """What a user is in one company."""

    OWNER = ROLES["owner"]
    MEMBER = ROLES["member"]
    OBSERVER = ROLES["observer"]


class Right(StrEnum):
    """What a route may need."""

    READ = "read"
    """See what belongs to the company."""
    WORK = "work"
    """Change tasks, agents, comments; decide approvals."""
    OWN = "own"
    """Change the company itself, its members, its agents' tokens."""


RIGHTS = {
    CompanyRole.OBSERVER: frozenset({Right.READ}),
    CompanyRole.MEMBER: frozenset({Right.READ, Right.WORK}),
    CompanyRole.OWNER: frozenset({Right.READ, Right.WORK, Right.OWN}),
}
"""What each role in a company may do."""


class CallerKind(StrEnum):
    """What kind of someone asks; also the `akteurTyp` of an activity entry."""

    BOARD = "board"
    AGENT = "agent"
    SYSTEM = "system"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `id` is a user's or an agent's; `company_id` is set for an agent only."""

    kind: CallerKind
    id: str | None = None
    name: str = "System"
    is_admin: bool = False
    company_id: str | None = None
    session_id: str | None = None


SYSTEM = Caller(kind=CallerKind.SYSTEM)
"""The runtime itself: timers, recovery, the work loop."""


class User(Entity, frozen=True, kw_only=True):
    """Someone with an account. The password's hash is not here: it has a table of its own."""

    name: str
    email: str
    role: ServerRole


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One issued token: it is good as long as its session is kept."""

    id: str
    subject_id: str
    kind: CallerKind
    company_id: str | None
    expires_at: Instant


class Member(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """A user's place in a company."""

    user_id: str
    company_id: str
    name: str
    email: str
    role: CompanyRole


class SignedIn(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """The answer to whoever registers or signs in."""

    token: str
    user: User


class Register(Message[SignedIn], frozen=True, kw_only=True):
    """Open an account. The first one is the server's admin."""

    user_id: str
    name: Name
    email: str
    password_hash: str
    session: Session
    token: str


class ChangePassword(Message[list[Session]], frozen=True, kw_only=True):
    """Set a new password and end all sessions of the user, if the hash of the old one is still this."""

    user_id: str
    old_hash: str
    password_hash: str


class OpenSession(Message[Session], frozen=True, kw_only=True):
    """Remember a token that is about to be handed out; for a password, if its hash is still this.

    Attributes:
        reply: what hands it out; a retry is given the same.
    """

    session: Session
    reply: msgspec.Struct
    password_hash: str | None = None


class CloseSessions(Message[list[Session]], frozen=True, kw_only=True):
    """Revoke one session, or all of a subject's."""

    session_id: str | None = None
    subject_id: str | None = None


class RegisterBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """Open an account."""

    name: Name
    email: Email
    password: Password


class SignInBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """Sign in."""

    email: Annotated[str, msgspec.Meta(max_length=320)]
    password: AnyPassword


class PasswordBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """Change the password."""

    old_password: AnyPassword
    new_password: Password
