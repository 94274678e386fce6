"""P14: secrets stay secret.

One is told to the server in each way there is, and used; then each is looked for in everything that can be read: the
database with its log, backups and copies, the lines that are logged at any level, every answer of every route to
everyone who may ask, error answers, the events, the arguments of all processes, and what commands print.
"""

import asyncio
import base64
import io
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from opencognit.http.server import ROUTES
from opencognit.runtime import Runtime
from opencognit.security.secrets import mask
from opencognit.settings import Settings
from opencognit.store import database
from opencognit.store.database import open_database
from tests.builders import Api, Follower
from tests.conftest import quick_settings
from tests.http.sockets import Follow
from tests.llm_server import LlmServer, Refuse, Say, Turn, llm_server
from tests.promises.canaries import Canary, Place, files_in, found, recorded_answers
from tests.promises.test_p11_tenancy import World
from tests.providers.coding_cli_fakes import FakeCli, codex_says
from tests.server_process import ServerProcess

Json = dict[str, Any]

GET = [f"{route.method} {route.path}" for route in ROUTES if route.method == "GET"]
SHOWN_ONCE = [
    ("agent token", "POST /api/experten/{id}/token"),
    ("subscription secret", "POST /api/unternehmen/{id}/abonnements"),
    ("subscription secret, rotated", "POST /api/abonnements/{id}/geheimnis"),
    ("token of a sign-in", "POST /api/auth/anmelden"),
    ("token of the registration", "POST /api/auth/registrieren"),
    ("webhook secret", "POST /api/routinen/{id}/triggers"),
]
"""Where it is made, and nowhere else."""

KEYS = ("secrets.key", "tokens.key")
"""Secret themselves."""

ALL_ARGUMENTS = "for each in /proc/[0-9]*; do tr '\\0' ' ' < $each/cmdline; done 2>/dev/null; env; true"
"""A command that prints the arguments of every process, and its own environment."""

MADE_UP = {
    "server setting": "sk-canary-",
    "company setting": "sk-ant-",
    "adapter key": "sk-own-",
    "adapter header": "Bearer ",
    "key of the environment": "AIza",
    "first password": "",
    "second password": "",
    "mistyped password": "",
    "mistyped setting": "sk-typo-",
    "mistyped token": "eyJ",
}
"""What people tell the server, and what it begins with."""


class Told:
    """The secrets by their names; more are added as the server makes them.

    Attributes:
        company: the id of the company that has them.
    """

    def __init__(self) -> None:
        self.canaries = {name: Canary.made(name, prefix) for name, prefix in MADE_UP.items()}
        self.company = ""

    def __getitem__(self, name: str) -> str:
        return self.canaries[name].value

    def add(self, name: str, value: str) -> None:
        self.canaries[name] = Canary.given(name, value)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setenv("GEMINI_API_KEY", told["key of the environment"])
    return told


class Others:
    """Whom agents call: all of them say what they were sent, as careless programs do.

    Attributes:
        models: a provider of models.
        url: of a web service.
        headers: what the service was sent.
        codex, gemini: coding agents.
    """

    def __init__(self, folder: Path, models: LlmServer) -> None:
        self.models = models
        self.codex, self.gemini = (FakeCli(name, folder / name) for name in ("codex", "gemini"))
        self.url = ""
        self.headers: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append(request.headers["Authorization"])
        return web.Response(status=403, text=f"Not for {self.headers[-1]}")


async def model(turn: Turn) -> Say | Refuse:
    if turn.model == "own-1":
        return Refuse(401, message=f"Incorrect API key provided: {turn.key}")
    return Say("Done.")


@pytest.fixture
async def others(tmp_path: Path) -> AsyncIterator[Others]:
    async with llm_server(model) as models:
        others = Others(tmp_path / "clis", models)
        app = web.Application()
        app.router.add_post("/", others.answer)
        async with TestServer(app, host="127.0.0.1") as server:
            others.url = str(server.make_url("/"))
            yield others


@pytest.fixture
def settings(others: Others) -> Settings:
    places = [url.split("/")[2] for url in (others.models.url, others.url)]
    agents = {
        "bash_enabled": True,
        "bash_sandbox": "none",
        "coding_agents_enabled": ["codex-cli", "gemini-cli"],
        "coding_agents_path": [str(cli.bin) for cli in (others.codex, others.gemini)],
        "anthropic_base_url": others.models.url,
        "custom_allowed_addresses": places,
        "http_allowed_addresses": places,
    }
    webhooks = {"allowed_addresses": ["127.0.0.1"]}
    return quick_settings(agents=agents, webhooks=webhooks, work={"critic": "off"})


