"""Tasks, their execution locks, and their comments."""

from msgspec.structs import replace

from opencognit.domain.caller import Right
from opencognit.domain.errors import Forbidden, ValidationFailed
from opencognit.domain.kinds import TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.task import (
    RANK,
    AddComment,
    Checkout,
    Comment,
    CreateTask,
    DeleteTask,
    Priority,
    Release,
    Task,
    TaskStatus,
    UpdateTask,
)
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject
from opencognit.store.task_queries import TaskFilter

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['tasks']}"
ONE = f"/api/{PATHS['tasks']}/{{id}}"
LONGEST_WAIT = 60.0
MOST_WORDS = 20
"""Different words in one search: each is a condition of the query."""


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request) -> Listing:
    """The company's tasks, narrowed by the query."""
    names = ("assignee_id", "priority", "goal_id", "parent_id")
    request.known_query("limit", "offset", "status", "q", *(FIELDS[name] for name in names))
    limit, offset = request.paging()
    wanted = TaskFilter(
        statuses=_words(request, "status", TaskStatus),
        priorities=tuple(RANK[Priority(word)] for word in _words(request, FIELDS["priority"], Priority)),
        assignee_id=request.query.get(FIELDS["assignee_id"]),
        goal_id=request.query.get(FIELDS["goal_id"]),
        parent_id=request.query.get(FIELDS["parent_id"]),
        words=_search(request),
    )
    return Listing(await request.runtime.queries.tasks(request.id, wanted, limit, offset), limit, offset)


@routes.add("POST", OF_COMPANY, subject=Subject.COMPANY, right=Right.WORK, agents=Agents.COMPANY, status=201)
async def create(request: Request) -> Task:
    """Give the company a task; an agent creates subtasks only."""
    message = await request.body(CreateTask)
    if request.agent_id is not None and message.parent_id is None:
        raise Forbidden("An agent creates tasks below another one only")
    return await request.create(TASK_LOCK, message)


@routes.add("GET", ONE, subject=Subject.TASK, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Task:
    """One task."""
    task: Task = request.subject
    return task


@routes.add("PATCH", ONE, subject=Subject.TASK, right=Right.WORK)
async def update(request: Request) -> Task:
    """Change the fields present."""
    return await request.ask(TASK_LOCK, await request.body(UpdateTask))


@routes.add("DELETE", ONE, subject=Subject.TASK, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Erase the task."""
    return await request.ask(TASK_LOCK, DeleteTask())


@routes.add("POST", f"{ONE}/checkout", subject=Subject.TASK, right=Right.WORK, agents=Agents.COMPANY)
async def checkout(request: Request) -> Task:
    """Give the task to one agent, or say who has it; `?warteSek=` waits for the lock that long."""
    request.known_query(FIELDS["wait"])
    message = await request.body(Checkout)
    request.act_as(message.agent_id)
    wait = request.number(FIELDS["wait"], message.wait, least=0, most=LONGEST_WAIT)
    message = replace(message, agent_id=message.agent_id.lower(), wait=wait)
    return await request.ask(TASK_LOCK, message, wait=wait)


@routes.add("POST", f"{ONE}/release", subject=Subject.TASK, right=Right.WORK, agents=Agents.COMPANY)
async def release(request: Request) -> Task:
    """Give the lock back; a board user who names no agent takes it away."""
    message = await request.body(Release)
    if request.agent_id is not None:
        message = replace(message, agent_id=message.agent_id or request.agent_id)
    if message.agent_id is not None:
        request.act_as(message.agent_id)
        message = replace(message, agent_id=message.agent_id.lower())
    return await request.ask(TASK_LOCK, message)


@routes.add("GET", f"{ONE}/{PATHS['comments']}", subject=Subject.TASK, right=Right.READ, agents=Agents.COMPANY)
async def comments(request: Request) -> Listing:
    """What was said on the task, oldest first."""
    request.known_query("limit", "offset")
    limit, offset = request.paging()
    return Listing(await request.runtime.queries.comments(request.id, limit, offset), limit, offset)


@routes.add(
    "POST",
    f"{ONE}/{PATHS['comments']}",
    subject=Subject.TASK,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
)
async def add_comment(request: Request) -> Comment:
    """Say something on the task, as whoever the token says."""
    return await request.ask(TASK_LOCK, await request.body(AddComment))


def _search(request: Request) -> tuple[str, ...]:
    """The different words that are looked for; empty for none."""
    words = tuple(dict.fromkeys(request.query.get("q", "").split()))
    if len(words) > MOST_WORDS:
        raise ValidationFailed.of("q", f"has more than {MOST_WORDS} words")
    return words


def _words(request: Request, name: str, known: type[TaskStatus] | type[Priority]) -> tuple[str, ...]:
    """The comma list of a filter; empty for any."""
    words = tuple(word for word in request.query.get(name, "").split(",") if word)
    for word in words:
        if word not in list(known):
            raise ValidationFailed.of(name, f"{word!r} is not one of {', '.join(known)}")
    return words
