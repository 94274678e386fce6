"""The critic: a result is looked at before its task is done, and nothing passes that nobody has looked at."""

import json
from decimal import Decimal
from typing import Any

import pytest

from opencognit.domain.run import TokenUsage
from opencognit.providers.port import MeteredCall, Outcome, ProviderFailed, Toolbox, Verdict, WorkOrder
from opencognit.settings import Settings
from opencognit.testing import ManualClock, ScriptedProvider, ScriptedReviewer
from tests.builders import Api, Follower, assert_error
from tests.conftest import quick_settings
from tests.http.working import Json, approvals_of, away, comments_of, run_ended, runs_of, task_of, verbs_of

NO = Verdict(accepted=False, reasons="The sum is wrong")
YES = Verdict(accepted=True, reasons="")
OFF = {"typ": "aus"}


@pytest.fixture
def settings() -> Settings:
    return quick_settings(agents={"bash_enabled": True, "bash_sandbox": "none"})


@pytest.fixture
def worker() -> ScriptedReviewer:
    return ScriptedReviewer()


@pytest.fixture
async def agent(owner: Api, company: Json) -> Json:
    return await owner.agent(company, name="Ada", verbindungsTyp="scripted")


def says(worker: ScriptedReviewer, *verdicts: Any) -> None:
    """Let the critic say this, one after the other, the last one for ever."""
    left = list(verdicts)

    async def judge(order: WorkOrder, result: str, toolbox: Toolbox) -> Verdict:
        verdict = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(verdict, Exception):
            raise verdict
        return verdict  # type: ignore[no-any-return]

    worker.judge = judge


async def worked(api: Api, company: Json, agent: Json, follower: Follower, **fields: Any) -> Json:
    """A task after its first run."""
    task = await api.task(company, zugewiesenAn=agent["id"], **fields)
    await run_ended(follower, aufgabeId=task["id"])
    return await task_of(api, task)


