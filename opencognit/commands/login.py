"""Whom the command line is signed in as: the server's address and a token, in a file that its owner alone can read."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import platformdirs

DEFAULT_URL: Final = "http://localhost:3201"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered between two commands.

    Attributes:
        url: the server's address.
        token: is sent to that server alone.
        company_id: the company that commands are about unless they name another one.
    """

    url: str = DEFAULT_URL
    token: str | None = None
    company_id: str | None = None


def login_file() -> Path:
    """Where it is kept."""
    return Path(platformdirs.user_config_dir("opencognit", appauthor=False)) / "login.json"


def remembered() -> Login:
    """The login that was kept, or that of nobody."""
    try:
        return msgspec.json.decode(login_file().read_bytes(), type=Login)
    except (FileNotFoundError, msgspec.DecodeError):
        return Login()


def remember(login: Login) -> None:
    """Keep a login, readable by its owner alone from the first byte on."""
    file = login_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A new file each time: an old one might be readable by others, and stay so. (mkstemp makes it with mode 0600.)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".login-")
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(msgspec.json.format(msgspec.json.encode(login)) + b"\n")
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def forget() -> None:
    """Keep no login."""
    login_file().unlink(missing_ok=True)
