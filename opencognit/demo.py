"""`opencognit demo`: a company of four agents does eight real tasks, and you watch.

It is a client like any other: it starts a server of its own, then speaks REST and follows the WebSocket. Every step
bears an `Idempotency-Key`, so a demonstration that was killed goes on where it was when it is started again.
"""

import asyncio
import json
import os
import platform
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from opencognit.demo_company import ASSIGNMENTS, CLAUDE, JOBS, Assignment, Job
from opencognit.demo_view import View
from opencognit.domain.agent import Agent, CreateAgent, UpdateAgent
from opencognit.domain.approval import Approval, ApprovalKind, RequestApproval
from opencognit.domain.caller import SignedIn
from opencognit.domain.company import Company, CreateCompany
from opencognit.domain.critic import CommandCritic
from opencognit.domain.message import Message, decode, encode
from opencognit.domain.task import CreateTask, Priority, Task, TaskStatus
from opencognit.domain.wire_names import ADAPTER_FIELDS, FIELDS, PATHS, TASK_EVENT_FIELDS
from opencognit.http.server import listening
from opencognit.runtime import Runtime
from opencognit.settings import Settings

T = TypeVar("T")

LAST_ATTEMPT = 3
"""A task that failed this often is given up by the demonstration."""


async def run_demo(data: Path | None = None, *, keep: bool = False) -> bool:
    """Run the demonstration to its end.

    Args:
        data: where to keep the company; None for a folder that is gone afterwards.
        keep: go on serving until the process is told to stop.

    Returns:
        Whether every task became done.
    """
    with TemporaryDirectory(prefix="opencognit-demo-") as temporary:
        folder = data or Path(temporary)
        async with _service() as service, Runtime(folder, settings=_settings(service)) as runtime:
            port = 3201 if keep else 0
            async with listening(runtime, host="127.0.0.1", port=port) as url:
                return await _Demo(url, _account(folder), service).run(keep=keep)


