"""`Accounts`: registers users one at a time, and opens and closes sessions.

One actor for the whole server, so that exactly one is the first to register, whatever races.
"""

from typing import TYPE_CHECKING

from typing_extensions import override

from opencognit.actors.asyncio_actor import AsyncioActor
from opencognit.domain.caller import (
    ChangePassword,
    CloseSessions,
    OpenSession,
    Register,
    ServerRole,
    Session,
    SignedIn,
    User,
)
from opencognit.domain.errors import EmailTaken, InvalidCredentials
from opencognit.domain.records import NewPassword, NewUser, Record, SessionsClosed, Unit

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem


class Accounts(AsyncioActor):
    """All accounts. It keeps nothing itself: the tables are the truth, the directory is what requests read."""

    def __init__(self, system: "ActorSystem") -> None:
        super().__init__()
        self._system = system

    @override
    async def on_receive(
        self, message: Register | ChangePassword | OpenSession | CloseSessions
    ) -> SignedIn | Session | list[Session]:
        """Handle one message; each is durable before its reply."""
        match message:
            case Register():
                return await self._register(message)
            case OpenSession():
                if message.password_hash is not None:
                    await self._refuse_replaced(message.session.subject_id, message.password_hash)
                await self._commit(message.session, reply=message.reply)
                self._system.directory.open_session(message.session)
                return message.session
            case CloseSessions():
                return await self._close(message.session_id, message.subject_id)
            case ChangePassword():
                await self._refuse_replaced(message.user_id, message.old_hash)
                await self._commit(
                    NewPassword(message.user_id, message.password_hash),
                    SessionsClosed(subject_id=message.user_id),
                )
                return self._system.directory.close_sessions(session_id=None, subject_id=message.user_id)

    async def _register(self, message: Register) -> SignedIn:
        directory = self._system.directory
        if directory.user_by_email(message.email) is not None:
            raise EmailTaken
        now = self._system.clock.now()
        user = User(
            id=message.user_id,
            version=1,
            name=message.name,
            email=message.email,
            role=ServerRole.MEMBER if directory.has_users() else ServerRole.ADMIN,
            created_at=now,
            updated_at=now,
        )
        signed_in = SignedIn(token=message.token, user=user)
        await self._commit(NewUser(user, message.password_hash), message.session, reply=signed_in)
        directory.add_user(user)
        directory.open_session(message.session)
        return signed_in

    async def _refuse_replaced(self, user_id: str, password_hash: str) -> None:
        """A password was compared before its turn came here; another may have been set meanwhile."""
        known = await self._system.store.queries.user_by_id(user_id)
        if known is None or known[1] != password_hash:
            raise InvalidCredentials

    async def _close(self, session_id: str | None, subject_id: str | None) -> list[Session]:
        await self._commit(SessionsClosed(session_id=session_id, subject_id=subject_id))
        return self._system.directory.close_sessions(session_id=session_id, subject_id=subject_id)

    async def _commit(self, *records: Record, reply: object = None) -> None:
        now = self._system.clock.now()
        pending = self.origin.answer if self.origin is not None and reply is not None else None
        answers = (pending.record(reply, now),) if pending is not None else ()
        await self._system.store.commit(Unit(records=(*records, *answers), now=now))
        if pending is not None:
            pending.saved = True
