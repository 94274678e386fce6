"""`opencognit watch`: follows a company live, on a terminal like `top`, elsewhere line by line.

Events say that something has changed; what it looks like now is then read anew, at most twice a second. So the picture
is right whatever an event says, also after a lost connection.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Final

import click
from rich.live import Live

from opencognit.client import Client, ClientError, EventStream, Resync, StreamedEvent
from opencognit.commands.session import Session, in_company
from opencognit.commands.showing import console, plain
from opencognit.commands.watch_screen import MOST_TASKS, Screen
from opencognit.domain.company import Company
from opencognit.domain.errors import Unavailable
from opencognit.domain.events import (
    Activity,
    AgentStatusChanged,
    ApprovalNeeded,
    BudgetWarned,
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskStarted,
)
from opencognit.domain.instants import Instant, moment
from opencognit.domain.task import Task, TaskStatus

REFRESHED_EVERY: Final = 0.5
"""Seconds at least between two looks at the company."""
CLOCK_TICKS_EVERY: Final = 1.0
"""Seconds; also how late a lost connection may be shown."""


@click.command()
@in_company
def watch(session: Session) -> None:
    """Follow a company live, until q or Ctrl-C."""
    company, login = session.company, session.login
    client = Client(login.url, login.token)
    if session.output.as_json:
        work = _follow(client, company, lambda event: click.echo(event.raw))
    elif sys.stdout.isatty():
        work = _picture(client, company)
    else:
        work = _lines(client, company)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)


async def _follow(client: Client, company: Company, show: Callable[[StreamedEvent], None]) -> None:
    async with client:
        async for event in client.events(company_ids=[company.id]):
            show(event)


async def _lines(client: Client, company: Company) -> None:
    """Where there is no terminal: a line for whatever happens."""
    story = Story()
    async with client:
        stream = client.events(company_ids=[company.id])
        await stream.connect()
        tasks = (await client.companies.dashboard(company.id)).tasks
        click.echo(f"Watching {plain(company.name)}: {tasks.open} open tasks, {tasks.done} done.")
        async for event in stream:
            for line in story.lines(event):
                click.echo(line)


async def _picture(client: Client, company: Company) -> None:
    """On a terminal: the whole picture, until someone presses q."""
    screen, story, stale, over = Screen(), Story(), asyncio.Event(), asyncio.Event()
    with Live(screen, console=console(), screen=True, auto_refresh=False) as live, _keys(over):
        async with client:
            stream = client.events(company_ids=[company.id])
            await stream.connect()
            stale.set()
            await _until_one_ends(
                over.wait(),
                _listen(stream, screen, story, stale),
                _look(client, company, screen, stale, live),
                _tick(stream, screen, live),
            )


async def _until_one_ends(*works: Coroutine[Any, Any, Any]) -> None:
    """Do all of these until one of them ends; if it fails, so does this."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(stream: EventStream, screen: Screen, story: "Story", stale: asyncio.Event) -> None:
    async for event in stream:
        for line in story.lines(event):
            screen.say(line)
        stale.set()


async def _look(client: Client, company: Company, screen: Screen, stale: asyncio.Event, live: Live) -> None:
    """Read how the company stands, whenever something has changed."""
    while True:
        await stale.wait()
        stale.clear()
        try:
            screen.show(await client.companies.dashboard(company.id), await _present_tasks(client, company))
        except (ClientError, Unavailable):
            # The stream goes on by itself, and the picture with it.
            stale.set()
        live.refresh()
        await asyncio.sleep(REFRESHED_EVERY)


async def _tick(stream: EventStream, screen: Screen, live: Live) -> None:
    while True:
        screen.connected = stream.connected
        live.refresh()
        await asyncio.sleep(CLOCK_TICKS_EVERY)


async def _present_tasks(client: Client, company: Company) -> list[Task]:
    """Those that are worked on, and then those that come next, as many as are shown."""
    found: list[Task] = []
    for statuses in ((TaskStatus.IN_PROGRESS, TaskStatus.IN_REVIEW), (TaskStatus.TODO,)):
        async with aclosing(client.tasks.list(company.id, status=statuses, limit=MOST_TASKS)) as tasks:
            found += [task async for task in _first(tasks, MOST_TASKS - len(found))]
    return found


async def _first(tasks: AsyncIterator[Task], most: int) -> AsyncIterator[Task]:
    if most > 0:
        async for task in tasks:
            yield task
            most -= 1
            if not most:
                return


@contextlib.contextmanager
def _keys(over: asyncio.Event) -> Iterator[None]:
    """Let q end it, where the keyboard can be read key by key."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)

    def pressed() -> None:
        if os.read(keyboard, 1) in (b"q", b"Q"):
            over.set()

    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


class Story:
    """Tells of events in lines; what has not changed it does not tell again."""

    def __init__(self) -> None:
        self._statuses: dict[str, TaskStatus] = {}

    def lines(self, event: StreamedEvent) -> Iterator[str]:
        """The lines for an event; many need none."""
        if (words := self._words(event)) is not None:
            at = "" if event.timestamp is None else moment(Instant(event.timestamp)).astimezone().strftime("%H:%M:%S  ")
            yield f"{at}{plain(words)}".replace("\n", " ")

    def _words(self, event: StreamedEvent) -> str | None:
        words: str | None
        match event.data:
            case Activity(actor_name=name, text=text):
                words = f"{name}: {text}"
            case AgentStatusChanged(name=name, status=status):
                words = f"{name} is {status}"
            case TaskStarted(task_id=task_id, task_title=title, agent_name=name):
                self._statuses[task_id] = TaskStatus.IN_PROGRESS
                words = f"{name} works on “{title}”"
            case TaskCompleted(task_title=title, result=result):
                words = f"“{title}” is done" + (f": {result}" if result else "")
            case TaskCreated(task_id=task_id, task_title=title, status=status):
                # `TaskUpdated` is one of these, too. That it is done is told by an event of its own.
                is_told = status in (TaskStatus.DONE, self._statuses.get(task_id))
                words = None if is_told else f"“{title}” is {status}"
                self._statuses[task_id] = status
            case TaskDeleted(task_id=task_id, task_title=title):
                self._statuses.pop(task_id, None)
                words = f"“{title}” is erased"
            case ApprovalNeeded(title=title):
                words = f"The board is asked: {title}"
            case BudgetWarned(percent=percent):
                words = f"{percent} % of a budget are spent"
            case Resync():
                words = "Some events were missed"
            case _:
                words = None
        return words