class _Demo:
    def __init__(self, url: str, account: dict[str, str], service: str) -> None:
        self._url = url
        self._account = account
        self._service = service
        self._view = View()
        self._tasks: dict[str, Task] = {}

    async def run(self, *, keep: bool) -> bool:
        async with aiohttp.ClientSession(self._url) as session:
            client = _Client(session, await _sign_in(session, self._account))
            with self._view:
                company = await self._found(client)
                follower = asyncio.ensure_future(self._follow(client, company))
                await self._assign(client, company, await self._hire(client, company))
                await follower
            self._view.results(list(self._tasks.values()))
            self._view.how_to_look(self._url, client.token, company, keep=keep)
            if keep:
                await asyncio.Event().wait()
        return all(task.status is TaskStatus.DONE for task in self._tasks.values())

    async def _found(self, client: "_Client") -> Company:
        create = CreateCompany(name="The Reading Room", goal="Know this folder", work_dir=str(_subject()))
        company = await client.post(f"/api/{PATHS['companies']}", create, Company, key="company")
        self._view.say(f"Founded {company.name}; its agents work in {_subject()}")
        return company

    async def _hire(self, client: "_Client", company: Company) -> dict[str, Agent]:
        agents: dict[str, Agent] = {}
        for job in JOBS:
            config = self._config(job)
            create = CreateAgent(
                name=job.name,
                role=job.role,
                is_orchestrator=job.is_orchestrator,
                reports_to=agents["otto"].id if "otto" in agents else None,
                adapter="claude" if _with_claude(job.key) else job.adapter,
                adapter_config=config,
            )
            path = f"/api/{PATHS['companies']}/{company.id}/{PATHS['agents']}"
            try:
                if job.by_approval:
                    agent = await self._approve(client, company, agents["otto"], create)
                else:
                    agent = await client.post(path, create, Agent, key=f"agent-{job.key}")
            except _Conflict:
                # Started again: the same step, but the service that its body names has another port now.
                hired = await client.get(path, list[Agent])
                agent = next(one for one in hired if one.name == job.name)
            if agent.adapter_config != config:
                path = f"/api/{PATHS['agents']}/{agent.id}"
                agent = await client.send("PATCH", path, encode(_only_config(config)), Agent)
            agents[job.key] = agent
            self._view.agent(agent.id, agent.name, agent.role)
        return agents

    async def _approve(self, client: "_Client", company: Company, asker: Agent, create: CreateAgent) -> Agent:
        """Hire as an agent does: it asks, the board says yes, and the runtime carries it out, once."""
        token = await client.post(f"/api/{PATHS['agents']}/{asker.id}/token", None, dict[str, Any], key="token")
        request = RequestApproval(
            title=f"Hire {create.name}", kind=ApprovalKind.HIRE, payload=json.loads(encode(create))
        )
        path = f"/api/{PATHS['companies']}/{company.id}/{PATHS['approvals']}"
        asking = _Client(client.session, token["token"])
        asked = await asking.post(path, request, Approval, key=f"hire-{create.name}")
        self._view.say(f"{asker.name} asks the board: {asked.title}?")
        path = f"/api/{PATHS['approvals']}/{asked.id}"
        approval = await client.post(f"{path}/{PATHS['approve']}", None, Approval, key=f"approve-{create.name}")
        while approval.executed_at is None:
            approval = await client.get(path, Approval)
        self._view.say("The board agrees")
        hired = (approval.result or {})[FIELDS["agent_id"]]
        return await client.get(f"/api/{PATHS['agents']}/{hired}", Agent)

    async def _assign(self, client: "_Client", company: Company, agents: dict[str, Agent]) -> None:
        made: dict[str, Task] = {}
        for assignment in ASSIGNMENTS:
            made[assignment.key] = await self._make(client, company, agents, made, assignment)
        for task in made.values():
            current = await client.get(f"/api/{PATHS['tasks']}/{task.id}", Task)
            self._tasks[task.id] = current
            self._view.task(current)

    async def _make(
        self,
        client: "_Client",
        company: Company,
        agents: dict[str, Agent],
        made: dict[str, Task],
        assignment: Assignment,
    ) -> Task:
        create = CreateTask(
            title=assignment.title,
            description=assignment.about,
            assignee_id=agents[assignment.agent].id,
            priority=Priority(assignment.priority),
            blocked_by=tuple(made[key].id for key in assignment.after),
            critic=CommandCritic(command=assignment.critic) if assignment.critic else None,
        )
        path = f"/api/{PATHS['companies']}/{company.id}/{PATHS['tasks']}"
        return await client.post(path, create, Task, key=f"task-{assignment.key}")

    async def _follow(self, client: "_Client", company: Company) -> None:
        """Follow the events until nothing more will happen."""
        headers = {"Authorization": f"Bearer {client.token}"}
        async with client.session.ws_connect("/ws", headers=headers) as socket:
            await socket.send_json({"type": "subscribe", "unternehmenIds": [company.id]})
            while not self._is_over():
                try:
                    event = await socket.receive_json(timeout=1)
                except TimeoutError:
                    event = {"type": "tick"}
                self._view.event(event)
                for task_id in self._touched(event):
                    self._tasks[task_id] = await client.get(f"/api/{PATHS['tasks']}/{task_id}", Task)
                    self._view.task(self._tasks[task_id])

    def _touched(self, event: dict[str, Any]) -> list[str]:
        """The task that an event is about; on a quiet moment all, since some events came before we knew the tasks."""
        if event["type"] == "tick":
            return list(self._tasks)
        task_id = event.get("data", {}).get(TASK_EVENT_FIELDS["task_id"])
        return [task_id] if task_id in self._tasks else []

    def _is_over(self) -> bool:
        if len(self._tasks) < len(ASSIGNMENTS):
            return False
        tasks = self._tasks.values()
        return all(task.status is TaskStatus.DONE for task in tasks) or any(
            task.attempts >= LAST_ATTEMPT for task in tasks
        )

    def _config(self, job: Job) -> dict[str, Any]:
        if _with_claude(job.key):
            return {}
        if job.adapter == "http":
            return {"url": self._service}
        # They only look: whoever is killed in the middle of it may do it again.
        return {ADAPTER_FIELDS["command"]: job.command, ADAPTER_FIELDS["repeatable"]: True}


