"""`opencognit keys rotate`, as a person runs it on a data folder that holds secrets of every kind."""

import asyncio
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.security.keys import load_or_create_keys
from opencognit.security.secrets import SecretBox, SecretUnreadable
from opencognit.store.resealing import SEALED
from opencognit.testing import ScriptedProvider
from tests.builders import Api
from tests.conftest import quick_settings

Json = dict[str, Any]

ROTATE = ("-m", "opencognit", "keys", "rotate")


class Kept(msgspec.Struct):
    """What a server was given before, and has to know afterwards."""

    data: Path
    company: Json
    agent: Json
    webhook: Json
    token: str
    agent_token: str


SECRETS = {"server": "sk-server-0123456789abcdef", "company": "sk-company-0123456789abcdef", "agent": "Bearer ada-0123"}


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    """The folder of a server that has stopped."""
    data = tmp_path / "data"
    async with (
        Runtime(data, settings=quick_settings(), providers={"scripted": ScriptedProvider()}) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        Api.session_at(url) as nobody,
    ):
        admin = await nobody.somebody("Admin")
        company = await admin.company()
        for scope in ("server", "company"):
            wanted = {"wert": SECRETS[scope], "unternehmenId": company["id"] if scope == "company" else None}
            assert (await admin.call("PUT", f"/api/einstellungen/{scope}_api_key", wanted)).status == 200
        headers = {"kopfzeilen": {"Authorization": SECRETS["agent"]}}
        agent = await admin.agent(company, verbindungsTyp="scripted", verbindungsConfig=headers)
        routine = await admin.make(f"/api/unternehmen/{company['id']}/routinen", {"titel": "Report"})
        webhook = await admin.make(f"/api/routinen/{routine['id']}/triggers", {"kind": "webhook"})
        token = await admin.make(f"/api/experten/{agent['id']}/token", headers={"Idempotency-Key": "once"})
    return Kept(data, company, agent, webhook, str(admin.token), token["token"])


