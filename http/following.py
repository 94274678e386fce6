"""What a signed-in caller follows, over a socket or a stream: what it may see now, for as long as its token is good."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from opencognit.actors.event_hub import Listener
from opencognit.domain.caller import Caller, CallerKind
from opencognit.domain.events import Published, is_between_others
from opencognit.runtime import Runtime


class Following:
    """One caller's way through the events.

    Attributes:
        listener: what comes from the hub; narrow it by its `companies` and `types`.

    Args:
        runtime: whose events.
        caller: who follows.
        when_signed_out: called when its token is no longer good.
        when_too_slow: called when too much waits for it; nothing comes after that.
    """

    def __init__(
        self,
        runtime: Runtime,
        caller: Caller,
        *,
        when_signed_out: Callable[[], None],
        when_too_slow: Callable[[], None],
    ) -> None:
        self._runtime = runtime
        self._caller = caller
        self._when_signed_out = when_signed_out
        self.listener = Listener(
            self._may_see,
            hides=lambda event: caller.kind is CallerKind.AGENT and is_between_others(event, caller.id or ""),
            when_overflowed=when_too_slow,
        )

    @contextlib.contextmanager
    def watching_session(self) -> Iterator[None]:
        """Say so when the token is revoked or expires while the block runs, or was before."""
        runtime, session_id = self._runtime, self._caller.session_id or ""
        session = runtime.directory.session(session_id, runtime.clock.now())
        if session is None:
            self._when_signed_out()
            yield
            return
        expiry = runtime.clock.call_at(session.expires_at, self._when_signed_out)
        runtime.directory.watch_session(session_id, self._when_signed_out)
        try:
            yield
        finally:
            runtime.directory.unwatch_session(session_id, self._when_signed_out)
            expiry.cancel()

    def start(self) -> int:
        """Take in what comes from now on; the number of the last event before it."""
        return self._runtime.hub.subscribe(self.listener)

    def stop(self) -> None:
        """Take in nothing more, and forget what waits."""
        self._runtime.hub.unsubscribe(self.listener)
        self.listener.taken()

    async def is_kept(self, since: int, companies: frozenset[str] | None) -> bool:
        """Whether all that came after this event can still be had, of these companies or of all that may be seen."""
        wanted = Listener(self._may_see)
        wanted.companies = companies
        missing = await self._runtime.queries.companies_missing_events(since)
        return 0 <= since <= self._runtime.hub.last_seq and not any(map(wanted.follows, missing))

    async def missed(self, since: int) -> AsyncIterator[Published]:
        """What came after this event, until there is no more; only then start: none is missed, none comes twice.

        Raises:
            EventsGone: some of it went while the rest was read; nothing was started.
        """
        while since < self._runtime.hub.last_seq:
            until = self._runtime.hub.last_seq
            async for event in self._runtime.replay(self.listener, since=since, until=until):
                yield event
            since = until
        self.start()

    def _may_see(self, company_id: str) -> bool:
        return self._runtime.directory.may_see(self._caller, company_id)
