"""Settings: defaults, then a file, the environment, the arguments; a wrong value says where it came from."""

from pathlib import Path
from typing import Any

import pytest

from opencognit import Settings, SettingsError


def load(file: Path | None = None, overrides: Any = None, /, **environment: str) -> Settings:
    return Settings.load(file, environment=environment, overrides=overrides)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that names a port."""
    path = tmp_path / "my.toml"
    path.write_text("[server]\nport = 4000\n", "utf-8")
    return path


# Where a value comes from


def test_without_anything_the_defaults_hold() -> None:
    settings = load()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 3201)
    assert settings.work.retry_delays_seconds == (300.0, 900.0, 2700.0)


def test_a_file_need_only_name_what_it_changes(file: Path) -> None:
    settings = load(file)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 4000)


def test_the_environment_wins_over_the_file(file: Path) -> None:
    assert load(file, OPENCOGNIT_SERVER__PORT="5000").server.port == 5000


def test_the_arguments_win_over_the_environment(file: Path) -> None:
    settings = load(file, {"server": {"port": 6000}}, OPENCOGNIT_SERVER__PORT="5000")
    assert settings.server.port == 6000


def test_each_source_keeps_what_the_others_say_of_other_settings(file: Path) -> None:
    settings = load(file, {"server": {"grace_seconds": 1.0}}, OPENCOGNIT_SERVER__HOST="::1")
    assert (settings.server.port, settings.server.host, settings.server.grace_seconds) == (4000, "::1", 1.0)


def test_the_processs_own_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCOGNIT_WORK__RUNS_AT_ONCE", "50")
    assert Settings.load().work.runs_at_once == 50


def test_an_empty_environment_is_not_the_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCOGNIT_WORK__RUNS_AT_ONCE", "50")
    assert load().work.runs_at_once == 20


@pytest.mark.parametrize(
    ("variable", "text", "section", "value"),
    [
        ("SERVER__PORT", "5000", "server", 5000),
        ("WORK__LEASE_SECONDS", "60", "work", 60.0),
        ("WORK__LEASE_SECONDS", "0.5", "work", 0.5),
        ("AGENTS__BASH_ENABLED", "true", "agents", True),
        ("AGENTS__BASH_ENABLED", "0", "agents", False),
        ("AGENTS__BASH_SANDBOX", "none", "agents", "none"),
        ("AGENTS__WORK_DIRS", '["/srv/a", "/srv/b"]', "agents", ("/srv/a", "/srv/b")),
        ("AGENTS__WORK_DIRS", "[]", "agents", ()),
        ("WORK__RETRY_DELAYS_SECONDS", "[1, 2.5]", "work", (1.0, 2.5)),
        ("SERVER__PUBLIC_URL", "https://example.com", "server", "https://example.com"),
    ],
)
def test_a_variable_is_read_by_the_settings_type(variable: str, text: str, section: str, value: object) -> None:
    settings = load(None, None, **{f"OPENCOGNIT_{variable}": text})
    assert getattr(getattr(settings, section), variable.split("__")[1].lower()) == value


@pytest.mark.parametrize("name", ["PATH", "OPENCOGNIT_HOME", "OTHER_SERVER__PORT", "opencognit_server__port"])
def test_other_variables_are_none_of_ours(name: str) -> None:
    assert load(None, None, **{name: "9"}) == load()


# What cannot be


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SERVER__PORT", "many"),
        ("SERVER__PORTS", "3201"),
        ("SERVICE__PORT", "3201"),
        ("AGENTS__BASH_ENABLED", "perhaps"),
        ("AGENTS__BASH_SANDBOX", "docker"),
        ("WORK__RETRY_DELAYS_SECONDS", '["soon"]'),
        ("WORK__RETRY_DELAYS_SECONDS", "[1, 2"),
        ("WORK__RETRY_DELAYS_SECONDS", "5"),
    ],
)
def test_a_variable_that_cannot_be_is_refused_with_its_source(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match="environment"):
        load(None, None, **{f"OPENCOGNIT_{variable}": text})


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "port", -1),
        ("server", "port", 65536),
        ("server", "grace_seconds", -1.0),
        ("accounts", "bcrypt_rounds", 3),
        ("accounts", "bcrypt_rounds", 32),
        ("accounts", "session_seconds", 0.0),
        ("work", "lease_seconds", 0.0),
        ("work", "lease_seconds", float("nan")),
        ("work", "lease_seconds", float("inf")),
        ("work", "run_time_limit_seconds", -5.0),
        ("work", "runs_at_once", 0),
        ("work", "tasks_per_heartbeat", 0),
        ("work", "retry_delays_seconds", ()),
        ("work", "retry_delays_seconds", (-1.0,)),
        ("actors", "ask_deadline_seconds", 0.0),
        ("actors", "passivate_after_seconds", 0.0),
        ("agents", "bash_memory_mb", 0),
    ],
)
def test_a_value_that_nothing_could_work_with_is_refused(section: str, name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        load(None, {section: {name: value}})


@pytest.mark.parametrize(
    "text", ["[server]\nport = 'many'\n", "[server]\nprot = 1\n", "[serber]\nport = 1\n", "port = 1\n", "server = 5\n"]
)
def test_a_file_with_what_cannot_be_is_refused_by_its_name(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=str(file)):
        load(file)


@pytest.mark.parametrize("content", [b"[server\nport = 1", b"\xff\xfe", b"[server]\nport = 1\n[server]\n"])
def test_a_file_that_is_no_toml_is_refused_by_its_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=str(file)):
        load(file)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="missing"):
        load(tmp_path / "missing.toml")


def test_a_wrong_argument_says_that_it_was_an_argument() -> None:
    with pytest.raises(SettingsError, match="arguments"):
        load(None, {"server": {"port": "many"}})


def test_a_wrong_value_is_told_with_its_setting() -> None:
    with pytest.raises(SettingsError, match=r"server\.port"):
        load(OPENCOGNIT_SERVER__PORT="many")


# What the actors get


def test_the_actors_get_the_limits_of_the_settings(tmp_path: Path) -> None:
    settings = load(
        None,
        {
            "work": {"lease_seconds": 60.0, "runs_at_once": 3, "retry_delays_seconds": (1.0,)},
            "actors": {"ask_deadline_seconds": 2.0},
            "agents": {"work_dirs": ("/srv",)},
        },
    )
    limits = settings.limits(agents_folder=tmp_path)
    assert (limits.lease, limits.runs_at_once, limits.retry_delays, limits.ask_deadline) == (60.0, 3, (1.0,), 2.0)
    assert (limits.agents_folder, limits.work_dirs) == (tmp_path, (Path("/srv"),))


@pytest.mark.parametrize(
    ("given", "url"), [("", "http://localhost:4000"), ("https://agents.example.com", "https://agents.example.com")]
)
def test_agents_are_told_the_public_address_or_the_local_one(given: str, url: str) -> None:
    settings = load(None, {"server": {"port": 4000, "public_url": given}})
    assert settings.limits(agents_folder=Path("agents")).public_url == url