async def rotate(data: Path, *options: str, command: tuple[str, ...] = ROTATE) -> tuple[int, str, str]:
    """(exit code, output, errors) of the command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--data", str(data), *options, stdout=-1, stderr=-1
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def secrets_in(kept: Kept) -> Json:
    """What a server that starts on the folder can use."""
    worker = ScriptedProvider()
    async with Runtime(kept.data, settings=quick_settings(), providers={"scripted": worker}) as runtime:
        webhook = await runtime.webhook(kept.webhook["publicId"])
        assert webhook is not None
        task = await runtime.create_task(kept.company["id"], title="Build it", assignee_id=kept.agent["id"])
        await runtime.finished(task.id, within=20)
        return {
            "server": await runtime.key_for(kept.company["id"], "server_api_key"),
            "company": await runtime.key_for(kept.company["id"], "company_api_key"),
            "agent": worker.orders[-1].config["kopfzeilen"]["Authorization"],
            "webhook": webhook.secret,
        }


def sealed_in(data: Path) -> list[str]:
    """Every sealed text of the database."""
    with sqlite3.connect(data / "opencognit.db") as database:
        return [
            sealed.decode() if isinstance(sealed, bytes) else sealed
            for table in SEALED
            for (sealed,) in database.execute(
                f"SELECT {'body' if table == 'answers' else 'sealed'} FROM {table}"  # noqa: S608 - our own names
                f" {'WHERE sealed' if table == 'answers' else ''}"
            )
        ]


def opened(keys: tuple[bytes, ...], sealed: list[str]) -> Iterator[str]:
    for one in sealed:
        try:
            yield SecretBox(*keys).open(one)
        except SecretUnreadable:
            continue


async def test_all_secrets_open_with_the_new_key_and_none_with_the_old_one(kept: Kept) -> None:
    old = load_or_create_keys(kept.data / "keys" / "secrets.key")
    before = await secrets_in(kept)
    code, output, errors = await rotate(kept.data)
    assert (code, output) == (0, "Secrets sealed with the new key: 5. The old key is gone.\n"), errors
    new = load_or_create_keys(kept.data / "keys" / "secrets.key")
    assert len(new) == 1
    assert len(list(opened(new, sealed_in(kept.data)))) == 5
    assert list(opened(old, sealed_in(kept.data))) == []
    assert await secrets_in(kept) == before == {**SECRETS, "webhook": kept.webhook["secret"]}


async def test_no_file_keeps_what_the_old_key_opens(kept: Kept) -> None:
    """Nor what was deleted before: SQLite leaves deleted rows where they were."""
    before = sealed_in(kept.data)
    async with (
        Runtime(kept.data, settings=quick_settings()) as runtime,
        listening(runtime, port=0) as url,
        Api.session_at(url) as nobody,
    ):
        admin = nobody.with_token(kept.token)
        assert (await admin.call("PUT", "/api/einstellungen/server_api_key", {"wert": None})).status == 200
    raw = (kept.data / "opencognit.db").read_bytes()
    assert any(sealed.encode() in raw for sealed in before), "the test sees sealed texts"
    assert (await rotate(kept.data))[0] == 0
    raw = b"".join(path.read_bytes() for path in kept.data.rglob("*") if path.is_file())
    assert [sealed for sealed in before if sealed.encode() in raw] == []


async def test_a_retry_gets_the_sealed_first_answer_again(kept: Kept) -> None:
    assert (await rotate(kept.data))[0] == 0
    async with (
        Runtime(kept.data, settings=quick_settings(), providers={"scripted": ScriptedProvider()}) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        Api.session_at(url) as nobody,
    ):
        admin = nobody.with_token(kept.token)
        again = await admin.post(f"/api/experten/{kept.agent['id']}/token", headers={"Idempotency-Key": "once"})
        assert again.json["token"] == kept.agent_token


async def test_a_kill_at_any_step_loses_nothing(kept: Kept, tmp_path: Path) -> None:
    """What a cut-off rotation leaves behind is all readable, and the next rotation ends it."""
    secrets = sorted(opened(load_or_create_keys(kept.data / "keys" / "secrets.key"), sealed_in(kept.data)))
    assert len(secrets) == 5
    left_two_keys = 0
    for step in range(1, 100):
        data = tmp_path / str(step)
        shutil.copytree(kept.data, data)
        code, output, errors = await rotate(data, command=("-m", "tests.cut_off_rotation", str(step), "keys", "rotate"))
        if code == 0:
            break
        assert code == -signal.SIGKILL, errors
        keys = load_or_create_keys(data / "keys" / "secrets.key")
        left_two_keys += len(keys) > 1
        assert sorted(opened(keys, sealed_in(data))) == secrets, f"killed at step {step}"
        if len(keys) > 1:
            code, output, errors = await rotate(data)
            assert code == 0, errors
            assert output.startswith("A rotation that was cut off earlier was brought to its end.\n")
            keys = load_or_create_keys(data / "keys" / "secrets.key")
            assert len(keys) == 1
            assert sorted(opened(keys, sealed_in(data))) == secrets
        shutil.rmtree(data)
    assert code == 0, "it came to its end"
    assert left_two_keys >= 3
    assert step > 15


async def test_a_server_starts_in_the_middle_of_a_rotation(kept: Kept) -> None:
    before = await secrets_in(kept)
    path = kept.data / "keys" / "secrets.key"
    step = 1
    while len(load_or_create_keys(path)) == 1:
        await rotate(kept.data, command=("-m", "tests.cut_off_rotation", str(step), "keys", "rotate"))
        step += 1
    assert await secrets_in(kept) == before
    assert (await rotate(kept.data))[0] == 0
    assert await secrets_in(kept) == before


async def test_a_folder_on_which_a_server_works_is_left_alone(kept: Kept) -> None:
    path = kept.data / "keys" / "secrets.key"
    before = path.read_bytes()
    async with Runtime(kept.data, settings=quick_settings(), providers={"scripted": ScriptedProvider()}):
        code, output, errors = await rotate(kept.data)
    assert (code, output) == (1, "")
    assert "in use by another server" in errors
    assert path.read_bytes() == before


async def test_a_folder_without_a_database_is_refused_and_not_made(tmp_path: Path) -> None:
    code, _, errors = await rotate(tmp_path / "nothing")
    assert code == 1
    assert errors.startswith("Error: There is no database in ")
    assert not (tmp_path / "nothing").exists()


async def test_a_secret_that_no_key_opens_is_counted_and_left(kept: Kept) -> None:
    """After a lost key the others were entered again; the rotation must not stop at the one that was not."""
    with sqlite3.connect(kept.data / "opencognit.db") as database:
        stranger = SecretBox(b"s" * 32).seal("lost")
        database.execute("UPDATE agent_secrets SET sealed = ?", (stranger,))
    code, output, errors = await rotate(kept.data)
    assert code == 0, errors
    assert output.splitlines() == [
        "Secrets sealed with the new key: 4. The old key is gone.",
        "Secrets that could not be opened before either, to be entered again: 1.",
    ]
    assert stranger in sealed_in(kept.data)


@pytest.mark.parametrize(("option", "status"), [((), 200), (("--tokens",), 401)])
async def test_tokens_end_only_when_it_is_asked_for(kept: Kept, option: tuple[str, ...], status: int) -> None:
    code, output, _ = await rotate(kept.data, *option)
    assert code == 0
    assert ("All tokens have ended" in output) == bool(option)
    async with (
        Runtime(kept.data, settings=quick_settings(), providers={"scripted": ScriptedProvider()}) as runtime,
        listening(runtime, host="127.0.0.1", port=0) as url,
        Api.session_at(url) as nobody,
    ):
        assert (await nobody.with_token(kept.token).get("/api/auth/ich")).status == status
        inbox = f"/api/experten/{kept.agent['id']}/inbox"
        assert (await nobody.with_token(kept.agent_token).get(inbox)).status == status


async def test_every_sealed_column_is_known_to_the_rotation(kept: Kept) -> None:
    """A table that keeps secrets and is not on the list would lose them."""
    with sqlite3.connect(kept.data / "opencognit.db") as database:
        columns = database.execute(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
    assert {table for table, column in columns if column == "sealed"} == SEALED.keys()
