"""Goals: what the company wants to reach."""

from opencognit.domain.caller import Right
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.goal import CreateGoal, DeleteGoal, Goal, GoalStatus, PlanGoal, UpdateGoal
from opencognit.domain.kinds import GOAL
from opencognit.domain.message import Success
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['goals']}"
ONE = f"/api/{PATHS['goals']}/{{id}}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request) -> Listing:
    """The company's goals; `?status=` narrows (a comma list)."""
    request.known_query("limit", "offset", "status")
    limit, offset = request.paging()
    words = tuple(word for word in request.query.get("status", "").split(",") if word)
    for word in words:
        if word not in list(GoalStatus):
            raise ValidationFailed.of("status", f"{word!r} is not one of {', '.join(GoalStatus)}")
    return Listing(await request.runtime.queries.goals(request.id, words, limit, offset), limit, offset)


@routes.add("POST", OF_COMPANY, subject=Subject.COMPANY, right=Right.WORK, status=201)
async def create(request: Request) -> Goal:
    """Set a goal."""
    return await request.create(GOAL, await request.body(CreateGoal))


@routes.add("GET", ONE, subject=Subject.GOAL, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Goal:
    """One goal."""
    goal: Goal = request.subject
    return goal


@routes.add("PATCH", ONE, subject=Subject.GOAL, right=Right.WORK)
async def update(request: Request) -> Goal:
    """Change the fields present."""
    return await request.ask(GOAL, await request.body(UpdateGoal))


@routes.add("DELETE", ONE, subject=Subject.GOAL, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Erase the goal; its tasks stay."""
    return await request.ask(GOAL, DeleteGoal())


@routes.add("POST", f"{ONE}/{PATHS['plan']}", subject=Subject.GOAL, right=Right.WORK)
async def plan(request: Request) -> Goal:
    """Give the goal to the orchestrator, once."""
    return await request.ask(GOAL, PlanGoal())
