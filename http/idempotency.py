"""`Idempotency-Key`: one effect, and the same answer again for 24 hours, across a restart.

The answer is saved in the same commit as the change; where it waits for none (a heartbeat is begun, a run is given its
result), by itself. Two requests with one key at once: the second waits for the first. If the first's client has gone,
its work may still be under way; then the store commits one of the two and refuses the other.
"""

import asyncio
from typing import Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from opencognit.domain.caller import SignedIn
from opencognit.domain.errors import DomainError, IdempotencyConflict, ValidationFailed
from opencognit.domain.instants import after
from opencognit.domain.message import decode
from opencognit.domain.origin import PendingAnswer
from opencognit.domain.records import ANSWERS_KEPT, Answer, Unit
from opencognit.http.answering import answer, json_answer, sign_in
from opencognit.http.request import Request
from opencognit.http.route import Route
from opencognit.runtime import Runtime
from opencognit.security.secrets import fingerprint

LONGEST_KEY: Final = 255


class Kept(msgspec.Struct, frozen=True):
    """The part of a kept answer that its headers are made of: an entity's `ETag`, the cookie of a sign-in."""

    version: int | None = None
    token: str | None = None


class IdempotentAnswers:
    """Remembers first answers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._under_way: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def once(self, request: Request, route: Route) -> web.StreamResponse:
        """Do the work of a request that was let in, unless its key has had its answer.

        Raises:
            IdempotencyConflict: the key was used with another request.
        """
        raw, caller = request.raw, request.caller
        key = raw.headers["Idempotency-Key"]
        if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise ValidationFailed.of("Idempotency-Key", f"must have 1 to {LONGEST_KEY} printable characters")
        print_ = fingerprint(self._runtime.signing_key, raw.path_qs.encode(), await raw.read())
        # Those who are not signed in share their keys with nobody but who sends the very same request.
        whose = (f"{caller.kind}:{caller.id or print_}", key)
        while (under_way := self._under_way.get(whose)) is not None:
            await asyncio.shield(under_way)
        self._under_way[whose] = done = asyncio.get_running_loop().create_future()
        try:
            return await self._first_or_again(request, route, whose, print_)
        finally:
            del self._under_way[whose]
            done.set_result(None)

    async def _first_or_again(
        self, request: Request, route: Route, whose: tuple[str, str], print_: str
    ) -> web.StreamResponse:
        first = await self._first(whose)
        if first is not None:
            return self._again(first, print_, request, route)
        pending = PendingAnswer(
            caller=whose[0],
            key=whose[1],
            fingerprint=print_,
            status=route.status,
            seal=self._seal if route.secret else None,
        )
        request.origin = replace(request.origin, answer=pending)
        try:
            result = await route.handler(request)
            if not pending.saved and not isinstance(result, web.StreamResponse):
                await self._save(pending, result)
        except DomainError:
            # An earlier try, whose client has gone or was told 503, may have been done meanwhile.
            first = await self._first(whose)
            if first is None:
                raise
            return self._again(first, print_, request, route)
        return answer(result, status=route.status, request=request.raw)

    async def _save(self, pending: PendingAnswer, result: object) -> None:
        now = self._runtime.clock.now()
        saving = self._runtime.store.commit(Unit(records=(pending.record(result, now),), now=now))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            # The client has gone, and the effect is there: whoever asks again waits until its answer is, too.
            await asyncio.wait([saving])
            raise

    async def _first(self, whose: tuple[str, str]) -> Answer | None:
        return await self._runtime.queries.answer(*whose, after(self._runtime.clock.now(), -ANSWERS_KEPT))

    def _seal(self, body: bytes) -> bytes:
        return self._runtime.box.seal(body.decode()).encode()

    def _again(self, first: Answer, print_: str, request: Request, route: Route) -> web.Response:
        if first.fingerprint != print_:
            raise IdempotencyConflict
        body = self._runtime.box.open(first.body.decode()).encode() if first.sealed else first.body
        response = json_answer(body, status=first.status)
        kept = decode(body, Kept)
        if kept.version is not None:
            response.headers["ETag"] = f'"{kept.version}"'
        if route.answer is SignedIn and kept.token is not None:
            sign_in(response, kept.token, request.raw)
        response.headers["Idempotency-Replayed"] = "true"
        return response
