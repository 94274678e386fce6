"""Settings that users change while the server runs: whose they are, what they may be, and that secrets stay secret."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.kinds import SETTINGS
from opencognit.domain.setting import KNOWN, SERVER, ChangeSetting
from opencognit.runtime import Runtime
from tests.builders import Api, assert_error
from tests.conftest import quick_settings

Json = dict[str, Any]
KEY = "sk-ant-api03-canary0123456789-3xyz"
MASKED = "sk-ant-…3xyz"
OTHER = "sk-ant-api03-another0123456789-4abc"


async def put(api: Api, key: str, value: Any, company: Json | None = None) -> Any:
    body = {"wert": value} | ({"unternehmenId": company["id"]} if company else {})
    return await api.call("PUT", f"/api/einstellungen/{key}", body)


async def settings(api: Api, company: Json | None = None) -> Any:
    return await api.get("/api/einstellungen" + (f"?unternehmenId={company['id']}" if company else ""))


async def test_what_an_admin_sets_is_shown_to_admins(admin: Api) -> None:
    answer = await put(admin, "language", "de")
    assert (answer.status, answer.json) == (200, {"schluessel": "language", "wert": "de", "unternehmenId": None})
    assert (await settings(admin)).json == {"language": "de"}


async def test_what_an_owner_sets_is_the_companys_alone(admin: Api, owner: Api, company: Json) -> None:
    answer = await put(owner, "language", "de", company)
    assert answer.json == {"schluessel": "language", "wert": "de", "unternehmenId": company["id"]}
    assert (await settings(owner, company)).json == {"language": "de"}
    assert (await settings(admin)).json == {}


async def test_the_servers_settings_are_the_admins_alone(owner: Api) -> None:
    assert_error(await settings(owner), 403, "FORBIDDEN")
    assert_error(await put(owner, "language", "de"), 403, "FORBIDDEN")


async def test_a_company_that_does_not_exist_is_not_found(admin: Api) -> None:
    nowhere = {"id": "00000000-0000-4000-8000-000000000000"}
    assert_error(await settings(admin, nowhere), 404, "NOT_FOUND")
    assert_error(await put(admin, "language", "de", nowhere), 404, "NOT_FOUND")


async def test_a_member_sees_no_secret_not_even_masked(admin: Api, owner: Api, company: Json) -> None:
    member = await admin.somebody()
    await owner.make(f"/api/unternehmen/{company['id']}/mitglieder", {"benutzerId": member.user["id"]})
    await put(owner, "anthropic_api_key", KEY, company)
    await put(owner, "language", "de", company)
    assert (await settings(member, company)).json == {"language": "de"}
    assert (await settings(owner, company)).json == {"anthropic_api_key": MASKED, "language": "de"}


async def test_null_deletes_a_setting_and_its_secret(runtime: Runtime, owner: Api, company: Json) -> None:
    await put(owner, "gemini_api_key", KEY, company)
    answer = await put(owner, "gemini_api_key", None, company)
    assert answer.json == {"schluessel": "gemini_api_key", "wert": None, "unternehmenId": company["id"]}
    assert (await settings(owner, company)).json == {}
    assert await runtime.key_for(company["id"], "gemini_api_key") is None


async def test_the_companys_key_wins_over_the_servers_and_that_over_the_environments(
    runtime: Runtime, admin: Api, owner: Api, company: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def key() -> str | None:
        return await runtime.key_for(company["id"], "anthropic_api_key")

    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    seen = [await key()]
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-the-environment")
    seen.append(await key())
    await put(admin, "anthropic_api_key", OTHER)
    seen.append(await key())
    await put(owner, "anthropic_api_key", KEY, company)
    seen.append(await key())
    await put(owner, "anthropic_api_key", None, company)
    seen.append(await key())
    assert seen == [None, "from-the-environment", OTHER, KEY, OTHER]


async def test_another_company_does_not_get_the_key(runtime: Runtime, owner: Api, company: Json) -> None:
    await put(owner, "openai_api_key", KEY, company)
    assert await runtime.key_for((await owner.company())["id"], "openai_api_key") is None


async def test_a_mask_that_comes_back_keeps_the_secret(runtime: Runtime, owner: Api, company: Json) -> None:
    await put(owner, "anthropic_api_key", KEY, company)
    answer = await put(owner, "anthropic_api_key", MASKED, company)
    assert (answer.status, answer.json["wert"]) == (200, MASKED)
    assert await runtime.key_for(company["id"], "anthropic_api_key") == KEY


@pytest.mark.parametrize("name", ["telegram_token", "hook_secret", "mail_password", "own_api_key"])
async def test_a_mask_that_stands_for_nothing_is_refused(owner: Api, company: Json, name: str) -> None:
    assert_error(await put(owner, name, "sk-ant-…4abc", company), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "name", ["anthropic_api_key", "telegram_token", "hook_secret", "mail_password", "openai_apikey", "db_passwd"]
)
async def test_every_name_of_a_secret_is_shown_masked(admin: Api, name: str) -> None:
    assert (await put(admin, name, KEY)).json["wert"] == MASKED
    assert (await settings(admin)).json == {name: MASKED}


async def test_what_the_runtime_reads_is_kept_and_its_secrets_are_shown_masked(admin: Api) -> None:
    price = {"input": 300, "output": 1500}
    values = {"model_prices": {"mine": price}, "fallback_price": price}
    keys = {name for name in KNOWN if name not in values}
    for name, value in (values | dict.fromkeys(keys, KEY)).items():
        assert (await put(admin, name, value)).status == 200
    assert (await settings(admin)).json == values | dict.fromkeys(keys, MASKED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("anthropic_api_key", 5),
        ("anthropic_api_key", ""),
        ("anthropic_api_key", "two\nlines"),
        ("anthropic_api_key", "copied\n"),
        ("hook_secret", ""),
        ("hook_secret", True),
        ("language", ["de"]),
        ("language", {"a": 1}),
        ("language", "x" * 10_001),
        ("amount", 10**400),
        ("amount", 2**60),
        ("model_prices", "cheap"),
        ("model_prices", {"m": {"input": "10abc", "output": 1}}),
        ("model_prices", {"m": {"input": -1, "output": 1}}),
        ("model_prices", {"m": {"input": 0, "output": 1}}),
        ("model_prices", {"m": {"input": 1, "output": 1, "cacheRead": 0}}),
        ("model_prices", {"m": {"input": 1}}),
        ("model_prices", {"m": {"input": True, "output": 1}}),
        ("model_prices", {"m": {"input": 1, "output": 1, "colour": 1}}),
        ("model_prices", {"m": {"input": 1, "output": 1, "kostenlos": True}}),
        ("fallback_price", 7),
        ("fallback_price", {"input": 0, "output": 0}),
    ],
)
async def test_a_value_that_the_setting_cannot_have_is_refused(admin: Api, name: str, value: Any) -> None:
    answer = await put(admin, name, value)
    assert_error(answer, 400, "VALIDATION_ERROR")
    assert answer.json["details"][0]["feld"] == "wert"
    assert (await settings(admin)).json == {}


@pytest.mark.parametrize("text", ['{"wert": NaN}', '{"wert": 1e999}', '{"wert": ' + "1" * 9000 + "}"])
async def test_what_is_no_number_is_no_value(admin: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await admin.call("PUT", "/api/einstellungen/amount", None, data=text, headers=headers)
    assert_error(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("name", ["Language", "1st", "with-dash", "ä", "a" * 101, "a%20b"])
async def test_a_name_that_no_setting_has_is_refused(admin: Api, name: str) -> None:
    assert_error(await put(admin, name, "x"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [{}, {"wert": 1, "colour": 2}, {"wert": 1, "unternehmenId": "mine"}])
async def test_a_body_of_another_form_is_refused(admin: Api, body: Json) -> None:
    assert_error(await admin.call("PUT", "/api/einstellungen/language", body), 400, "VALIDATION_ERROR")


async def test_numbers_booleans_and_texts_come_back_as_they_were(admin: Api) -> None:
    for name, value in (("a", 1.5), ("b", False), ("c", "ünï"), ("d", 0), ("e", "")):
        await put(admin, name, value)
    assert (await settings(admin)).json == {"a": 1.5, "b": False, "c": "ünï", "d": 0, "e": ""}


async def test_a_change_of_a_companys_setting_is_told_without_its_value(owner: Api, company: Json) -> None:
    await put(owner, "anthropic_api_key", KEY, company)
    entry = (await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet")).json[0]
    assert (entry["aktion"], entry["text"]) == ("setting.changed", "Changed the setting anthropic_api_key")
    assert "ant" not in str(entry["details"])


async def test_a_company_takes_its_settings_with_it(runtime: Runtime, owner: Api, company: Json) -> None:
    await put(owner, "anthropic_api_key", KEY, company)
    await put(owner, "language", "de", company)
    await owner.delete(f"/api/unternehmen/{company['id']}")
    assert await runtime.queries.all_settings() == []
    assert await runtime.queries.setting_secret(company["id"], "anthropic_api_key") is None


async def test_two_changes_at_once_are_both_kept(admin: Api) -> None:
    await asyncio.gather(*(put(admin, f"number_{number}", number) for number in range(20)))
    assert (await settings(admin)).json == {f"number_{number}": number for number in range(20)}


async def test_settings_secrets_and_prices_survive_a_restart(tmp_path: Path) -> None:
    price = {"own-model": {"input": 100, "output": 200}}
    async with Runtime(tmp_path / "data", settings=quick_settings()) as first:
        await first.ask(SETTINGS, SERVER, ChangeSetting(key="anthropic_api_key", value=KEY))
        await first.ask(SETTINGS, SERVER, ChangeSetting(key="model_prices", value=price))
    async with Runtime(tmp_path / "data", settings=quick_settings()) as second:
        # Before anything wakes the settings.
        stated = second.prices.of_model("own-model-20260101", "any-company")
        assert stated is not None
        assert (stated.input, stated.output) == (100, 200)
        state = await second.system.state(SETTINGS, SERVER)
        assert state is not None
        assert state.values == {"anthropic_api_key": MASKED, "model_prices": price}
        assert await second.key_for("any-company", "anthropic_api_key") == KEY


async def test_a_key_that_was_saved_is_found_nowhere(
    tmp_path: Path, owner: Api, company: Json, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = {"Idempotency-Key": "k-1"}
    answers = [
        await put(owner, "anthropic_api_key", KEY, company),
        await put(owner, "anthropic_api_key", KEY + "\n", company),
        await owner.call(
            "PUT",
            "/api/einstellungen/own_token",
            {"wert": KEY, "unternehmenId": company["id"]},
            headers=canary,
        ),
        await settings(owner, company),
        await owner.get(f"/api/unternehmen/{company['id']}/aktivitaet"),
    ]
    files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert any(file.name.endswith("-wal") for file in files)
    assert [file.name for file in files if b"canary0123" in file.read_bytes()] == []
    assert [answer for answer in answers if "canary0123" in answer.text] == []
    assert "canary0123" not in caplog.text + "".join(capfd.readouterr())
