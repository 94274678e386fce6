"""Secrets at rest: values sealed with a key (`keys.py`), and configurations that are shown without them.

A configuration is split into what may be shown, where each secret is masked, and the secrets by their path (a
JSON Pointer, RFC 6901). Only the first is ever part of an entity; the second is sealed and kept in a table of
its own.
"""

import base64
import hmac
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from opencognit.domain.errors import InternalError, ValidationFailed
from opencognit.domain.wire_names import FIELDS

MAX_DEPTH: Final = 32
"""Levels of a configuration; Python's own stack would end at some hundred."""

MAX_SECRETS: Final = 100
"""Secrets in one configuration."""

MAX_PATH_CHARS: Final = 1000
"""Length of the path of one secret."""

Secret: TypeAlias = str | int | float
Secrets: TypeAlias = dict[str, Secret]
"""Secrets by their JSON Pointer, such as `/headers/0/value`."""


class SecretUnreadable(InternalError):
    """It was sealed with another key, or damaged."""

    sentence = "A stored secret cannot be opened with this server's key; enter it again"


def fingerprint(key: bytes, *parts: bytes) -> str:
    """The HMAC-SHA256 of these parts, in hex; `(b"ab", b"c")` and `(b"a", b"bc")` differ."""
    measured = (len(part).to_bytes(8) + part for part in parts)
    return hmac.digest(key, b"".join(measured), "sha256").hex()


class SecretBox:
    """Seals text so that only these keys open it, and only unchanged (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, *keys: bytes) -> None:
        """Take keys of 32 bytes, the newest first, which seals; any other length raises ValueError."""
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

    def seal(self, text: str) -> str:
        """The sealed text, in ASCII; a different one each time."""
        # Fernet would note the time of the wall clock, in clear; nobody needs it.
        return self._fernet.encrypt_at_time(text.encode("utf-8", "surrogatepass"), 0).decode()

    def open(self, sealed: str) -> str:
        """What was sealed.

        Raises:
            SecretUnreadable: sealed with another key, or not as `seal` returned it.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode("utf-8", "surrogatepass")
        except (InvalidToken, ValueError) as error:
            raise SecretUnreadable from error


_ALL_MASKED: Final = "•" * 8
_MASK: Final = re.compile(r"•{8}|.{0,7}….{4}", re.DOTALL)

_TAIL: Final = 4
_HEAD: Final = 7
_HIDDEN: Final = 12
"""Characters that a mask hides at least, unless it shows none."""


def mask(secret: str) -> str:
    """What may be shown of a secret: `sk-ant-…3xyz`, to tell one key from another.

    Of 23 characters or more, the first 7 and the last 4; of shorter ones fewer; of less than 16 nothing, nor
    their length.
    """
    if not secret:
        return ""
    head = len(secret) - _TAIL - _HIDDEN
    return f"{secret[: min(head, _HEAD)]}…{secret[-_TAIL:]}" if head >= 0 else _ALL_MASKED


_NAMES: Final = (
    "token", "secret", "password", "passwd", "pwd", "passphrase", FIELDS["password"],
    "authorization", "auth", "bearer", "credential", "cookie",
    "apikey", "accesskey", "secretkey", "privatekey", "signingkey", "authkey", "encryptionkey",
)  # fmt: skip
# `max_tokens` and its kin are numbers that everybody may see, so `tokens` alone is not a secret's name.
_PLURALS: Final = tuple(f"{name}s" for name in _NAMES if name != "token")
_TOKENS: Final = ("accesstokens", "apitokens", "authtokens", "bearertokens", "refreshtokens", "sessiontokens")
_ENDINGS: Final = _NAMES + _PLURALS + _TOKENS


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret: `apiKey`, `OPENAI_API_KEY`, `x-api-key`, `token2` and so on."""
    letters = "".join(filter(str.isalnum, name)).lower()
    return letters.rstrip("0123456789").endswith(_ENDINGS)


def split_secrets(config: Mapping[str, Any]) -> tuple[dict[str, Any], Secrets]:
    """The configuration with every secret masked, and the secrets.

    Secret are all texts and numbers below a secret name, at any depth, and the `value` beside a `name`, `key`
    or `header` that is one. `join_secrets` undoes it.

    Raises:
        ValidationFailed: deeper than 32 levels, more than 100 secrets, or a path of over 1,000 characters.
    """
    secrets: Secrets = {}

    def take(path: _Path, leaf: Any, *, is_secret: bool) -> Any:
        if not is_secret or not _hides(leaf):
            return leaf
        if len(secrets) >= MAX_SECRETS:
            raise ValidationFailed(f"A configuration holds at most {MAX_SECRETS} secrets")
        secrets[_pointer(path)] = leaf
        return mask(str(leaf))

    return _changed(config, take), secrets


def blank_secrets(masked: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with an empty text in place of each secret."""

    def empty(_path: _Path, leaf: Any, *, is_secret: bool) -> Any:
        return "" if is_secret and _hides(leaf) else leaf

    return _changed(masked, empty)


