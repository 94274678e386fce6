"""Keys in files, beside the database and for their owner alone.

A file holds one key of 32 bytes, or two while the newer one takes the place of the other: the newer first.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


class KeyFileRefused(Exception):
    """A key file that others can read, or that holds no key. The message says what to do."""


def load_or_create_key(path: Path) -> bytes:
    """The one key in this file; if there is none, it is made, of random bytes.

    Safe when several processes start at once: all get the same key.

    Raises:
        KeyFileRefused: others may read or write the file, or it does not hold 32 bytes.
    """
    keys = load_or_create_keys(path)
    if len(keys) > 1:
        raise _holds_no_key(path)
    return keys[0]


def load_or_create_keys(path: Path) -> tuple[bytes, ...]:
    """The keys in this file, the newest first; if there is none, one is made.

    Raises:
        KeyFileRefused: as for one key.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create_key(path)
    with path.open("rb") as file:
        # Of the open file, not of the path, which may lead elsewhere a moment later.
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
            raise KeyFileRefused(f"Others may read the key in {path}; allow its owner only: chmod 600 {path}")
        content = file.read(2 * KEY_BYTES + 1)
    if len(content) not in (KEY_BYTES, 2 * KEY_BYTES):
        raise _holds_no_key(path)
    return tuple(content[at : at + KEY_BYTES] for at in range(0, len(content), KEY_BYTES))


def new_key() -> bytes:
    """A key that nobody has."""
    return os.urandom(KEY_BYTES)


def replace_keys(path: Path, *keys: bytes) -> None:
    """Let the file hold these, the newest first; at every moment it holds all of them, or all that were there before.

    On return it does so also after a loss of power.
    """
    unfinished = _written(path, b"".join(keys))
    try:
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _create_key(path: Path) -> None:
    unfinished = _written(path, new_key())
    try:
        # A link, unlike a rename, never replaces a key that another process has made in the meantime.
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink()
    _sync_folder(path.parent)


def _written(path: Path, content: bytes) -> Path:
    """A file beside this one with this content, for its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return Path(name)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _holds_no_key(path: Path) -> KeyFileRefused:
    return KeyFileRefused(f"{path} does not hold a key of {KEY_BYTES} bytes; restore it from a backup")
