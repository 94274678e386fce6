import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.wire_names import FIELDS
from opencognit.security.secrets import (
    KeyFileRefused,
    SecretBox,
    SecretUnreadable,
    fingerprint,
    is_secret_name,
    load_or_create_key,
    mask,
)

KEY = bytes(range(32))
LONG = "sk-ant-" + "0123456789" * 3 + "3xyz"
BULLETS = "••••••••"


# Keys


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert load_or_create_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["secrets.key"]


def test_no_two_keys_are_the_same(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path / "one") != load_or_create_key(tmp_path / "two")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_key_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load_or_create_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o644])
def test_a_key_that_others_can_reach_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33)])
def test_a_file_that_holds_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileRefused, match="32 bytes"):
        load_or_create_key(path)
    assert path.read_bytes() == content


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: load_or_create_key(path), range(64)))
    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


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