async def works(owner: Api, company: Json, follower: Follower, adapter: str, **config: Any) -> Json:
    """A run of a new agent, after its end."""
    agent = await owner.agent(company, verbindungsTyp=adapter, verbindungsConfig=config)
    task = await owner.task(company, zugewiesenAn=agent["id"])
    await follower.until("run_finished", aufgabeId=task["id"])
    (run,) = (await owner.get(f"/api/experten/{agent['id']}/laeufe")).json
    found_run: Json = run
    return found_run


def once(key: str) -> Json:
    """A request whose answer is kept, so that it can be given again."""
    return {"headers": {"Idempotency-Key": key}}


async def tell(told: Told, world: World) -> None:
    """Save a secret in each way in which one can be."""
    admin, owner = world.callers["admin"], world.callers["owner"]
    for api, name, scope in ((admin, "server setting", None), (owner, "company setting", told.company)):
        key = "openai_api_key" if scope is None else "anthropic_api_key"
        body = {"wert": told[name], "unternehmenId": scope}
        assert (await api.call("PUT", f"/api/einstellungen/{key}", body)).status == 200
    token = await owner.make(f"/api/experten/{world.ids['agent']}/token", **once("token"))
    told.add("agent token", token["token"])
    hook = await owner.make(f"/api/routinen/{world.ids['routine']}/triggers", {"kind": "webhook"}, **once("hook"))
    told.add("webhook secret", hook["secret"])
    world.ids["publicId"] = hook["publicId"]
    # Nobody listens there; both secrets sign what is sent all the same.
    subscribing, path = {"url": "http://127.0.0.1:9/"}, f"/api/unternehmen/{told.company}/abonnements"
    subscription = await owner.make(path, subscribing, **once("subscription"))
    told.add("subscription secret", subscription["secret"])
    rotated = await owner.make(f"/api/abonnements/{subscription['id']}/geheimnis", **once("rotation"))
    told.add("subscription secret, rotated", rotated["secret"])
    person = {"name": "P", "email": "p@example.com", "passwort": told["first password"]}
    registered = await admin.with_token(None).make("/api/auth/registrieren", person, **once("person"))
    told.add("token of the registration", registered["token"])
    change = {"altesPasswort": told["first password"], "neuesPasswort": told["second password"]}
    person_api = admin.with_token(registered["token"])
    assert (await person_api.call("PUT", "/api/auth/passwort", change)).status == 200
    again = {"email": "p@example.com", "passwort": told["second password"]}
    told.add("token of a sign-in", (await admin.with_token(None).make("/api/auth/anmelden", again))["token"])


async def use(told: Told, owner: Api, company: Json, follower: Follower, others: Others) -> None:
    """Let each secret do its work, well and badly. Who is not sent it shows that the test is about nothing."""
    await works(owner, company, follower, "claude")
    own = {"modell": "own-1", "basisUrl": f"{others.models.url}/v1", "apiKey": told["adapter key"]}
    assert (await works(owner, company, follower, "custom", **own))["status"] == "failed"
    assert [turn.key for turn in others.models.turns] == [told["company setting"], told["adapter key"]]
    headers = {"Authorization": told["adapter header"]}
    assert (await works(owner, company, follower, "http", url=others.url, kopfzeilen=headers))["status"] == "failed"
    assert others.headers == [told["adapter header"]]
    others.codex.plays({"complain": f"401 for {told['server setting']}"}, codex_says(told["server setting"]))
    others.gemini.plays({"complain": f"401 for {told['key of the environment']}"}, {"exit": 1})
    await works(owner, company, follower, "codex-cli")
    await works(owner, company, follower, "gemini-cli")
    assert others.codex.starts[0]["env"]["CODEX_API_KEY"] == told["server setting"]
    assert others.gemini.starts[0]["env"]["GEMINI_API_KEY"] == told["key of the environment"]
    printed = await works(owner, company, follower, "bash", befehl=ALL_ARGUMENTS)
    assert "pytest" in printed["ausgabe"], "it has seen the arguments of the server"


async def fire(told: Told, world: World) -> None:
    """Call the webhook, well signed."""
    now, body = datetime.now().astimezone(), "{}"
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "msg",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(told["webhook secret"]).sign("msg", now, body),
    }
    path = f"/api/webhooks/routinen/{world.ids['publicId']}"
    answer = await world.callers["nobody"].post(path, data=io.BytesIO(body.encode()), headers=headers)
    assert answer.status == 200


