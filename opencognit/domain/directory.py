"""Who belongs where, and which tokens are good: kept in memory, since every request asks.

The tables are the truth. The actors that change them change these too, right after the commit and before they reply;
both are read from the tables at start.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from opencognit.domain.caller import RIGHTS, Caller, CallerKind, CompanyRole, Right, Session, User
from opencognit.domain.instants import Instant

_NONE: Mapping[str, CompanyRole] = MappingProxyType({})


class Directory:
    """Members of companies, users, and sessions."""

    def __init__(self) -> None:
        self._roles: dict[str, dict[str, CompanyRole]] = {}
        self._users: dict[str, User] = {}
        self._sessions: dict[str, Session] = {}
        self._session_watchers = _Watchers()
        self._member_watchers = _Watchers()

    def load(
        self,
        *,
        users: Iterable[User],
        sessions: Iterable[Session],
        memberships: Iterable[tuple[str, str, CompanyRole]],
    ) -> None:
        """Take over what the tables say."""
        for user in users:
            self.add_user(user)
        for session in sessions:
            self.open_session(session)
        for company_id, user_id, role in memberships:
            self.set_role(company_id, user_id, role)

    # Users

    def add_user(self, user: User) -> None:
        """A user has registered."""
        self._users[user.id] = user

    def user(self, user_id: str) -> User | None:
        """The user of that id."""
        return self._users.get(user_id)

    def user_by_email(self, email: str) -> User | None:
        """The user of that e-mail, compared without case."""
        wanted = email.casefold()
        return next((user for user in self._users.values() if user.email.casefold() == wanted), None)

    def has_users(self) -> bool:
        """Whether anyone has registered."""
        return bool(self._users)

    # Sessions

    def open_session(self, session: Session) -> None:
        """A token is good from now on."""
        self._sessions[session.id] = session

    def session(self, session_id: str, now: Instant) -> Session | None:
        """The session of a token, unless it was closed or has expired."""
        session = self._sessions.get(session_id)
        if session is None or session.expires_at <= now:
            return None
        return session

    def close_sessions(self, *, session_id: str | None, subject_id: str | None) -> list[Session]:
        """Forget one session, or all of a subject's; returns those that this ended."""
        ended = [
            session
            for session in self._sessions.values()
            if session.id == session_id or session.subject_id == subject_id
        ]
        for session in ended:
            del self._sessions[session.id]
            self._session_watchers.call(session.id)
        return ended

    def watch_session(self, session_id: str, closed: Callable[[], None]) -> None:
        """Have `closed` called when this session is closed; that it expires, whoever watches sees by the clock."""
        self._session_watchers.add(session_id, closed)

    def unwatch_session(self, session_id: str, closed: Callable[[], None]) -> None:
        """Undo `watch_session`."""
        self._session_watchers.remove(session_id, closed)

    def close_expired(self, now: Instant) -> None:
        """Forget what has expired."""
        self._sessions = {key: session for key, session in self._sessions.items() if session.expires_at > now}

    # Members

    def set_role(self, company_id: str, user_id: str, role: CompanyRole | None) -> None:
        """A user has this role in the company from now on; None: no longer any."""
        members = self._roles.setdefault(company_id, {})
        if role is None:
            members.pop(user_id, None)
        else:
            members[user_id] = role
        self._member_watchers.call(company_id)

    def members(self, company_id: str) -> Mapping[str, CompanyRole]:
        """Roles by user."""
        return self._roles.get(company_id, _NONE)

    def companies_of(self, user_id: str) -> list[str]:
        """The companies that a user belongs to."""
        return [company_id for company_id, members in self._roles.items() if user_id in members]

    def forget_company(self, company_id: str) -> None:
        """The company is no more."""
        self._roles.pop(company_id, None)
        self._member_watchers.call(company_id)

    def watch_members(self, company_id: str, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever someone's role in this company changes, or the company goes."""
        self._member_watchers.add(company_id, changed)

    def unwatch_members(self, company_id: str, changed: Callable[[], None]) -> None:
        """Undo `watch_members`."""
        self._member_watchers.remove(company_id, changed)

    # Rights

    def may_see(self, caller: Caller, company_id: str) -> bool:
        """Whether the caller may know that this company exists."""
        return self.may(caller, company_id, Right.READ)

    def may(self, caller: Caller, company_id: str, right: Right) -> bool:
        """Whether the caller has this right in the company. What an agent may do, its routes say besides."""
        if caller.kind is CallerKind.AGENT:
            return caller.company_id == company_id and right is not Right.OWN
        if caller.is_admin or caller.kind is CallerKind.SYSTEM:
            return True
        role = self.members(company_id).get(caller.id or "")
        return role is not None and right in RIGHTS[role]


class _Watchers:
    """Who wants to be called about what."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[Callable[[], None]]] = {}

    def add(self, key: str, watcher: Callable[[], None]) -> None:
        self._by_key.setdefault(key, []).append(watcher)

    def remove(self, key: str, watcher: Callable[[], None]) -> None:
        watchers = self._by_key.get(key, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._by_key.pop(key, None)

    def call(self, key: str) -> None:
        for watcher in tuple(self._by_key.get(key, ())):
            watcher()
