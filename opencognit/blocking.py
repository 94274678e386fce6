"""`BlockingRuntime`: the runtime for programs without asyncio.

    with BlockingRuntime(data="company-data") as runtime:
        company = runtime.create_company(name="Acme")
        agent = runtime.create_agent(company.id, name="Ada", role="Engineer")
        task = runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
        print(runtime.finished(task.id).result)

Each call waits for its answer; the runtime works in a thread of its own.
"""

from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from opencognit.company_exchange import UNCHANGED
from opencognit.domain.agent import Agent
from opencognit.domain.agent_list import AgentsImport
from opencognit.domain.company import Company
from opencognit.domain.company_file import ImportedCompany
from opencognit.domain.company_template import Template, UseTemplate
from opencognit.domain.events import Published
from opencognit.domain.message import Message
from opencognit.domain.task import Task
from opencognit.loop_thread import LoopThread
from opencognit.runtime import Runtime

R = TypeVar("R")


class BlockingRuntime:
    """A `Runtime` on an event loop in a thread of its own. Takes the same arguments; every method blocks.

    Attributes:
        inner: the runtime itself, for what has no method here; use it on its own loop, through `run`.
    """

    inner: Runtime

    def __init__(self, *args: Any, **options: Any) -> None:
        self._arguments = (args, options)
        self._loop = LoopThread()
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._loop.start()
        try:
            self.run(self._open())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._loop.stop()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the runtime's loop and wait for its result."""
        return self._loop.run(work)

    def serve(self, *, host: str | None = None, port: int | None = None) -> str:
        """Serve over HTTP until the block ends; returns the base URL. Port 0 takes a free one."""
        from opencognit.http.server import listening

        return self.run(self._stack.enter_async_context(listening(self.inner, host=host, port=port)))

    def ask(self, kind: Any, entity_id: str, message: Message[R]) -> R:
        """Send any message to any actor."""
        return self.run(self.inner.ask(kind, entity_id, message))

    def create_company(self, **fields: Any) -> Company:
        """Found a company; the fields are those of `CreateCompany`."""
        return self.run(self.inner.create_company(**fields))

    def create_agent(self, company_id: str, **fields: Any) -> Agent:
        """Hire an agent; the fields are those of `CreateAgent`."""
        return self.run(self.inner.create_agent(company_id, **fields))

    def create_task(self, company_id: str, **fields: Any) -> Task:
        """Give the company a task; the fields are those of `CreateTask`."""
        return self.run(self.inner.create_task(company_id, **fields))

    def import_agents(self, company_id: str, agents: Iterable[Mapping[str, Any]]) -> AgentsImport:
        """Hire all of these agents, or none."""
        return self.run(self.inner.import_agents(company_id, agents))

    def export_company(self, company_id: str) -> bytes:
        """The company as a file (JSON), without its secrets."""
        return self.run(self.inner.export_company(company_id))

    def import_company(self, file: bytes) -> ImportedCompany:
        """Found a company from a file, as JSON or YAML; it is paused."""
        return self.run(self.inner.import_company(file))

    def templates(self) -> tuple[Template, ...]:
        """The ready-made companies that come with the product."""
        return self.inner.templates()

    def use_template(self, name: str, wish: UseTemplate = UNCHANGED) -> ImportedCompany:
        """Found a company from a template; it is paused."""
        return self.run(self.inner.use_template(name, wish))

    def company(self, company_id: str) -> Company | None:
        """The company's committed state."""
        return self.run(self.inner.company(company_id))

    def agent(self, agent_id: str) -> Agent | None:
        """The agent's committed state."""
        return self.run(self.inner.agent(agent_id))

    def task(self, task_id: str) -> Task | None:
        """The task's committed state."""
        return self.run(self.inner.task(task_id))

    def wake(self, agent_id: str) -> Agent:
        """A heartbeat of this agent now."""
        return self.run(self.inner.wake(agent_id))

    def finished(self, task_id: str, *, within: float | None = None) -> Task:
        """Wait until a task is done or cancelled, `within` seconds at most."""
        return self.run(self.inner.finished(task_id, within=within))

    def events(self, *, company_id: str | None = None, since: int | None = None) -> Iterator[Published]:
        """Committed events in order, from now on or after the number `since`; waits for each."""
        events = self.inner.events(company_id=company_id, since=since)
        try:
            while True:
                yield self.run(_next(events))
        finally:
            self.run(events.aclose())

    async def _open(self) -> None:
        args, options = self._arguments
        self.inner = await self._stack.enter_async_context(Runtime(*args, **options))


async def _next(events: AsyncGenerator[Published]) -> Published:
    return await anext(events)
