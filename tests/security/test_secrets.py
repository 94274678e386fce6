import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.wire_names import FIELDS
from opencognit.security.secrets import (
    SecretBox,
    SecretUnreadable,
    fingerprint,
    is_secret_name,
    mask,
)

KEY = bytes(range(32))
LONG = "sk-ant-" + "0123456789" * 3 + "3xyz"
BULLETS = "••••••••"


# Fingerprints


def test_a_fingerprint_depends_on_the_key_and_on_where_each_part_ends() -> None:
    fingerprints = {
        fingerprint(KEY, b"ab", b"c"),
        fingerprint(KEY, b"a", b"bc"),
        fingerprint(KEY, b"abc"),
        fingerprint(KEY, b"abc", b""),
        fingerprint(KEY),
        fingerprint(bytes(32), b"abc"),
    }
    assert len(fingerprints) == 6
    assert all(len(each) == 64 for each in fingerprints)
    assert fingerprint(KEY, b"ab", b"c") in fingerprints


# Sealing


@given(st.text(st.characters()))
def test_what_is_sealed_can_be_opened_and_not_be_read(text: str) -> None:
    box = SecretBox(KEY)
    sealed = box.seal(text)
    assert box.open(sealed) == text
    assert len(text) < 4 or text not in sealed


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert SecretBox(KEY).seal(LONG) != SecretBox(KEY).seal(LONG)


@pytest.mark.parametrize("sealed", ["", "gAAAA", "gAAAAABlooks-like-one", "plain text", "ä", "\udc80", "=" * 100])
def test_what_was_not_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(SecretUnreadable):
        SecretBox(KEY).open(sealed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SecretUnreadable):
        SecretBox(bytes(32)).open(SecretBox(KEY).seal(LONG))


def test_a_changed_seal_is_refused() -> None:
    sealed = SecretBox(KEY).seal(LONG)
    with pytest.raises(SecretUnreadable):
        SecretBox(KEY).open(sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:])


def test_a_seal_does_not_tell_when_it_was_made() -> None:
    assert SecretBox(KEY).seal(LONG).startswith("gAAAAAAAAAAA")


def test_a_box_needs_a_whole_key() -> None:
    with pytest.raises(ValueError, match="32"):
        SecretBox(b"short")


# Masks


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", ""),
        ("a", BULLETS),
        ("123456789012345", BULLETS),
        ("1234567890123456", "…3456"),
        ("12345678901234567890", "1234…7890"),
        (LONG, "sk-ant-…3xyz"),
    ],
)
def test_a_mask_tells_one_key_from_another_and_no_more(secret: str, shown: str) -> None:
    assert mask(secret) == shown


@given(st.text(min_size=1, max_size=100))
def test_a_mask_never_holds_the_middle_of_the_secret(secret: str) -> None:
    shown = mask(secret)
    if shown != BULLETS:
        head, _, tail = shown.rpartition("…")
        assert secret.startswith(head)
        assert secret.endswith(tail)
        assert len(head) <= 7
        assert len(tail) == 4
        assert len(secret) - len(head) - len(tail) >= 12


# Names


@pytest.mark.parametrize(
    "name",
    [
        "openai_api_key", "OPENAI_API_KEY", "apiKey", "api-key", "x-api-key", "APIKey", "apikey", "api_keys",
        "token", "bot_token", "accessToken", "access_tokens", "token2", "secret", "webhook_secret",
        "clientSecret", "password", "db_password", "Password", FIELDS["password"], FIELDS["new_password"],
        "authorization", "Authorization", "Proxy-Authorization", "private_key", "aws.secret.access.key",
        "credentials", "Cookie", "SMTP_PWD",
    ],
)  # fmt: skip
def test_names_of_secrets_are_known_however_they_are_spelt(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens", "maxTokens", "tokens", "model", "baseUrl", "url", "key", "public_key", "tokenizer",
        "author", "secretary", "password_min_length", "monkey", "",
    ],
)  # fmt: skip
def test_other_names_are_not_those_of_secrets(name: str) -> None:
    assert not is_secret_name(name)
