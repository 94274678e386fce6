"""Whole companies as files: what comes out can go in again, and nothing of it is secret."""

import io
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencognit.domain.company_file import read_company
from opencognit.domain.errors import DomainError, ValidationFailed
from opencognit.domain.yaml_text import json_of
from opencognit.runtime import Runtime
from opencognit.testing import ManualClock
from tests.builders import Answer, Api, Follower, assert_error

Json = dict[str, Any]

CANARY = "sk-canary-0123456789-abcdef"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEAD = {"format": "opencognit-company", "formatVersion": 1, "unternehmen": {"name": "Acme"}}
IMPORT = "/api/unternehmen/import"


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


async def lived_in(owner: Api) -> Json:
    """A company with something of everything; nobody of it works by itself."""
    company = await owner.company(ziel="Rockets", budgetMonatCent=100_000, waehrung="EUR", zeitzone="Europe/Berlin")
    of_company = f"/api/unternehmen/{company['id']}"
    boss = await owner.agent(company, name="Boss", isOrchestrator=True, systemPrompt="Lead.")
    config = {"basisUrl": "https://models.example.com/v1", "modell": "m", "apiKey": CANARY}
    ada = await owner.agent(
        company, name="Ada", reportsTo=boss["id"], verbindungsTyp="custom", verbindungsConfig=config, zyklusAktiv=True
    )
    gone = await owner.agent(company, name="Gone", reportsTo=boss["id"])
    await owner.make(f"/api/experten/{ada['id']}/skills", {"name": "SQL", "inhalt": "Joins.", "proficiency": 80})
    await owner.make(f"/api/experten/{ada['id']}/erinnerungen", {"inhalt": "Tea at four", "schlagworte": ["tea"]})
    await owner.call("PUT", f"/api/experten/{ada['id']}/permissions", {"hire": "ask"})
    goal = await owner.make(
        f"{of_company}/ziele", {"titel": "Fly", "status": "active", "eigentuemerExpertId": ada["id"]}
    )
    below = await owner.make(f"{of_company}/ziele", {"titel": "Start", "parentId": goal["id"]})
    done = await owner.task(company, titel="Draw it", zielId=goal["id"], zugewiesenAn=gone["id"], prioritaet="high")
    text = f"Of steel, as drawn in {done['id']}."
    running = await owner.task(company, titel="Build it", zielId=goal["id"], beschreibung=text)
    await owner.patch(f"/api/aufgaben/{done['id']}", {"status": "done", "ergebnis": "Drawn."})
    await owner.make(f"/api/aufgaben/{running['id']}/kommentare", {"inhalt": "Hello"})
    waiting = await owner.task(
        company,
        titel="Fly it",
        zielId=below["id"],
        parentId=running["id"],
        blockedBy=[running["id"], done["id"]],
        nichtVor="2027-01-01",
    )
    await (await owner.agent_api(gone)).make(f"/api/aufgaben/{waiting['id']}/kommentare", {"inhalt": "I shall."})
    await owner.make(f"/api/aufgaben/{running['id']}/checkout", {"expertId": boss["id"]})
    await owner.delete(f"/api/experten/{gone['id']}")
    await owner.make(f"/api/experten/{boss['id']}/pausieren")
    routine = await owner.make(
        f"{of_company}/routinen", {"titel": "Report on {{x}}", "zugewiesenAn": ada["id"], "variablen": {"x": [1]}}
    )
    for trigger in ({"kind": "schedule", "cronExpression": "@daily", "timezone": "Asia/Tokyo"}, {"kind": "webhook"}):
        await owner.make(f"/api/routinen/{routine['id']}/triggers", trigger)
    return company


async def exported(owner: Api, company: Json) -> Json:
    answer = await owner.get(f"/api/unternehmen/{company['id']}/export")
    assert answer.status == 200, answer
    file: Json = answer.json
    return file


def without_ids(file: Json) -> Json:
    """The file with its ids numbered in their order, and without the time of its export."""
    numbers: dict[str, str] = {}
    text = json.dumps({**file, "exportiertAm": None})
    numbered: Json = json.loads(ID.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers)}"), text))
    return numbered


def problems(answer: Answer) -> dict[str, str]:
    assert_error(answer, 400, "VALIDATION_ERROR")
    return {detail["feld"]: detail["problem"] for detail in answer.json["details"]}


async def test_what_is_exported_and_imported_and_exported_is_the_same(owner: Api) -> None:
    first = await exported(owner, await lived_in(owner))
    second = await exported(owner, await owner.make(IMPORT, first))
    assert without_ids(second) == without_ids(first)
    assert not set(ID.findall(json.dumps(first))) & set(ID.findall(json.dumps(second)))


