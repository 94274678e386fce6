"""The signed tokens of users and agents: JWT, HS256 and nothing else.

A token says who asks and until when. Whether it was revoked is not in it: the caller looks up its session
(`jti`).
"""

import re
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Final, Literal

import jwt
import msgspec

from opencognit.domain.errors import NotAuthenticated
from opencognit.domain.instants import Instant, Seconds, instant, moment

SubjectKind = Literal["user", "agent"]
"""What kind of someone a token stands for."""

MIN_KEY_BYTES: Final = 32
"""As long as HS256's digest (RFC 7518, 3.2)."""

MAX_TOKEN_CHARS: Final = 4096
"""Longer ones are refused unread; ours have about 300."""

CACHED_TOKENS: Final = 10_000
"""How many verified tokens are remembered."""

_ALGORITHM: Final = "HS256"

# Three parts in base64url, the last of 32 bytes in its one canonical spelling (its last character has two
# spare bits). So a token has one text only, and no decoder sees what lies outside the alphabet.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
# Up to the year 9999, where datetime ends.
_Time = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800)]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a good token says. `session_id` still has to be looked up: it may have been revoked."""

    session_id: str
    subject_id: str
    kind: SubjectKind
    company_id: str | None
    issued_at: Instant
    expires_at: Instant


class _Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The claims as they are signed, by their registered names (RFC 7519) where there is one."""

    jti: _Id
    sub: _Id
    typ: SubjectKind
    company: _Id | None = None
    iat: _Time
    exp: _Time


class Tokens:
    """Issues tokens and reads them. Used from one thread, the event loop's."""

    def __init__(self, key: bytes, *, cached: int = CACHED_TOKENS) -> None:
        """Take the key that signs.

        Raises:
            ValueError: the key has fewer than 32 bytes.
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"The key that signs tokens needs {MIN_KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._room = cached
        self._verified: dict[str, Claims] = {}

    def issue(
        self,
        *,
        session_id: str,
        subject_id: str,
        kind: SubjectKind,
        company_id: str | None,
        now: Instant,
        lifetime: Seconds,
    ) -> str:
        """A new token, good from `now` for `lifetime`, rounded up to whole seconds as JWT counts them."""
        issued = moment(now).timestamp()
        payload = _Payload(
            jti=session_id,
            sub=subject_id,
            typ=kind,
            company=company_id,
            iat=int(issued),
            exp=ceil(issued + lifetime),
        )
        return jwt.encode(msgspec.to_builtins(payload), self._key, algorithm=_ALGORITHM)

    def read(self, token: str, *, now: Instant) -> Claims:
        """What the token says, once its signature and its time have been checked.

        Raises:
            NotAuthenticated: it is malformed, forged, signed in another way, or expired; which, is not told.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            self._remember(token, claims, now)
        if claims.expires_at <= now:
            self._verified.pop(token, None)
            raise NotAuthenticated
        return claims

    def _verify(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARS or _SHAPE.fullmatch(token) is None:
            raise NotAuthenticated
        try:
            payload = msgspec.convert(self._signed(token), _Payload)
        # RecursionError: a header of brackets alone is parsed before the signature is looked at, and not all
        # releases of pyjwt take care of it.
        except (jwt.PyJWTError, msgspec.ValidationError, RecursionError) as error:
            raise NotAuthenticated from error
        return _claims(payload)

    def _signed(self, token: str) -> dict[str, Any]:
        # The claims are for `_Payload` to check, and the time for the caller: pyjwt would ask the wall clock.
        return jwt.decode(
            token,
            self._key,
            algorithms=[_ALGORITHM],
            options={
                "require": ["exp", "iat", "sub", "jti", "typ"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )

    def _remember(self, token: str, claims: Claims, now: Instant) -> None:
        if claims.expires_at <= now:
            return
        if len(self._verified) >= self._room:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims


def _claims(payload: _Payload) -> Claims:
    return Claims(
        session_id=payload.jti,
        subject_id=payload.sub,
        kind=payload.typ,
        company_id=payload.company,
        issued_at=instant(datetime.fromtimestamp(payload.iat, UTC)),
        expires_at=instant(datetime.fromtimestamp(payload.exp, UTC)),
    )
