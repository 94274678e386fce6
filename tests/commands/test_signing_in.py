"""Signing in on the command line, and staying so."""

import json
import stat
from pathlib import Path

import pytest

from tests.builders import Api
from tests.commands.conftest import Typed, sentence, wire


class LoginFile:
    """Where a login is kept."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def is_there(self) -> bool:
        return self._file.exists()

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self._file.stat().st_mode)

    @property
    def token(self) -> str:
        token: str = json.loads(self._file.read_text())["token"]
        return token

    @property
    def neighbours(self) -> list[str]:
        return [file.name for file in self._file.parent.iterdir() if file != self._file]

    def write(self, text: str) -> None:
        """For all to read."""
        self._file.parent.mkdir(parents=True)
        self._file.write_text(text)
        self._file.chmod(0o644)


@pytest.fixture
def login_file(tmp_path: Path) -> LoginFile:
    return LoginFile(tmp_path / "config" / "opencognit" / "login.json")


async def test_who_signs_in_stays_so_until_they_sign_out(shell: Typed, url: str, owner: Api) -> None:
    result = await shell("login", "--url", url, stdin=f"{owner.user['email']}\nsecret-password\n")
    assert result.exit_code == 0, result.output
    assert "secret-password" not in result.output
    assert wire(await shell("whoami", "--json")) == owner.user
    assert (await shell("logout")).exit_code == 0
    assert "opencognit login" in sentence(await shell("whoami", "--url", url))


async def test_an_account_is_opened_on_the_way(shell: Typed, url: str, admin: Api) -> None:
    words = ("login", "--url", url, "--email", "new@example.com", "--register", "Newcomer")
    assert (await shell(*words, stdin="new-password\nnew-password\n")).exit_code == 0
    assert wire(await shell("whoami", "--json"))["name"] == "Newcomer"


async def test_the_password_may_come_from_the_environment(shell: Typed, url: str, owner: Api) -> None:
    words = ("login", "--url", url, "--email", owner.user["email"])
    assert (await shell(*words, OPENCOGNIT_PASSWORD="secret-password")).exit_code == 0
    assert wire(await shell("whoami", "--json")) == owner.user


async def test_a_wrong_password_is_said_so_and_nothing_is_kept(
    shell: Typed, url: str, owner: Api, login_file: LoginFile
) -> None:
    words = ("login", "--url", url, "--email", owner.user["email"])
    assert sentence(await shell(*words, OPENCOGNIT_PASSWORD="wrong")) == "E-mail or password is wrong."
    assert not login_file.is_there


async def test_the_token_is_readable_by_its_owner_alone(
    shell: Typed, url: str, owner: Api, login_file: LoginFile
) -> None:
    login_file.write("{}")
    words = ("login", "--url", url, "--token", owner.token or "")
    assert (await shell(*words)).exit_code == 0
    assert (login_file.mode, login_file.token, login_file.neighbours) == (0o600, owner.token, [])


async def test_a_token_that_is_none_is_not_kept(shell: Typed, url: str, admin: Api, login_file: LoginFile) -> None:
    assert "Sign in first" in sentence(await shell("login", "--url", url, "--token", "nonsense"))
    assert not login_file.is_there


async def test_a_token_is_not_taken_to_another_server(shell: Typed, url: str, owner: Api) -> None:
    await shell("login", "--url", url, "--token", owner.token or "")
    elsewhere = url.replace("127.0.0.1", "localhost")
    assert "Sign in first" in sentence(await shell("whoami", "--url", elsewhere))
    assert (await shell("whoami", "--url", url + "/")).exit_code == 0


async def test_who_signs_out_has_no_token_any_more(shell: Typed, url: str, owner: Api, login_file: LoginFile) -> None:
    await shell("login", "--url", url, "--token", owner.token or "")
    await shell("logout")
    assert not login_file.is_there
    assert (await owner.get("/api/auth/ich")).status == 401
    assert (await shell("logout")).exit_code == 0


async def test_a_login_file_that_cannot_be_read_is_that_of_nobody(
    shell: Typed, url: str, owner: Api, login_file: LoginFile
) -> None:
    login_file.write("{nonsense")
    result = await shell("whoami", "--url", url, "--token", owner.token or "")
    assert result.exit_code == 0, result.output


async def test_an_agents_token_is_enough_to_sign_in(shell: Typed, url: str, owner: Api) -> None:
    agent = await owner.agent(await owner.company(), name="Ada")
    itself = await owner.agent_api(agent)
    assert (await shell("login", "--url", url, "--token", itself.token or "")).exit_code == 0
    assert [company["name"] for company in wire(await shell("company", "list", "--json"))] == ["Acme"]
