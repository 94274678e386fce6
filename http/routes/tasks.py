"""Tasks, their execution locks, and their comments."""

from msgspec.structs import replace

from opencognit.domain.caller import Right
from opencognit.domain.errors import (
    AgentPaused,
    AssignedElsewhere,
    DependencyCycle,
    Forbidden,
    InvalidStatus,
    NotLockHolder,
    StaleToken,
    TaskBlocked,
    TaskLocked,
    ValidationFailed,
)
from opencognit.domain.kinds import TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.query import Paging, Query
from opencognit.domain.task import (
    RANK,
    AddComment,
    Checkout,
    Comment,
    CreateTask,
    DeleteTask,
    Release,
    Task,
    TaskQuery,
    UpdateTask,
    Wait,
)
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import EXAMPLE_ID, Agents, Routes, Subject
from opencognit.store.task_queries import TaskFilter

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['tasks']}"
ONE = f"/api/{PATHS['tasks']}/{{id}}"
MOST_WORDS = 20
"""Different words in one search: each is a condition of the query."""


class CheckoutQuery(Query, frozen=True, kw_only=True):
    """How long to wait for the lock."""

    wait: Wait | None = None
    """Seconds."""


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request[None, TaskQuery]) -> Listing[Task]:
    """The company's tasks, narrowed by the query."""
    query = request.query
    limit, offset = request.paging()
    wanted = TaskFilter(
        statuses=query.status,
        priorities=tuple(RANK[priority] for priority in query.priority),
        assignee_id=query.assignee_id,
        goal_id=query.goal_id,
        parent_id=query.parent_id,
        words=_search(query.q),
    )
    return Listing(await request.runtime.queries.tasks(request.id, wanted, limit, offset), limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
    example={"title": "Write the plan", "priority": "high", "due_at": "2026-05-01T12:00:00Z"},
)
async def create(request: Request[CreateTask]) -> Task:
    """Give the company a task; an agent creates subtasks only."""
    message = await request.body()
    if request.agent_id is not None and message.parent_id is None:
        raise Forbidden("An agent creates tasks below another one only")
    return await request.create(TASK_LOCK, message)


@routes.add("GET", ONE, subject=Subject.TASK, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Task:
    """One task."""
    task: Task = request.subject
    return task


@routes.add(
    "PATCH",
    ONE,
    subject=Subject.TASK,
    right=Right.WORK,
    errors=(TaskLocked, TaskBlocked, StaleToken, InvalidStatus, DependencyCycle),
    example={"priority": "low", "due_at": "2026-05-01T12:00:00Z"},
)
async def update(request: Request[UpdateTask]) -> Task:
    """Change the fields present."""
    return await request.ask(TASK_LOCK, await request.body())


@routes.add("DELETE", ONE, subject=Subject.TASK, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Erase the task."""
    return await request.ask(TASK_LOCK, DeleteTask())


@routes.add(
    "POST",
    f"{ONE}/checkout",
    subject=Subject.TASK,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(TaskLocked, AssignedElsewhere, TaskBlocked, InvalidStatus, AgentPaused),
    example={"agent_id": EXAMPLE_ID, "lease": 600},
)
async def checkout(request: Request[Checkout, CheckoutQuery]) -> Task:
    """Give the task to one agent, or say who has it; `?warteSek=` waits for the lock that long."""
    message = await request.body()
    request.act_as(message.agent_id)
    wait = message.wait if request.query.wait is None else request.query.wait
    message = replace(message, agent_id=message.agent_id.lower(), wait=wait)
    return await request.ask(TASK_LOCK, message, wait=wait)


@routes.add(
    "POST",
    f"{ONE}/release",
    subject=Subject.TASK,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(NotLockHolder, StaleToken),
    example={"agent_id": EXAMPLE_ID, "status": "done", "result": "It stands."},
)
async def release(request: Request[Release]) -> Task:
    """Give the lock back; a board user who names no agent takes it away."""
    message = await request.body()
    if request.agent_id is not None:
        message = replace(message, agent_id=message.agent_id or request.agent_id)
    if message.agent_id is not None:
        request.act_as(message.agent_id)
        message = replace(message, agent_id=message.agent_id.lower())
    return await request.ask(TASK_LOCK, message)


@routes.add("GET", f"{ONE}/{PATHS['comments']}", subject=Subject.TASK, right=Right.READ, agents=Agents.COMPANY)
async def comments(request: Request[None, Paging]) -> Listing[Comment]:
    """What was said on the task, oldest first."""
    limit, offset = request.paging()
    return Listing(await request.runtime.queries.comments(request.id, limit, offset), limit, offset)


@routes.add(
    "POST",
    f"{ONE}/{PATHS['comments']}",
    subject=Subject.TASK,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
    example={"content": "@Ada please have a look."},
)
async def add_comment(request: Request[AddComment]) -> Comment:
    """Say something on the task, as whoever the token says."""
    return await request.ask(TASK_LOCK, await request.body())


def _search(text: str) -> tuple[str, ...]:
    """The different words that are looked for; empty for none."""
    words = tuple(dict.fromkeys(text.split()))
    if len(words) > MOST_WORDS:
        raise ValidationFailed.of("q", f"has more than {MOST_WORDS} words")
    return words
