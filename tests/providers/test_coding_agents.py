"""Command lines of coding agents really run, played by programs that say what the real ones say."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opencognit.domain.coding_session import CodingSession
from opencognit.domain.errors import StorageUnavailable, ValidationFailed
from opencognit.domain.pricing import StatedPrices
from opencognit.domain.run import TokenUsage
from opencognit.providers.coding_agents import CodingAgentProvider
from opencognit.providers.coding_cli import CLIS
from opencognit.providers.port import Outcome, ProviderFailed
from opencognit.providers.prices import PriceList
from tests.providers.coding_cli_fakes import FakeCli, claude_says, codex_says, gemini_says, line
from tests.providers.commands import locked, released
from tests.providers.toolbox import FakeToolbox, order

KEY = "sk-canary-0123456789"
BY_NAME = {cli.name: cli for cli in CLIS}
SAYS: dict[str, Callable[..., str]] = {"claude-code": claude_says, "codex-cli": codex_says, "gemini-cli": gemini_says}
UNKNOWN = {
    "claude-code": "No conversation found with session ID: old",
    "codex-cli": "Error: thread/resume: thread/resume failed: no rollout found for thread id old (code -32600)",
    "gemini-cli": 'Error resuming session: Invalid session identifier "old".',
}


class Bench:
    """One command line, and an agent that works with it."""

    def __init__(self, name: str, tmp_path: Path, workspace: Path) -> None:
        self.name = name
        self.cli = FakeCli(BY_NAME[name].program, tmp_path / "cli")
        self.toolbox = FakeToolbox()
        self.workspace = workspace
        self.stated = StatedPrices()
        self.key: str | None = KEY
        self.asked: list[tuple[str, str]] = []

    async def _key_for(self, company_id: str, name: str) -> str | None:
        self.asked.append((company_id, name))
        return self.key

    def provider(self, **options: Any) -> CodingAgentProvider:
        options = {"enabled": True, "sandbox": "none", "kill_grace": 0.2, **options}
        prices = PriceList(stated=self.stated)
        return CodingAgentProvider(
            BY_NAME[self.name], key_for=self._key_for, prices=prices, extra_path=(self.cli.bin,), **options
        )

    async def work(self, *, options: Any = None, **config: Any) -> Outcome:
        task = order(config=config, workspace=str(self.workspace))
        return await self.provider(**(options or {})).work(task, self.toolbox)

    def says(self, *args: Any, **fields: Any) -> None:
        self.cli.plays(SAYS[self.name](*args, **fields))


@pytest.fixture(params=list(BY_NAME))
def each(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Bench:
    """Each of them in turn."""
    return Bench(request.param, tmp_path, workspace)


@pytest.fixture
def claude_code(tmp_path: Path, workspace: Path) -> Bench:
    return Bench("claude-code", tmp_path, workspace)


@pytest.fixture
def codex(tmp_path: Path, workspace: Path) -> Bench:
    return Bench("codex-cli", tmp_path, workspace)


@pytest.fixture
def gemini(tmp_path: Path, workspace: Path) -> Bench:
    return Bench("gemini-cli", tmp_path, workspace)


async def test_the_last_message_is_the_result(each: Bench) -> None:
    each.says("The answer is 42.")
    outcome = await each.work()
    assert (outcome.result, outcome.error, outcome.status) == ("The answer is 42.", None, "done")


async def test_what_it_says_on_the_way_is_shown_as_text(each: Bench) -> None:
    each.says("The answer.")
    outcome = await each.work()
    heard = "".join(each.toolbox.heard)
    assert "I look." in heard
    assert "→ " in heard
    assert "{" not in heard
    assert outcome.output == heard


async def test_the_prompt_comes_on_standard_input_and_never_as_an_argument(each: Bench) -> None:
    each.says()
    await each.work()
    (start,) = each.cli.starts
    assert "Count the anvils" in start["stdin"]
    assert "You are Ada, Engineer at Acme." in start["stdin"]
    assert "anvils" not in " ".join(start["argv"])


async def test_it_has_the_one_key_that_it_needs_and_nothing_of_the_servers_environment(
    each: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "leaked")
    each.says()
    await each.work()
    env = each.cli.starts[0]["env"]
    variable = BY_NAME[each.name].key[1]
    assert env.pop(variable) == KEY
    assert each.asked == [("company-1", BY_NAME[each.name].key[0])]
    assert env["HOME"] == str(each.workspace / ".opencognit" / "agent-1")
    assert [name for name in env if name.endswith("_KEY")] == []
    assert "leaked" not in str(env)


async def test_it_works_in_the_workspace_and_leaves_its_home_out_of_repositories(each: Bench) -> None:
    each.says()
    await each.work()
    assert each.cli.starts[0]["cwd"] == str(each.workspace)
    assert (each.workspace / ".opencognit" / ".gitignore").read_text() == "*\n"


async def test_it_works_in_the_sandbox_too(each: Bench) -> None:
    # In there, nothing of `/tmp` is seen but the workspace.
    each.cli = FakeCli(BY_NAME[each.name].program, each.workspace / "cli", python="/usr/bin/env python3")
    each.says()
    outcome = await each.work(options={"sandbox": "auto"})
    assert outcome.error is None


async def test_without_a_key_nothing_is_started(each: Bench) -> None:
    each.key = None
    with pytest.raises(ProviderFailed, match=BY_NAME[each.name].key[0]) as raised:
        await each.work()
    assert not raised.value.transient
    assert each.cli.starts == []


async def test_a_key_that_it_says_aloud_is_not_passed_on(each: Bench) -> None:
    each.says(f"The key is {KEY}.")
    outcome = await each.work()
    assert KEY not in f"{outcome.result}{outcome.output}{each.toolbox.heard}"
    assert outcome.result == "The key is [key]."


@pytest.mark.parametrize("access", ["read", "edit", "full"])
async def test_what_it_may_do_and_its_model_are_configured(each: Bench, access: Any) -> None:
    each.says()
    await each.work(zugriff=access, modell="some-model")
    argv = " ".join(each.cli.starts[0]["argv"])
    assert " ".join(BY_NAME[each.name].access[access]) in argv
    assert "--model some-model" in argv


# Cost


async def test_the_cost_that_claude_code_names_is_booked(claude_code: Bench) -> None:
    claude_code.says(cost=0.1234567)
    await claude_code.work()
    (booked,) = claude_code.toolbox.booked
    assert (booked.cost_cents, booked.cost_estimated, booked.model) == (Decimal("12.345670"), False, "claude-haiku-4-5")
    assert booked.usage == TokenUsage(input_tokens=10, output_tokens=20, cache_read_tokens=3, cache_write_tokens=4)


@pytest.mark.parametrize("cost", [None, 0])
async def test_a_cost_that_is_not_named_is_counted_by_the_tokens(claude_code: Bench, cost: float | None) -> None:
    claude_code.says(cost=cost)
    await claude_code.work()
    (booked,) = claude_code.toolbox.booked
    expected = PriceList().cost(booked.usage, vendor="anthropic", model="claude-haiku-4-5")
    assert (booked.cost_cents, booked.cost_estimated) == (expected.cents, False)
    assert booked.cost_cents > 0


async def test_the_tokens_of_codex_have_the_price_that_the_settings_state(codex: Bench) -> None:
    price = {"input": 1_000_000, "output": 2_000_000, "cacheRead": 100_000}
    codex.stated.set("company-1", models={"gpt-x": price}, fallback=None)
    codex.says()
    await codex.work(modell="gpt-x")
    (booked,) = codex.toolbox.booked
    assert booked.usage == TokenUsage(input_tokens=600, output_tokens=50, cache_read_tokens=400)
    assert (booked.cost_cents, booked.cost_estimated) == (Decimal(740), False)


async def test_a_model_that_is_not_named_has_the_fallback_price(codex: Bench) -> None:
    codex.says()
    await codex.work()
    (booked,) = codex.toolbox.booked
    assert booked.cost_estimated
    assert booked.cost_cents > 0


async def test_what_gemini_has_thought_costs_as_output(gemini: Bench) -> None:
    gemini.says()
    await gemini.work()
    (booked,) = gemini.toolbox.booked
    assert booked.usage == TokenUsage(input_tokens=70, output_tokens=60, cache_read_tokens=30)
    assert (booked.model, booked.cost_estimated) == ("gemini-2.5-pro", False)
    assert booked.cost_cents > 0


async def test_a_subscription_costs_nothing_if_the_configuration_says_so(each: Bench) -> None:
    each.says()
    await each.work(abonnement=True)
    (booked,) = each.toolbox.booked
    assert (booked.cost_cents, booked.cost_estimated) == (0, False)
    assert booked.usage != TokenUsage()
    assert BY_NAME[each.name].key[1] not in each.cli.starts[0]["env"]


async def test_tokens_that_were_not_counted_are_estimated(each: Bench) -> None:
    whole = SAYS[each.name]()
    each.cli.plays("\n".join(whole.splitlines()[:-1]) + "\n", {"exit": 1})
    outcome = await each.work()
    (booked,) = each.toolbox.booked
    assert outcome.error is not None
    assert booked.cost_estimated
    assert booked.cost_cents > 0


async def test_a_start_that_came_to_nothing_costs_nothing(each: Bench) -> None:
    each.cli.plays({"complain": "Not logged in"}, {"exit": 1})
    outcome = await each.work()
    assert outcome.error == f"{BY_NAME[each.name].title}: Not logged in"
    assert [booked.cost_cents for booked in each.toolbox.booked] == [0]


async def test_the_most_that_it_may_cost_is_said_before(claude_code: Bench) -> None:
    claude_code.says()
    await claude_code.work(maxKostenCent=150)
    assert claude_code.toolbox.metered_calls[0].worst.cost_cents == 150
    assert "--max-budget-usd 1.50" in " ".join(claude_code.cli.starts[0]["argv"])


@pytest.mark.parametrize(
    "end", [{"total_cost_usd": -1}, {"total_cost_usd": "10abc"}, {"usage": {"input_tokens": -5, "output_tokens": 1}}]
)
async def test_an_impossible_number_is_no_result_and_not_booked(claude_code: Bench, end: dict[str, Any]) -> None:
    claude_code.says(**end)
    outcome = await claude_code.work()
    assert outcome.result is None
    assert "that can be read (result: " in (outcome.error or "")
    (booked,) = claude_code.toolbox.booked
    assert booked.cost_estimated
    assert booked.cost_cents > 0


@pytest.mark.parametrize("usage", [{"cached_input_tokens": 5000}, {"input_tokens": -1}, {"output_tokens": 10**15}])
async def test_tokens_that_codex_cannot_have_used_are_no_result(codex: Bench, usage: dict[str, int]) -> None:
    codex.says(**usage)
    assert "that can be read (turn.completed: " in ((await codex.work()).error or "")


# Sessions


async def test_the_next_run_resumes_the_session(each: Bench) -> None:
    each.says(session="abc")
    each.says(session="abc")
    await each.work()
    assert each.toolbox.session is not None
    assert each.toolbox.session.id == "abc"
    await each.work()
    first, second = each.cli.starts
    assert "abc" not in first["argv"]
    assert f"{BY_NAME[each.name].resume[0]} abc" in " ".join(second["argv"])
    assert "You are Ada" not in second["stdin"]
    assert "Count the anvils" in second["stdin"]


async def test_a_session_that_is_unknown_is_forgotten_and_a_new_one_begun(each: Bench) -> None:
    each.toolbox.session = CodingSession(adapter=each.name, id="old")
    each.cli.plays({"complain": UNKNOWN[each.name] + "\n"}, {"exit": 1})
    each.says(session="new")
    outcome = await each.work()
    assert outcome.error is None
    assert None in each.toolbox.sessions
    assert each.toolbox.session.id == "new"
    assert "old" not in each.cli.starts[1]["argv"]


async def test_a_session_that_claude_code_reports_as_unknown_is_forgotten(claude_code: Bench) -> None:
    claude_code.toolbox.session = CodingSession(adapter="claude-code", id="old")
    claude_code.cli.plays(
        line(
            type="result",
            subtype="error_during_execution",
            is_error=True,
            session_id="old",
            total_cost_usd=0,
            errors=["No conversation found with session ID: old"],
        ),
        {"exit": 1},
    )
    claude_code.says(session="new")
    assert (await claude_code.work()).error is None
    assert claude_code.toolbox.session.id == "new"


async def test_another_adapters_session_is_not_resumed(each: Bench) -> None:
    each.toolbox.session = CodingSession(adapter="another", id="old")
    each.says()
    await each.work()
    assert "old" not in each.cli.starts[0]["argv"]


async def test_the_tokens_of_earlier_runs_of_a_session_are_not_booked_again(codex: Bench) -> None:
    codex.says()
    codex.says(input_tokens=1500, cached_input_tokens=600, output_tokens=70)
    codex.says(input_tokens=100, cached_input_tokens=0, output_tokens=5)
    for _ in range(3):
        await codex.work()
    assert [booked.usage for booked in codex.toolbox.booked] == [
        TokenUsage(input_tokens=600, output_tokens=50, cache_read_tokens=400),
        TokenUsage(input_tokens=300, output_tokens=20, cache_read_tokens=200),
        TokenUsage(input_tokens=100, output_tokens=5),
    ]


async def test_the_session_is_remembered_while_the_run_is_under_way(each: Bench) -> None:
    each.cli.plays(SAYS[each.name](session="abc").rpartition("{")[0], {"hang": True})
    running = asyncio.create_task(each.work())
    await each.toolbox.said("I look.")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert each.toolbox.session is not None
    assert each.toolbox.session.id == "abc"


async def test_a_resumed_session_of_gemini_keeps_its_id_whatever_is_said(gemini: Bench) -> None:
    gemini.toolbox.session = CodingSession(adapter="gemini-cli", id="abc")
    gemini.says(session="made-up-at-startup")
    await gemini.work()
    assert gemini.toolbox.session.id == "abc"


@pytest.mark.parametrize("session", ["--yolo", "a b", "", "abc\n", "x" * 300])
async def test_a_session_whose_id_could_be_a_flag_is_not_remembered(each: Bench, session: str) -> None:
    each.says(session=session)
    await each.work()
    assert each.toolbox.session is None


async def test_a_session_that_cannot_be_remembered_does_not_cost_the_result(claude_code: Bench) -> None:
    async def refuse(_session: object) -> None:
        raise StorageUnavailable

    claude_code.toolbox.keep_coding_session = refuse  # type: ignore[method-assign]
    claude_code.says("Fine.")
    assert (await claude_code.work()).result == "Fine."


# Failures


async def test_lines_that_are_no_json_are_shown_and_change_nothing(each: Bench) -> None:
    first, *rest = SAYS[each.name]("Fine.").splitlines()
    noise = ["not json", '{"type": 5}', "[1]", '{"type": "something.new", "x": 1}', "\x00\x01", "{", '{"type":']
    each.cli.plays("\n".join([first, *noise, *rest]))
    outcome = await each.work()
    assert outcome.result == "Fine."
    assert "not json" in outcome.output


async def test_an_end_without_a_result_is_a_failure(each: Bench) -> None:
    each.cli.plays("nothing to see\n")
    assert (await each.work()).error == f"{BY_NAME[each.name].title}: it ended without a result"


async def test_an_empty_answer_is_a_failure(each: Bench) -> None:
    each.says("")
    assert (await each.work()).error == f"{BY_NAME[each.name].title}: its answer is empty"


async def test_a_result_with_a_bad_status_is_a_failure_and_booked(each: Bench) -> None:
    each.cli.plays(SAYS[each.name](), {"complain": "boom\n"}, {"exit": 3})
    outcome = await each.work()
    assert (outcome.result, outcome.error) == (None, f"{BY_NAME[each.name].title}: boom")
    assert each.toolbox.booked[0].cost_cents > 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("claude-code", claude_says(subtype="error_max_turns", is_error=True, errors=["Too many turns"])),
        ("claude-code", claude_says("Too many turns", is_error=True)),
        ("codex-cli", line(type="turn.failed", error={"message": "Too many turns"})),
        ("gemini-cli", line(type="result", status="error", error={"type": "E", "message": "Too many turns"})),
    ],
)
async def test_a_failure_that_it_reports_is_told(name: str, said: str, tmp_path: Path, workspace: Path) -> None:
    bench = Bench(name, tmp_path, workspace)
    bench.cli.plays(said)
    assert (await bench.work()).error == f"{BY_NAME[name].title}: Too many turns"


async def test_a_limit_that_will_pass_is_a_passing_failure(each: Bench) -> None:
    each.cli.plays({"complain": "API Error: 429 rate_limit_error"}, {"exit": 1})
    with pytest.raises(ProviderFailed, match="429") as raised:
        await each.work()
    assert raised.value.transient


async def test_a_program_that_is_not_installed_is_a_failure(each: Bench) -> None:
    for file in each.cli.bin.iterdir():
        file.unlink()
    outcome = await each.work()
    assert "not found" in (outcome.error or "")
    assert [booked.cost_cents for booked in each.toolbox.booked] == [0]


async def test_a_huge_output_takes_little_room(claude_code: Bench) -> None:
    claude_code.cli.plays({"flood": 30}, "\n" + claude_says("Fine."))
    outcome = await claude_code.work(options={"output_limit_bytes": 1000})
    assert outcome.result == "Fine."
    assert len(outcome.output) < 1100


async def test_a_run_is_ended_at_its_limit_with_all_it_has_started(each: Bench) -> None:
    held = each.workspace / "held"
    held.touch()
    each.cli.plays({"child": str(held)}, {"deaf": True}, {"hang": True})
    outcome = await each.work(zeitlimitSek=1.0)
    assert outcome.error == f"{BY_NAME[each.name].title}: it was ended after its limit of 1 s"
    assert not locked(held)


async def test_a_cancelled_run_ends_all_that_it_has_started(each: Bench) -> None:
    held = each.workspace / "held"
    held.touch()
    said = SAYS[each.name]().rpartition("{")[0]
    each.cli.plays({"child": str(held)}, {"deaf": True}, said, {"hang": True})
    running = asyncio.create_task(each.work())
    await each.toolbox.said("I look.")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await released(held)


# Configuration


async def test_it_is_off_unless_the_server_allows_it(each: Bench) -> None:
    with pytest.raises(ValidationFailed, match=r"agents\.coding_agents_enabled"):
        each.provider(enabled=False).validate({})
    with pytest.raises(ProviderFailed):
        await each.work(options={"enabled": False})
    assert each.cli.starts == []


@pytest.mark.parametrize(
    "config",
    [
        {"befehl": "ls"},
        {"modell": "--dangerously-skip-permissions"},
        {"modell": "a b"},
        {"zugriff": "everything"},
        {"maxKostenCent": 0},
        {"maxKostenCent": "10abc"},
        {"abonnement": "yes"},
        {"zeitlimitSek": 0},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(each: Bench, config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        each.provider().validate(config)


def test_an_empty_configuration_is_enough(each: Bench) -> None:
    each.provider().validate({})