async def test_a_file_says_what_a_company_is_made_of(owner: Api) -> None:
    file = await exported(owner, await lived_in(owner))
    assert (file["format"], file["formatVersion"]) == ("opencognit-company", 1)
    assert file["unternehmen"] == {
        "name": "Acme",
        "ziel": "Rockets",
        "budgetMonatCent": 100_000,
        "waehrung": "EUR",
        "zeitzone": "Europe/Berlin",
    }
    boss, ada = file["experten"]
    assert (ada["reportsTo"], ada["permissions"], boss["status"]) == (boss["id"], {"hire": "ask"}, "paused")
    assert [note["inhalt"] for note in ada["erinnerungen"]] == ["Tea at four"]
    done, running, waiting = file["aufgaben"]
    assert (done["status"], running["status"], waiting["status"]) == ("done", "todo", "blocked")
    assert "zugewiesenAn" not in done
    assert waiting["blockedBy"] == [running["id"], done["id"]]
    assert [(comment["autorName"], comment["inhalt"]) for comment in waiting["kommentare"]] == [("Gone", "I shall.")]
    assert [trigger["kind"] for trigger in file["routinen"][0]["triggers"]] == ["schedule", "webhook"]


async def test_a_text_that_names_a_task_names_its_copy(owner: Api) -> None:
    made = await owner.make(IMPORT, await exported(owner, await lived_in(owner)))
    done, running, _ = (await owner.get(f"/api/unternehmen/{made['id']}/aufgaben")).json
    assert running["beschreibung"] == f"Of steel, as drawn in {done['id']}."


async def test_an_export_is_a_download(owner: Api, company: Json) -> None:
    answer = await owner.get(f"/api/unternehmen/{company['id']}/export")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="company-{company["id"]}.json"'


async def test_no_secret_is_in_the_file_and_it_says_which_are_missing(owner: Api) -> None:
    company = await lived_in(owner)
    setting = {"wert": CANARY, "unternehmenId": company["id"]}
    assert (await owner.call("PUT", "/api/einstellungen/anthropic_api_key", setting)).status == 200
    (routine,) = (await owner.get(f"/api/unternehmen/{company['id']}/routinen")).json
    hook = await owner.make(f"/api/routinen/{routine['id']}/triggers", {"kind": "webhook"})
    answer = await owner.get(f"/api/unternehmen/{company['id']}/export")
    ada = answer.json["experten"][1]
    for secret in ("canary", "sk-", "whsec_", hook["secret"].removeprefix("whsec_"), hook["publicId"]):
        assert secret not in answer.text
    assert ada["verbindungsConfig"]["apiKey"] == ""
    assert answer.json["fehlendeGeheimnisse"] == [{"expertId": ada["id"], "pfad": "/apiKey"}]


async def test_an_imported_company_tells_what_to_fill_in_and_where_its_webhooks_are(owner: Api) -> None:
    made = await owner.make(IMPORT, await exported(owner, await lived_in(owner)))
    ada = (await owner.get(f"/api/unternehmen/{made['id']}/experten")).json[1]
    report = made["importiert"]
    assert (report["experten"], report["ziele"], report["aufgaben"], report["routinen"]) == (2, 2, 3, 1)
    assert report["fehlendeGeheimnisse"] == [{"expertId": ada["id"], "pfad": "/apiKey"}]
    (webhook,) = report["triggers"]
    assert webhook["secret"].startswith("whsec_")
    (routine,) = (await owner.get(f"/api/unternehmen/{made['id']}/routinen")).json
    assert webhook["publicId"] == routine["triggers"][1]["publicId"]
    assert (await owner.get(f"/api/unternehmen/{made['id']}")).json == {
        name: value for name, value in made.items() if name != "importiert"
    }


async def test_an_imported_company_rests_until_it_is_made_active(
    owner: Api, clock: ManualClock, follow: Callable[..., Awaitable[Follower]]
) -> None:
    made = await owner.make(IMPORT, await exported(owner, await lived_in(owner)))
    assert (made["status"], made["pausiertVon"]) == ("paused", "board")
    (routine,) = (await owner.get(f"/api/unternehmen/{made['id']}/routinen")).json
    await clock.advance(3 * 24 * 3600)
    assert (await owner.get(f"/api/routinen/{routine['id']}/ausfuehrungen")).json == []
    follower = await follow(owner)
    assert (await owner.patch(f"/api/unternehmen/{made['id']}", {"status": "active"})).status == 200
    await follower.until("aktivitaet", aktion="routine.missed")
    # It answers when it is through with that, and has set its next reminder.
    assert (await owner.patch(f"/api/routinen/{routine['id']}", {"prioritaet": "low"})).status == 200
    await clock.advance(24 * 3600)
    assert (await follower.until("task_created"))["data"]["taskTitel"] == "Report on [1]"


