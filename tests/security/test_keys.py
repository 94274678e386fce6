"""Keys in files."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opencognit.security.keys import (
    KeyFileRefused,
    load_or_create_key,
    load_or_create_keys,
    new_key,
    replace_keys,
)


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


def test_two_keys_come_back_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old, new = load_or_create_key(path), new_key()
    replace_keys(path, new, old)
    assert load_or_create_keys(path) == (new, old)
    replace_keys(path, new)
    assert load_or_create_keys(path) == (new,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_file_of_two_keys_is_not_taken_for_one(tmp_path: Path) -> None:
    replace_keys(tmp_path / "key", new_key(), new_key())
    with pytest.raises(KeyFileRefused, match="32 bytes"):
        load_or_create_key(tmp_path / "key")
