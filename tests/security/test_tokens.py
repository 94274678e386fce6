import base64
import json
from typing import Any
from unittest.mock import Mock

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.errors import NotAuthenticated
from opencognit.domain.instants import Instant, after, moment
from opencognit.security.tokens import MAX_TOKEN_CHARS, Claims, Tokens

KEY = bytes(range(32))
# Long past, so that a look at the wall clock would show.
START = Instant("2001-09-09T01:46:40.000Z")
HOUR = 3600.0


def issued(tokens: Tokens, *, now: Instant = START, lifetime: float = HOUR, session_id: str = "session") -> str:
    return tokens.issue(
        session_id=session_id, subject_id="user", kind="user", company_id=None, now=now, lifetime=lifetime
    )


def payload(**changes: Any) -> dict[str, Any]:
    start = int(moment(START).timestamp())
    claims = {
        "jti": "session",
        "sub": "user",
        "typ": "user",
        "company": None,
        "iat": start,
        "exp": start + 3600,
    }
    return claims | changes


def signed(claims: Any, *, key: bytes = KEY, algorithm: str = "HS256", headers: Any = None) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(KEY)


def test_a_token_tells_what_it_was_issued_with(tokens: Tokens) -> None:
    token = tokens.issue(session_id="s", subject_id="a", kind="agent", company_id="c", now=START, lifetime=HOUR)
    assert tokens.read(token, now=START) == Claims(
        session_id="s",
        subject_id="a",
        kind="agent",
        company_id="c",
        issued_at=START,
        expires_at=after(START, HOUR),
    )


def test_a_token_is_read_by_another_instance_with_the_key(tokens: Tokens) -> None:
    assert Tokens(KEY).read(issued(tokens), now=START).session_id == "session"


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_short_key_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(bytes(length))


@pytest.mark.parametrize("read_before", [False, True])
def test_a_token_ends_at_its_time_by_the_given_clock(tokens: Tokens, read_before: bool) -> None:
    token = issued(tokens)
    if read_before:
        tokens.read(token, now=START)
    assert tokens.read(token, now=after(START, HOUR - 0.001)).session_id == "session"
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=after(START, HOUR))
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=after(START, 2 * HOUR))


def test_a_lifetime_is_never_cut_short(tokens: Tokens) -> None:
    now = after(START, 0.9)
    assert tokens.read(issued(tokens, now=now, lifetime=0.5), now=after(now, 0.499)).issued_at <= now


@pytest.mark.parametrize(
    "claims",
    [
        {key: value for key, value in payload().items() if key != missing}
        for missing in ("jti", "sub", "typ", "iat", "exp")
    ]
    + [
        payload(jti=""),
        payload(jti=None),
        payload(jti=7),
        payload(sub=["user"]),
        payload(typ="admin"),
        payload(typ=None),
        payload(company=5),
        payload(exp=str(payload()["exp"])),
        payload(exp=payload()["exp"] + 0.5),
        payload(exp=True),
        payload(exp=10**30),
        payload(exp=float("inf")),
        payload(exp=-1),
        payload(iat=None),
        payload(aud="elsewhere"),
        payload(role="admin"),
    ],
    ids=str,
)
def test_signed_claims_that_are_not_ours_are_refused(tokens: Tokens, claims: dict[str, Any]) -> None:
    token = jwt.api_jws.encode(json.dumps(claims).encode(), KEY, algorithm="HS256")
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=START)


def test_the_claims_that_these_tests_change_are_good_unchanged(tokens: Tokens) -> None:
    assert tokens.read(signed(payload()), now=START).session_id == "session"


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"{", b"\xff", b"[" * 2000])
def test_a_signed_body_that_is_no_object_is_refused(tokens: Tokens, body: bytes) -> None:
    token = jwt.api_jws.encode(body, KEY, algorithm="HS256")
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=START)


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(payload()).encode())}.{signature}"


@pytest.mark.parametrize(
    "forged",
    [
        signed(payload(), key=bytes(32)),
        signed(payload(), key=KEY * 2, algorithm="HS384"),
        signed(payload(), key=KEY * 2, algorithm="HS512"),
        signed(payload(), headers={"crit": ["exp"], "exp": 1}),
        unsigned({"alg": "none"}),
        unsigned({"alg": "none"}, "A" * 43),
        unsigned({"alg": "None", "typ": "JWT"}, "A" * 43),
        unsigned({"alg": ["HS256"]}, "A" * 43),
        unsigned({"alg": None}, "A" * 43),
        unsigned({}, "A" * 43),
        unsigned({"alg": "HS256", "kid": 7}, "A" * 43),
        unsigned({"alg": "HS256", "b64": False, "crit": ["b64"]}, "A" * 43),
    ],
)
def test_a_token_signed_in_another_way_is_refused(tokens: Tokens, forged: str) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(forged, now=START)


def test_a_header_that_only_nests_is_refused(tokens: Tokens) -> None:
    token = f"{encoded(b'[' * 2500)}.{encoded(b'{}')}.{'A' * 43}"
    assert len(token) < MAX_TOKEN_CHARS
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=START)


def test_an_oversized_token_is_refused_however_well_it_is_signed(tokens: Tokens) -> None:
    spaces = b" " * MAX_TOKEN_CHARS
    token = jwt.api_jws.encode(json.dumps(payload()).encode() + spaces, KEY, algorithm="HS256")
    with pytest.raises(NotAuthenticated):
        tokens.read(token, now=START)


@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    tokens = Tokens(KEY)
    token = issued(tokens)
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.sampled_from("ABZaz09-_.=+/ \n\0é\udc80"))
    changed = token[:at] + put + token[at + 1 :]
    if changed != token:
        with pytest.raises(NotAuthenticated):
            tokens.read(changed, now=START)


def test_a_signature_has_one_spelling(tokens: Tokens) -> None:
    token = issued(tokens)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(token[-1])
    for same_bytes in alphabet[at + 1 : at + 4]:
        with pytest.raises(NotAuthenticated):
            tokens.read(token[:-1] + same_bytes, now=START)


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{42}A", fullmatch=True)))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(KEY).read(text, now=START)


def test_a_token_that_was_read_is_not_verified_again(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issued(tokens)
    first = tokens.read(token, now=START)
    monkeypatch.setattr(jwt, "decode", None)
    assert tokens.read(token, now=START) is first


def test_no_more_tokens_are_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(KEY, cached=2)
    texts = [issued(tokens, session_id=str(number)) for number in range(3)]
    for text in texts:
        tokens.read(text, now=START)
    verifying = Mock(wraps=jwt.decode)
    monkeypatch.setattr(jwt, "decode", verifying)
    for text in reversed(texts):
        tokens.read(text, now=START)
    assert [call.args[0] for call in verifying.call_args_list] == [texts[0]]