async def test_an_accepted_result_is_done(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    task = await worked(owner, company, agent, follower)
    assert (task["status"], worker.judged) == ("done", [(task["ergebnis"], None)])
    assert "critic.accepted" in await verbs_of(owner, company)


async def test_a_rejection_goes_back_to_the_agent_in_the_same_run_under_the_same_lock(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO, NO, YES)
    task = await worked(owner, company, agent, follower)
    assert (task["status"], task["executionToken"], task["versuche"]) == ("done", 1, 0)
    first, second, third = worker.orders
    assert first.run_id == second.run_id == third.run_id
    told = "System: The critic has rejected the result: The sum is wrong"
    assert (len(first.comments), len(third.comments)) == (0, 2)
    assert second.comments[0].casefold() == told.casefold()
    [run] = await runs_of(owner, agent)
    assert run["status"] == "succeeded"
    verbs = [verb for verb in await verbs_of(owner, company) if verb.startswith("critic.")]
    assert verbs == ["critic.rejected", "critic.rejected", "critic.accepted"]


async def test_a_rejection_is_a_comment_of_the_systems(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO, YES)
    task = await worked(owner, company, agent, follower)
    [comment, _] = (await owner.get(f"/api/aufgaben/{task['id']}/kommentare")).json
    assert (comment["autorTyp"], comment["autorExpertId"]) == ("system", None)
    assert "The sum is wrong" in comment["inhalt"]


async def test_the_third_rejection_blocks_the_task_and_asks_a_person(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO)
    task = await worked(owner, company, agent, follower)
    await follower.until("approval_needed")
    assert (task["status"], task["ergebnis"], len(worker.orders)) == ("blocked", None, 3)
    [asked] = await approvals_of(owner, company)
    assert asked["payload"]["aufgabeId"] == task["id"]
    assert "The sum is wrong" in asked["beschreibung"]
    [run] = await runs_of(owner, agent)
    assert (run["status"], run["fehler"]) == ("failed", "The critic has rejected the result: The sum is wrong")
    assert not [event for event in follower.seen if event["type"] in ("task_completed", "task_escalated")]


async def test_a_persons_answer_lets_a_rejected_task_go_on(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO, NO, NO, YES)
    task = await worked(owner, company, agent, follower)
    await follower.until("approval_needed")
    [asked] = await approvals_of(owner, company)
    await owner.make(f"/api/genehmigungen/{asked['id']}/genehmigen")
    await follower.until("task_completed", taskId=task["id"])


# A critic that fails


@pytest.mark.parametrize(
    "fault",
    [ProviderFailed("401 Unauthorized", transient=False), ZeroDivisionError(), "fine", None],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_critic_that_fails_for_good_passes_nothing_a_person_looks(
    fault: Any, owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, fault)
    task = await worked(owner, company, agent, follower)
    await follower.until("approval_needed")
    assert (task["status"], task["ergebnis"]) == ("in_review", f"{task['titel']}: done")
    [asked] = await approvals_of(owner, company)
    assert asked["payload"]["aufgabeId"] == task["id"]
    assert "could not be looked at" in asked["titel"]
    assert (await task_of(owner, task))["status"] == "in_review"


@pytest.mark.parametrize(("decision", "status"), [("genehmigen", "done"), ("ablehnen", "todo")])
async def test_the_persons_answer_decides_on_a_result_that_no_critic_could_look_at(
    decision: str, status: str, owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, ZeroDivisionError())
    task = await worked(owner, company, agent, follower)
    await follower.until("approval_needed")
    [asked] = await approvals_of(owner, company)
    await owner.make(f"/api/experten/{agent['id']}/pausieren")
    await owner.make(f"/api/genehmigungen/{asked['id']}/{decision}")
    while (await owner.get(f"/api/genehmigungen/{asked['id']}")).json["folgenOffen"]:
        pass
    assert (await task_of(owner, task))["status"] == status


class TestAway:
    @pytest.fixture
    async def clock(self) -> ManualClock:
        return ManualClock()

    async def test_a_critic_whose_provider_is_away_lets_the_task_wait_without_a_failed_attempt(
        self, owner: Api, company: Json, agent: Json, *, clock: ManualClock, follower: Follower,
        worker: ScriptedReviewer,
    ) -> None:  # fmt: skip
        says(worker, away(3600), YES)
        task = await worked(owner, company, agent, follower)
        assert (task["status"], task["versuche"], task["ergebnis"]) == ("todo", 0, None)
        await clock.advance(3600)
        await follower.until("task_completed", taskId=task["id"])


async def test_what_a_review_costs_is_booked_on_the_run(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    async def make() -> tuple[Verdict, Outcome]:
        return YES, Outcome(usage=TokenUsage(input_tokens=5), cost_cents=Decimal("0.25"), model="m")

    async def judge(order: WorkOrder, result: str, toolbox: Toolbox) -> Verdict:
        return await toolbox.metered(MeteredCall(provider_key="acme/1", worst=Outcome(), make=make))

    worker.judge = judge
    await worked(owner, company, agent, follower)
    [run] = await runs_of(owner, agent)
    assert (run["kostenCent"], run["usage"]["inputTokens"]) == (0.25, 5)


async def test_a_paused_agent_is_not_sent_back_to_work(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    async def judge(order: WorkOrder, result: str, toolbox: Toolbox) -> Verdict:
        await owner.make(f"/api/experten/{agent['id']}/pausieren")
        return NO

    worker.judge = judge
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("run_finished", aufgabeId=task["id"])
    now = await task_of(owner, task)
    assert (now["status"], now["executionLockedBy"], len(worker.orders)) == ("todo", None, 1)


async def test_what_is_not_handed_in_as_done_is_not_looked_at(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    async def script(order: WorkOrder, toolbox: Toolbox) -> Outcome:
        return Outcome(result="Look", status="in_review")

    worker.script = script
    task = await worked(owner, company, agent, follower)
    assert (task["status"], worker.judged) == ("in_review", [])


# Who the critic is


async def test_the_model_can_be_named(
    owner: Api, company: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    agent = await owner.agent(company, verbindungsTyp="scripted", critic={"typ": "modell", "modell": "strict-1"})
    assert agent["critic"] == {"typ": "modell", "modell": "strict-1"}
    await worked(owner, company, agent, follower)
    assert [model for _, model in worker.judged] == ["strict-1"]


async def test_an_agent_can_be_without_a_critic(
    owner: Api, company: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO)
    agent = await owner.agent(company, verbindungsTyp="scripted", critic=OFF)
    assert (await worked(owner, company, agent, follower))["status"] == "done"


async def test_the_tasks_critic_wins_over_the_agents(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    says(worker, NO)
    assert (await worked(owner, company, agent, follower, critic=OFF))["status"] == "done"


async def test_a_critic_can_be_changed_and_taken_away(owner: Api, company: Json, agent: Json) -> None:
    task = await owner.task(company, critic=OFF)
    for kind, one in (("experten", agent), ("aufgaben", task)):
        for critic in (OFF, {"typ": "bash", "befehl": "true"}, None):
            answer = await owner.patch(f"/api/{kind}/{one['id']}", {"critic": critic})
            assert (answer.status, answer.json["critic"]) == (200, critic)


class TestOff:
    @pytest.fixture
    def settings(self) -> Settings:
        return quick_settings(work={"critic": "off"})

    async def test_the_server_can_be_without_critics(
        self, owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
    ) -> None:
        says(worker, NO)
        assert (await worked(owner, company, agent, follower))["status"] == "done"

    async def test_a_command_needs_the_servers_permission(self, owner: Api, company: Json, agent: Json) -> None:
        critic = {"typ": "bash", "befehl": "true"}
        for answer in (
            await owner.patch(f"/api/experten/{agent['id']}", {"critic": critic}),
            await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "T", "critic": critic}),
        ):
            assert_error(answer, 400, "VALIDATION_ERROR")


class TestWithoutReview:
    @pytest.fixture
    def worker(self) -> ScriptedProvider:
        return ScriptedProvider()

    async def test_an_adapter_that_cannot_review_has_no_critic_by_itself(
        self, owner: Api, company: Json, agent: Json, follower: Follower
    ) -> None:
        assert (await worked(owner, company, agent, follower))["status"] == "done"

    async def test_but_one_that_was_asked_for_is_missed(self, owner: Api, company: Json, follower: Follower) -> None:
        agent = await owner.agent(company, verbindungsTyp="scripted", critic={"typ": "modell"})
        assert (await worked(owner, company, agent, follower))["status"] == "in_review"


@pytest.mark.parametrize(
    "critic", [{}, {"typ": "friend"}, {"typ": "bash"}, {"typ": "aus", "befehl": "x"}, {"typ": "bash", "befehl": ""}, 5]
)
async def test_a_bad_critic_is_refused(critic: Any, owner: Api, company: Json, agent: Json) -> None:
    for answer in (
        await owner.patch(f"/api/experten/{agent['id']}", {"critic": critic}),
        await owner.post(f"/api/unternehmen/{company['id']}/aufgaben", {"titel": "T", "critic": critic}),
    ):
        assert_error(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("critic", [OFF, {"typ": "bash", "befehl": "touch /tmp/mine"}])
async def test_an_agent_does_not_choose_who_judges_it(critic: Json, owner: Api, company: Json, agent: Json) -> None:
    itself = await owner.agent_api(agent)
    parent = await owner.task(company)
    subtask = {"titel": "T", "parentId": parent["id"]}
    await itself.make(f"/api/unternehmen/{company['id']}/aufgaben", subtask)
    answer = await itself.post(f"/api/unternehmen/{company['id']}/aufgaben", {**subtask, "critic": critic})
    assert_error(answer, 403, "FORBIDDEN")


# A command as critic


def command(text: str) -> Json:
    return {"typ": "bash", "befehl": text}


async def test_a_command_that_ends_well_accepts(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    task = await worked(owner, company, agent, follower, critic=command("true"))
    assert (task["status"], worker.judged) == ("done", [])


async def test_a_commands_output_is_the_reasons(
    owner: Api, company: Json, agent: Json, *, follower: Follower, worker: ScriptedReviewer
) -> None:
    task = await worked(owner, company, agent, follower, critic=command("echo two tests failed; exit 1"))
    assert task["status"] == "blocked"
    assert worker.orders[-1].comments[-1].endswith("two tests failed")


async def test_a_command_is_given_the_task_and_the_result(
    owner: Api, company: Json, agent: Json, follower: Follower
) -> None:
    task = await worked(owner, company, agent, follower, titel="Sums", critic=command("cat; exit 1"))
    said = (await comments_of(owner, task))[0]
    given = json.loads(said[said.index("{") :])
    assert (given["titel"], given["ergebnis"], given["aufgabeId"]) == ("Sums", "Sums: done", task["id"])
