"""What agents remember: written by the agent itself, visible and changeable by the board."""

from msgspec.structs import replace

from opencognit.domain.caller import Right
from opencognit.domain.errors import NotFound
from opencognit.domain.kinds import AGENT
from opencognit.domain.memory import (
    ChangeMemory,
    ForgetMemory,
    Memory,
    MemoryBody,
    MemoryQuery,
    NoteRecall,
    Remember,
)
from opencognit.domain.message import Success, decode
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_AGENT = f"/api/{PATHS['agents']}/{{id}}/{PATHS['memories']}"
ONE = OF_AGENT + "/{memoryId}"


@routes.add("GET", OF_AGENT, subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def listing(request: Request[None, MemoryQuery]) -> Listing[Memory]:
    """The agent's notes, oldest first; with `?q=` those that have any of its words, nearest first."""
    limit, offset = request.paging()
    words = request.query.q
    queries = request.runtime.queries
    if words is None:
        return Listing(await queries.memories(request.id, limit, offset), limit, offset)
    page = await queries.recalled(request.id, words, limit, offset)
    if request.agent_id is not None and page.bodies:
        # What the board reads says nothing about what is of use to the agent.
        ids = tuple(decode(body, Memory).id for body in page.bodies)
        request.runtime.system.tell(AGENT, request.id, NoteRecall(memory_ids=ids), internal=True)
    return Listing(page, limit, offset)


@routes.add(
    "POST",
    OF_AGENT,
    subject=Subject.AGENT,
    right=Right.WORK,
    agents=Agents.ITSELF,
    status=201,
    example={"content": "The customer is called at noon.", "keywords": ["customer"]},
)
async def create(request: Request[Remember]) -> Memory:
    """Note something down."""
    return await request.ask(AGENT, await request.body())


@routes.add("DELETE", OF_AGENT, subject=Subject.AGENT, right=Right.WORK, agents=Agents.ITSELF)
async def delete_all(request: Request) -> Success:
    """Forget everything."""
    return await request.ask(AGENT, ForgetMemory())


@routes.add("GET", ONE, subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def details(request: Request) -> Memory:
    """One note."""
    body = await request.runtime.queries.memory(request.id, _memory_id(request))
    if body is None:
        raise NotFound("Memory not found")
    return decode(body, Memory)


@routes.add(
    "PATCH",
    ONE,
    subject=Subject.AGENT,
    right=Right.WORK,
    agents=Agents.ITSELF,
    example={"keywords": ["customer", "calls"]},
)
async def update(request: Request[MemoryBody]) -> Memory:
    """Change the fields present."""
    body = await request.body()
    message = ChangeMemory(
        memory_id=_memory_id(request),
        expected_version=_version_of_the_note(request),
        content=body.content,
        keywords=body.keywords,
    )
    return await request.ask(AGENT, message)


@routes.add("DELETE", ONE, subject=Subject.AGENT, right=Right.WORK, agents=Agents.ITSELF)
async def delete(request: Request) -> Success:
    """Forget one note."""
    expected = _version_of_the_note(request)
    return await request.ask(AGENT, ForgetMemory(memory_id=_memory_id(request), expected_version=expected))


def _memory_id(request: Request) -> str:
    return request.raw.match_info["memoryId"].lower()


def _version_of_the_note(request: Request) -> int | None:
    """The version that `If-Match` names is the note's, not that of the agent who keeps it."""
    expected = request.origin.expected_version
    request.origin = replace(request.origin, expected_version=None)
    return expected