def missing_secrets(config: Mapping[str, Any]) -> list[str]:
    """The paths at which the configuration has an empty text instead of a secret."""
    missing: list[str] = []

    def note(path: _Path, leaf: Any, *, is_secret: bool) -> None:
        if is_secret and leaf == "":
            missing.append(_pointer(path))

    _changed(config, note)
    return missing


def join_secrets(masked: Mapping[str, Any], secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """The configuration that was split into these two.

    Raises:
        ValueError: there is a secret for a place that the configuration does not have.
    """
    left = dict(secrets)

    def put_back(path: _Path, leaf: Any, *, is_secret: bool) -> Any:
        return left.pop(_pointer(path), leaf) if is_secret and _hides(leaf) else leaf

    config = _changed(masked, put_back)
    if left:
        raise ValueError(f"The configuration has no place for {', '.join(left)}")
    return config


def keep_known(new: Mapping[str, Any], known: Mapping[str, Secret]) -> dict[str, Any]:
    """The configuration that a client sent, with the secrets that it only ever saw masked filled in.

    A mask stands for the secret that was shown at the same path. Whoever may change where a secret is sent (a
    base URL beside an API key) may so learn it: for such a change, ask for the secret again by passing no
    `known`.

    Raises:
        ValidationFailed: a mask that stands for no known secret, for one that would be in the clear now, or,
            in a list, for more than one.
    """
    shown_as: dict[tuple[str, str], set[Secret]] = defaultdict(set)
    for pointer, secret in known.items():
        shown_as[_any_index(pointer), mask(str(secret))].add(secret)

    def keep(path: _Path, leaf: Any, *, is_secret: bool) -> Any:
        if not isinstance(leaf, str) or _MASK.fullmatch(leaf) is None:
            return leaf
        pointer = _pointer(path)
        known_here = pointer in known and mask(str(known[pointer])) == leaf
        # Items of a list move: the same mask at the same index may have been another item's.
        moved = any(isinstance(part, int) for part in path) and len(shown_as[_any_index(pointer), leaf]) > 1
        if is_secret and known_here and not moved:
            return known[pointer]
        if is_secret or known_here:
            raise ValidationFailed.of(pointer, "is masked; send the secret itself")
        return leaf

    return _changed(new, keep)


_Path: TypeAlias = tuple[str | int, ...]


def _changed(config: Mapping[str, Any], change: Callable[..., Any]) -> dict[str, Any]:
    """The same configuration with each leaf as `change(path, leaf, is_secret=…)` returns it."""

    def walk(value: Any, path: _Path, *, is_secret: bool) -> Any:
        if len(path) > MAX_DEPTH:
            raise ValidationFailed(f"A configuration has at most {MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            pair = _names_its_value(value)
            return {
                key: walk(
                    child,
                    (*path, key),
                    is_secret=is_secret or is_secret_name(key) or (pair and key == "value"),
                )
                for key, child in value.items()
            }
        if isinstance(value, list):
            return [walk(child, (*path, at), is_secret=is_secret) for at, child in enumerate(value)]
        return change(path, value, is_secret=is_secret)

    changed: dict[str, Any] = walk(config, (), is_secret=False)
    return changed


def _names_its_value(value: Mapping[str, Any]) -> bool:
    names = (value.get(key) for key in ("name", "key", "header"))
    return any(isinstance(name, str) and is_secret_name(name) for name in names)


def _hides(leaf: Any) -> bool:
    return isinstance(leaf, str | int | float) and not isinstance(leaf, bool) and leaf != ""


def _pointer(path: _Path) -> str:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    if len(pointer) > MAX_PATH_CHARS:
        raise ValidationFailed(f"The path of a secret has at most {MAX_PATH_CHARS} characters")
    return pointer


def _any_index(pointer: str) -> str:
    return re.sub(r"/\d+(?=/|$)", "/*", pointer)