async def be_wrong(told: Told, world: World) -> None:
    """Send secrets where they are refused: mistyped, misplaced, in a form that is none."""
    admin, owner, nobody = (world.callers[name] for name in ("admin", "owner", "nobody"))
    setting, password, token = (told[f"mistyped {what}"] for what in ("setting", "password", "token"))
    of_company = f"/api/unternehmen/{told.company}"
    hiring = {"name": "A", "rolle": "R", "verbindungsConfig": {"apiKey": setting}}
    in_header = {"verbindungsConfig": {"url": "x", "kopfzeilen": {"Authorization": [setting]}}}
    hook = f"/api/webhooks/routinen/{world.ids['publicId']}"
    wrong: list[tuple[Api, str, str, Any]] = [
        (admin, "PUT", "/api/einstellungen/Api-Key", {"wert": setting}),
        (admin, "PUT", "/api/einstellungen/some_api_key", {"wert": {"key": setting}}),
        (admin, "PUT", "/api/einstellungen/some_api_key", {"wert": setting, "other": setting}),
        (admin, "PUT", "/api/einstellungen/model_prices", {"wert": {setting: {"input": setting}}}),
        (owner, "POST", f"{of_company}/experten", {**hiring, "verbindungsTyp": "none"}),
        (owner, "POST", f"{of_company}/experten", {**hiring, "verbindungsTyp": "custom"}),
        (owner, "POST", f"{of_company}/experten", {**hiring, **in_header, "verbindungsTyp": "http"}),
        (owner, "POST", f"{of_company}/genehmigungen", {"titel": "Hire", "typ": "hire_expert", "payload": hiring}),
        (nobody, "POST", "/api/auth/anmelden", {"email": "p@example.com", "passwort": password}),
        (nobody, "POST", "/api/auth/registrieren", {"name": "P", "email": "p@example.com", "passwort": password}),
        (nobody, "POST", "/api/auth/registrieren", {"name": "P", "email": [password], "passwort": [password]}),
        (owner, "PUT", "/api/auth/passwort", {"altesPasswort": password, "neuesPasswort": password}),
        (nobody.with_token(token), "GET", "/api/auth/ich", None),
        (nobody.with_token(told["agent token"][:-1]), "GET", "/api/auth/ich", None),
        (nobody.with_token(told["agent token"]), "GET", "/api/auth/ich", None),
    ]
    answers = [await api.call(method, path, body) for api, method, path, body in wrong]
    answers.append(await nobody.post(hook, {}, headers={"webhook-signature": f"v1,{setting}"}))
    cut_off = io.BytesIO(f'{{"wert": "{setting}'.encode())
    json_ = {"Content-Type": "application/json"}
    answers.append(await admin.call("PUT", "/api/einstellungen/some_api_key", data=cut_off, headers=json_))
    assert [answer for answer in answers if not 400 <= answer.status < 500] == []


async def sockets(told: Told, world: World) -> list[Place]:
    """What sockets are sent that were opened with a token in each way there is, from the first event on."""
    admin, owner, nobody = (world.callers[name] for name in ("admin", "owner", "nobody"))
    ways = {
        "the admin": (f"?token={admin.token}", None),
        "the owner": ("", {"type": "auth", "token": owner.token}),
        "the agent": (f"?token={told['agent token']}", None),
        "nobody": (f"?token={told['mistyped token']}", None),
        "nobody else": ("", {"type": "auth", "token": told["mistyped token"]}),
    }
    heard = {name: await all_events(nobody, *way) for name, way in ways.items()}
    assert heard["the owner"].count(b"run_finished") >= 6
    return [Place(f"the socket of {name}", content) for name, content in heard.items()]