async def test_whoever_imports_a_company_owns_it_and_others_do_not_see_it(owner: Api, admin: Api) -> None:
    made = await owner.make(IMPORT, HEAD)
    (member,) = (await owner.get(f"/api/unternehmen/{made['id']}/mitglieder")).json
    assert (member["benutzerId"], member["rolle"]) == (owner.user["id"], "eigentuemer")
    stranger = await admin.somebody()
    assert_error(await stranger.get(f"/api/unternehmen/{made['id']}/export"), 404, "NOT_FOUND")


async def test_an_imported_agent_can_be_told_its_secret_and_works(owner: Api) -> None:
    made = await owner.make(IMPORT, await exported(owner, await lived_in(owner)))
    ada = (await owner.get(f"/api/unternehmen/{made['id']}/experten")).json[1]
    config = {**ada["verbindungsConfig"], "apiKey": CANARY}
    answer = await owner.patch(f"/api/experten/{ada['id']}", {"verbindungsConfig": config})
    assert answer.json["verbindungsConfig"]["apiKey"] == "sk-cana…cdef"


async def test_what_is_filled_in_is_not_missing(owner: Api) -> None:
    file = await exported(owner, await lived_in(owner))
    file["experten"][1]["verbindungsConfig"]["apiKey"] = CANARY
    made = await owner.make(IMPORT, file)
    assert made["importiert"]["fehlendeGeheimnisse"] == []
    ada = (await owner.get(f"/api/unternehmen/{made['id']}/experten")).json[1]
    assert ada["verbindungsConfig"]["apiKey"] == "sk-cana…cdef"


async def test_tasks_of_an_imported_company_free_each_other(owner: Api) -> None:
    tasks = [{"id": "a", "titel": "A"}, {"id": "b", "titel": "B", "blockedBy": ["a"]}]
    made = await owner.make(IMPORT, {**HEAD, "aufgaben": tasks})
    first, second = (await owner.get(f"/api/unternehmen/{made['id']}/aufgaben")).json
    assert second["status"] == "blocked"
    await owner.patch(f"/api/aufgaben/{first['id']}", {"status": "done"})
    while (await owner.get(f"/api/aufgaben/{second['id']}")).json["status"] != "todo":
        pass


async def test_a_goal_of_the_orchestrator_is_given_to_it_to_plan(owner: Api) -> None:
    agents = [{"id": "ceo", "name": "Ada", "rolle": "CEO", "isOrchestrator": True}]
    goals = [{"id": "g", "titel": "Grow", "eigentuemerExpertId": "ceo"}]
    made = await owner.make(IMPORT, {**HEAD, "experten": agents, "ziele": goals})
    while not (tasks := (await owner.get(f"/api/unternehmen/{made['id']}/aufgaben")).json):
        pass
    assert [task["titel"] for task in tasks] == ["Plan: Grow"]


async def test_a_file_may_be_yaml(owner: Api) -> None:
    text = (
        "format: opencognit-company\nformatVersion: 1\nunternehmen: {name: A}\nexperten: [{id: a, name: A, rolle: R}]"
    )
    answer = await owner.post(IMPORT, data=text, headers={"Content-Type": "application/yaml"})
    assert answer.json["importiert"]["experten"] == 1


async def test_the_file_that_the_documents_show_is_one(owner: Api) -> None:
    page = (Path(__file__).parents[2] / "docs" / "import-export.md").read_text("utf-8")
    (text,) = re.findall(r"```yaml\n(format: .*?)```", page, re.DOTALL)
    answer = await owner.post(IMPORT, data=text, headers={"Content-Type": "application/yaml"})
    report = answer.json["importiert"]
    assert (report["experten"], report["ziele"], report["aufgaben"], report["routinen"]) == (2, 1, 2, 1)


async def test_the_import_is_told_of(owner: Api, follow: Callable[..., Awaitable[Follower]]) -> None:
    made = await owner.make(IMPORT, {**HEAD, "experten": [{"id": "a", "name": "A", "rolle": "R"}]})
    follower = await follow(owner, since=0)
    assert (await follower.until("agents_imported"))["data"]["anzahl"] == 1
    assert (await follower.until("aktivitaet", aktion="company.imported"))["data"]["entitaetId"] == made["id"]