class _Client:
    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self.session = session
        self.token = token

    async def post(self, path: str, message: Message[Any] | None, wanted: type[T], *, key: str) -> T:
        body = b"" if message is None else encode(message)
        return await self.send("POST", path, body, wanted, headers={"Idempotency-Key": f"demo-{key}"})

    async def get(self, path: str, wanted: type[T]) -> T:
        return await self.send("GET", path, b"", wanted)

    async def send(self, method: str, path: str, body: bytes, wanted: type[T], **options: Any) -> T:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **options.get("headers", {}),
        }
        async with self.session.request(method, path, data=body or None, headers=headers) as response:
            answer = await response.read()
            if response.status == web.HTTPConflict.status_code:
                raise _Conflict(answer.decode())
            if not response.ok:
                raise RuntimeError(f"{method} {path}: {answer.decode()}")
            return decode(answer, wanted)


class _Conflict(RuntimeError):
    """The server answered 409."""


def _only_config(config: dict[str, Any]) -> dict[str, Any]:
    return {FIELDS["adapter_config"]: UpdateAgent(adapter_config=config).adapter_config}


def _account(folder: Path) -> dict[str, str]:
    """The demonstration's own user, whose random password lies in the folder."""
    file = folder / "demo.json"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        account = {FIELDS["password"]: secrets.token_urlsafe(24), "name": "Demo", "email": "demo@example.com"}
        with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
            json.dump(account, out)
    known: dict[str, str] = json.loads(file.read_text("utf-8"))
    return known


async def _sign_in(session: aiohttp.ClientSession, account: dict[str, str]) -> str:
    async with session.post(f"/api/auth/{PATHS['register']}", json=account) as response:
        if response.ok:
            return decode(await response.read(), SignedIn).token
    known = {name: account[name] for name in ("email", FIELDS["password"])}
    async with session.post(f"/api/auth/{PATHS['sign_in']}", json=known) as response:
        response.raise_for_status()
        return decode(await response.read(), SignedIn).token


@asynccontextmanager
async def _service() -> AsyncIterator[str]:
    """The local HTTP service that Otto asks, and that is not quite awake at first; yields its URL."""
    refusals = iter([web.HTTPServiceUnavailable(headers={"Retry-After": "1"})])

    async def work(request: web.Request) -> web.Response:
        for refusal in refusals:
            raise refusal
        order = await request.json()
        blockers = order.get(ADAPTER_FIELDS["blocker_results"], [])
        lines = [f"{result.splitlines()[0]}" for result in blockers] or [
            f"{platform.system()} with {os.cpu_count()} processors, Python {platform.python_version()}"
        ]
        return web.json_response({ADAPTER_FIELDS["result"]: "\n".join(lines)})

    app = web.Application()
    app.router.add_post("/work", work)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/work"
    finally:
        await runner.cleanup()


def _settings(service: str) -> Settings:
    """This server is the demonstration's alone: commands are allowed, and failed tasks are tried again at once."""
    return Settings.load(
        overrides={
            "work": {"retry_delays_seconds": [1.0, 2.0, 3.0]},
            "agents": {
                "bash_enabled": True,
                "work_dirs": [str(_subject())],
                "http_allowed_addresses": [service.removeprefix("http://").partition("/")[0]],
            },
        }
    )


def _subject() -> Path:
    """The folder that the company looks into: the repository, or where the command was given."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "setup.cfg").exists() else Path.cwd()


def _with_claude(key: str) -> bool:
    return key in CLAUDE and bool(os.environ.get("ANTHROPIC_API_KEY"))