async def all_events(api: Api, query: str, first: Json | None) -> bytes:
    """All that a socket is sent until it has been told everything, or is closed."""
    async with api.session.ws_connect(f"{api.url}/ws{query}") as socket:
        for message in (first, {"type": "subscribe", "since": 0}, {"type": "ping"}):
            if message is not None:
                await socket.send_json(message)
        heard = b""
        while (frame := await socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
            heard += frame.data.encode()
            if frame.json()["type"] == "pong":
                break
    return heard + str(frame.extra).encode()


async def commands(data: Path, told: Told) -> list[Place]:
    """What the command line says about a copy of the folder, and a server's lines as it writes them."""
    said = []
    for command in (("keys", "rotate"), ("dry-run", "--days", "1", "--company", told.company)):
        argv = (sys.executable, "-m", "opencognit", *command, "--data", str(data))
        process = await asyncio.create_subprocess_exec(*argv, stdout=-1, stderr=-2)
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        said.append(Place(f"opencognit {command[0]}", output))
    server = ServerProcess(data)
    async with server, Api.session_at(server.url) as nobody:
        for name in ("token of a sign-in", "agent token", "mistyped token"):
            await nobody.with_token(told[name]).get("/api/auth/ich")
            await all_events(nobody, f"?token={told[name]}", None)
        said.append(Place("a server's arguments", server.arguments()))
    return [*said, Place("a server's lines", server.said)]


def backed_up(data: Path, patch: pytest.MonkeyPatch, work: Path) -> None:
    """Let the next version of the program bring the database up to date, which keeps a copy of it."""
    package = work / "newer"
    shutil.copytree(Path(database.__file__).parent / "migrations", package / "migrations")
    (package / "migrations" / "0099_notes.py").write_text("def up(migrator, db):\n    pass\n", "utf-8")
    with patch.context() as patched:
        patched.setattr(database, "files", lambda _name: package)
        open_database(data / "opencognit.db").close()
    assert (data / "opencognit.before-0099_notes.db").exists()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All lines that are logged in this process, at the level at which programs say the most."""
    lines, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(lines), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def said_inside(  # noqa: PLR0917 - a fixture is given what it needs
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    runtime: Runtime,
    admin: Api,
    told: Told,
    others: Others,
    follow: Follow,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Place]:
    """All that a server could be made to say while all secrets were saved, used and mistyped; it has stopped."""
    answers = recorded_answers(monkeypatch)
    world = await World().found(admin)
    world.callers["admin"] = admin
    owner, told.company = world.callers["owner"], world.ids["company"]
    follower = await follow(owner)
    await tell(told, world)
    await use(told, owner, {"id": told.company}, follower, others)
    await fire(told, world)
    await be_wrong(told, world)
    for name in GET:
        for caller in world.callers:
            await world.knock(caller, name)
    heard = await sockets(told, world)
    at_work = files_in(runtime.data)
    assert any(place.name.endswith("-wal") and place.content for place in at_work)
    for key in (runtime.data / "keys").iterdir():
        told.canaries[key.name] = Canary(key.name, "", key.read_bytes()[4:-4])
    await runtime.stop()
    return [*answers, *heard, *at_work]


@pytest.fixture
async def said_outside(said_inside: list[Place], runtime: Runtime, told: Told, tmp_path: Path) -> list[Place]:
    """What is in the files afterwards, in a backup, and what commands and another server say about them."""
    copy, older = tmp_path / "copy", tmp_path / "older"
    for folder in (copy, older):
        shutil.copytree(runtime.data, folder)
    with pytest.MonkeyPatch.context() as patch:
        backed_up(older, patch, tmp_path)
    said = await commands(copy, told)
    return [*said, *(place for folder in (runtime.data, older, copy) for place in files_in(folder))]


async def test_no_secret_can_be_read_anywhere(
    told: Told,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    said_inside: list[Place],
    said_outside: list[Place],
) -> None:
    output = "".join(capfd.readouterr())
    printed = [Place("the log", log.getvalue().encode()), Place("the output", output.encode())]
    assert "/api/auth" in log.getvalue() or "SELECT" in log.getvalue(), "it says what it does"
    assert len(told.canaries) == len(MADE_UP) + len(SHOWN_ONCE) + len(KEYS)
    assert found(told.canaries.values(), [*said_inside, *said_outside, *printed]) == SHOWN_ONCE


KEY = Canary.made("key")


@pytest.mark.parametrize(
    "content",
    [
        f"it is {KEY.value}.".encode(),
        KEY.value.encode().hex().encode(),
        *(base64.b64encode(user + KEY.value.encode()) for user in (b"a:", b"ab:", b"abc:")),
    ],
)
def test_a_canary_is_found_in_each_form(content: bytes) -> None:
    assert found([KEY], [Place("here", content), Place("there", b"nothing")]) == [("key", "here")]
    assert found([Canary.made("another")], [Place("here", content)]) == []


def test_a_mask_is_not_taken_for_the_secret() -> None:
    assert found([KEY], [Place("here", mask(KEY.value).encode())]) == []