async def test_the_same_import_with_the_same_key_has_one_effect(owner: Api) -> None:
    answers = [await owner.post(IMPORT, HEAD, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert len((await owner.get("/api/unternehmen")).json) == 1


class TestRefusals:
    """Nothing of a file with a mistake is there afterwards, and each mistake is named."""

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"format": "something"}, "format"),
            ({"formatVersion": 2}, "formatVersion"),
            ({"formatVersion": "1"}, "formatVersion"),
            ({"unternehmen": {"name": ""}}, "unternehmen.name"),
            ({"unternehmen": {"name": "A", "zeitzone": "Mars/Base"}}, "unternehmen.zeitzone"),
            ({"extra": 1}, "extra"),
            ({"experten": 5}, "experten"),
            ({"experten": [{"id": "a", "name": "A"}]}, "experten[0].rolle"),
            ({"experten": [{"id": "a", "name": "A", "rolle": "R", "reportsTo": "b"}]}, "experten[0].reportsTo"),
            ({"experten": [{"id": "a", "name": "A", "rolle": "R", "reportsTo": "a"}]}, "experten[0].reportsTo"),
            ({"experten": [{"id": "a", "name": "A", "rolle": "R"}] * 2}, "experten[1].id"),
            (
                {"experten": [{"id": "a", "name": "A", "rolle": "R", "verbindungsTyp": "magic"}]},
                "experten[0].verbindungsTyp",
            ),
            (
                {"experten": [{"id": "a", "name": "A", "rolle": "R", "erinnerungen": [{"inhalt": "ä" * 6000}]}]},
                "experten[0].erinnerungen[0].inhalt",
            ),
            ({"ziele": [{"id": "g", "titel": "G", "parentId": "h"}]}, "ziele[0].parentId"),
            ({"ziele": [{"id": "g", "titel": "G", "parentId": "g"}]}, "ziele[0].parentId"),
            ({"ziele": [{"id": "g", "titel": "G", "eigentuemerExpertId": "x"}]}, "ziele[0].eigentuemerExpertId"),
            ({"ziele": [{"id": "g", "titel": "G", "planungsAufgabeId": "x"}]}, "ziele[0].planungsAufgabeId"),
            ({"aufgaben": [{"id": "t", "titel": "T", "zugewiesenAn": "x"}]}, "aufgaben[0].zugewiesenAn"),
            ({"aufgaben": [{"id": "t", "titel": "T", "zielId": "x"}]}, "aufgaben[0].zielId"),
            ({"aufgaben": [{"id": "t", "titel": "T", "routineId": "x"}]}, "aufgaben[0].routineId"),
            ({"aufgaben": [{"id": "t", "titel": "T", "parentId": "x"}]}, "aufgaben[0].parentId"),
            ({"aufgaben": [{"id": "t", "titel": "T", "blockedBy": ["x"]}]}, "aufgaben[0].blockedBy"),
            ({"aufgaben": [{"id": "t", "titel": "T", "blockedBy": ["t"]}]}, "aufgaben[0].blockedBy"),
            ({"aufgaben": [{"id": "t", "titel": "T", "faelligAm": "2026-02-30"}]}, "aufgaben[0].faelligAm"),
            (
                {"aufgaben": [{"id": "t", "titel": "T", "kommentare": [{"autorName": "A"}]}]},
                "aufgaben[0].kommentare[0].inhalt",
            ),
            (
                {"aufgaben": [{"id": "t", "titel": "T", "critic": {"typ": "bash", "befehl": "true"}}]},
                "aufgaben[0].critic",
            ),
            ({"routinen": [{"id": "r", "titel": "R", "zugewiesenAn": "x"}]}, "routinen[0].zugewiesenAn"),
            (
                {"routinen": [{"id": "r", "titel": "R", "triggers": [{"kind": "schedule"}]}]},
                "routinen[0].cronExpression",
            ),
            ({"routinen": [{"id": "r", "titel": "R", "variablen": {"x": "x" * 70_000}}]}, "routinen[0].variablen"),
            ({"fehlendeGeheimnisse": [{"expertId": "x", "pfad": "/y"}]}, "fehlendeGeheimnisse[0].expertId"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_a_mistake_is_named_and_nothing_is_there(self, change: Json, field: str, owner: Api) -> None:
        assert problems(await owner.post(IMPORT, {**HEAD, **change})).keys() == {field}
        assert (await owner.get("/api/unternehmen")).json == []

    async def test_all_mistakes_are_named_at_once(self, owner: Api) -> None:
        tasks = [{"id": "a", "titel": "A", "blockedBy": ["b"]}, {"id": "b", "titel": "B", "blockedBy": ["a", "c"]}]
        agents = [{"id": "x", "name": "X", "rolle": "R", "reportsTo": "y"}]
        found = problems(await owner.post(IMPORT, {**HEAD, "aufgaben": tasks, "experten": agents}))
        assert found == {
            "experten[0].reportsTo": "is not one of the file's agents: 'y'",
            "aufgaben[1].blockedBy": "is not one of the file's tasks: 'c'",
            "aufgaben[0].blockedBy": "goes round in a circle: a → b → a",
        }

    async def test_the_ids_of_another_company_mean_nothing(self, owner: Api, company: Json) -> None:
        agent = await owner.agent(company)
        tasks = [{"id": "t", "titel": "T", "zugewiesenAn": agent["id"]}]
        assert problems(await owner.post(IMPORT, {**HEAD, "aufgaben": tasks})).keys() == {"aufgaben[0].zugewiesenAn"}

    async def test_a_mask_is_not_taken_for_a_secret(self, owner: Api) -> None:
        config = {"basisUrl": "https://models.example.com/v1", "modell": "m", "apiKey": "sk-cana…cdef"}
        agents = [{"id": "a", "name": "A", "rolle": "R", "verbindungsTyp": "custom", "verbindungsConfig": config}]
        assert_error(await owner.post(IMPORT, {**HEAD, "experten": agents}), 400, "VALIDATION_ERROR")


class TestLargeFiles:
    """Files may be larger than other bodies, as far as the setting says."""

    @pytest.fixture
    def settings(self) -> Any:
        from tests.conftest import quick_settings

        return quick_settings(server={"largest_import_bytes": 2 * 1024 * 1024})

    @pytest.mark.parametrize(("size", "status"), [(1_500_000, 201), (2_200_000, 413)])
    async def test_a_file_may_be_as_large_as_the_setting_says(self, size: int, status: int, owner: Api) -> None:
        tasks = [{"id": f"{n}", "titel": "T", "beschreibung": "x" * 100_000} for n in range(size // 100_000)]
        body = io.BytesIO(json.dumps({**HEAD, "aufgaben": tasks}).encode())
        answer = await owner.post(IMPORT, data=body, headers={"Content-Type": "application/json"})
        assert answer.status == status

    async def test_other_bodies_may_not(self, owner: Api) -> None:
        body = io.BytesIO(json.dumps({"name": "A", "beschreibung": "x" * 1_100_000}).encode())
        answer = await owner.post("/api/unternehmen", data=body, headers={"Content-Type": "application/json"})
        assert_error(answer, 413, "PAYLOAD_TOO_LARGE")


class TestEmbedding:
    """Programs that embed the runtime import and export as clients do."""

    async def test_a_program_exports_and_imports(self, runtime: Runtime) -> None:
        company = await runtime.create_company(name="Acme")
        hired = await runtime.import_agents(
            company.id, [{"name": "Ada", "role": "CEO"}, {"name": "Grace", "role": "Engineer", "reports_to": "Ada"}]
        )
        file = await runtime.export_company(company.id)
        copy = await runtime.import_company(file)
        assert hired.agents[1].reports_to == hired.agent_ids[0]
        assert without_ids(json.loads(await runtime.export_company(copy.id))) == without_ids(json.loads(file))

    async def test_a_program_is_told_what_is_wrong(self, runtime: Runtime) -> None:
        with pytest.raises(DomainError, match="format: must be opencognit-company"):
            await runtime.import_company(b"{}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["id", "name", "rolle", "titel", "reportsTo", "blockedBy", "parentId", "status", "triggers"]),
        VALUES | st.sampled_from(["a", "b"]) | st.lists(st.sampled_from(["a", "b"]), max_size=2),
    ),
    max_size=3,
)
FILES = st.fixed_dictionaries(
    {"format": st.just("opencognit-company"), "formatVersion": st.just(1)},
    optional={
        "unternehmen": st.just({"name": "Acme"}) | VALUES,
        **dict.fromkeys(("experten", "ziele", "aufgaben", "routinen", "fehlendeGeheimnisse"), ROWS | VALUES),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=FILES | VALUES)
async def test_whatever_a_file_holds_it_is_imported_or_refused_clearly(file: Any, owner: Api) -> None:
    answer = await owner.post(IMPORT, data=json.dumps(file), headers={"Content-Type": "application/json"})
    assert answer.status in (201, 400), answer


@given(text=st.text() | st.text(alphabet="-:[]{}&*!?#|>'\"% \n\tab1.~,<="))
def test_whatever_text_is_yaml_or_refused(text: str) -> None:
    with suppress(ValidationFailed):
        read_company(json_of(text.encode("utf-8", "surrogatepass")))
