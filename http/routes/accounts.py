"""Registering, signing in and out, the profile, and the password."""

from typing import Annotated

from aiohttp import web

from opencognit.domain.caller import (
    CallerKind,
    ChangePassword,
    CloseSessions,
    OpenSession,
    PasswordBody,
    Register,
    RegisterBody,
    Session,
    SignedIn,
    SignInBody,
    User,
)
from opencognit.domain.errors import (
    EmailTaken,
    InvalidCredentials,
    NotAuthenticated,
    RateLimited,
    Unavailable,
    ValidationFailed,
)
from opencognit.domain.instants import after
from opencognit.domain.message import Success, decode, encode
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.answering import COOKIE, json_answer
from opencognit.http.request import Request
from opencognit.http.route import Agents, Routes, Subject, Written

routes = Routes()


@routes.add(
    "POST",
    f"/api/auth/{PATHS['register']}",
    subject=Subject.PUBLIC,
    status=201,
    secret=True,
    errors=(EmailTaken,),
    example={"name": "Jane", "email": "jane@example.com", "password": "secure-password-123"},
)
async def register(request: Request[RegisterBody]) -> SignedIn:
    """Open an account and sign in. The first one is the server's admin."""
    body = await request.body()
    runtime = request.runtime
    user_id = runtime.ids.new_id()
    password_hash = await runtime.passwords.hash(body.password)
    session, token = _session(request, user_id)
    message = Register(
        user_id=user_id,
        name=body.name,
        email=body.email,
        password_hash=password_hash,
        session=session,
        token=token,
    )
    signed_in: SignedIn = await runtime.ask_accounts(message, origin=request.origin)
    return signed_in


@routes.add(
    "POST",
    f"/api/auth/{PATHS['sign_in']}",
    subject=Subject.PUBLIC,
    secret=True,
    errors=(InvalidCredentials, RateLimited),
    example={"email": "jane@example.com", "password": "secure-password-123"},
)
async def sign_in(request: Request[SignInBody]) -> SignedIn:
    """Sign in. Wrong e-mail and wrong password are the same answer in the same time."""
    body = await request.body()
    user, password_hash = await _verified(request, body.email, body.password)
    session, token = _session(request, user.id)
    signed_in = SignedIn(token=token, user=user)
    message = OpenSession(session=session, reply=signed_in, password_hash=password_hash)
    await request.runtime.ask_accounts(message, origin=request.origin)
    return signed_in


@routes.add("POST", f"/api/auth/{PATHS['sign_out']}", subject=Subject.SIGNED_IN, agents=Agents.COMPANY)
async def sign_out(request: Request) -> Annotated[web.Response, Written(Success)]:
    """Revoke the token that this is asked with."""
    message = CloseSessions(session_id=request.caller.session_id)
    await request.runtime.ask_accounts(message, origin=request.origin)
    response = json_answer(encode(Success()), status=200)
    response.del_cookie(COOKIE)
    return response


@routes.add("GET", f"/api/auth/{PATHS['me']}", subject=Subject.SIGNED_IN)
async def me(request: Request) -> User:
    """Who is signed in."""
    user = request.runtime.directory.user(request.caller.id or "")
    if user is None:
        raise NotAuthenticated
    return user


@routes.add(
    "PUT",
    f"/api/auth/{PATHS['password']}",
    subject=Subject.SIGNED_IN,
    errors=(InvalidCredentials, RateLimited),
    example={"old_password": "secure-password-123", "new_password": "another-password-456"},
)
async def change_password(request: Request[PasswordBody]) -> Success:
    """Set another password; all of the user's tokens are revoked, this one too."""
    body = await request.body()
    user = await me(request)
    _, old_hash = await _verified(request, user.email, body.old_password)
    if body.old_password == body.new_password:
        raise ValidationFailed.of(FIELDS["new_password"], "must differ from the old one")
    password_hash = await request.runtime.passwords.hash(body.new_password)
    message = ChangePassword(user_id=user.id, old_hash=old_hash, password_hash=password_hash)
    await request.runtime.ask_accounts(message, origin=request.origin)
    return Success()


async def _verified(request: Request, email: str, password: str) -> tuple[User, str]:
    """The user and the hash, if the password is right; failures are counted for account and address."""
    runtime, address, now = request.runtime, request.raw.remote or "", request.runtime.clock.now()
    runtime.throttle.check(email, address, now=now)
    known = await runtime.queries.user_by_email(email)
    try:
        is_right = await runtime.passwords.verify(password, known[1] if known else None)
    except Unavailable:
        runtime.throttle.withdrawn(email, address)
        raise
    if not is_right or known is None:
        runtime.throttle.failed(email, address, now=runtime.clock.now())
        raise InvalidCredentials
    runtime.throttle.succeeded(email, address)
    return decode(bytes(known[0]), User), known[1]


def _session(request: Request, user_id: str) -> tuple[Session, str]:
    """A new session and its token; the session still has to be remembered."""
    runtime, now = request.runtime, request.runtime.clock.now()
    lifetime = runtime.settings.accounts.session_seconds
    session = Session(
        id=runtime.ids.new_id(),
        subject_id=user_id,
        kind=CallerKind.BOARD,
        company_id=None,
        expires_at=after(now, lifetime),
    )
    token = runtime.tokens.issue(
        session_id=session.id, subject_id=user_id, kind="user", company_id=None, now=now, lifetime=lifetime
    )
    return session, token
