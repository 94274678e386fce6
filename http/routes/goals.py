"""Goals: what the company wants to reach."""

from opencognit.domain.caller import Right
from opencognit.domain.errors import DependencyCycle, InvalidStatus
from opencognit.domain.goal import CreateGoal, DeleteGoal, Goal, GoalQuery, PlanGoal, UpdateGoal
from opencognit.domain.kinds import GOAL
from opencognit.domain.message import Success
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['goals']}"
ONE = f"/api/{PATHS['goals']}/{{id}}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def listing(request: Request[None, GoalQuery]) -> Listing[Goal]:
    """The company's goals; `?status=` narrows (a comma list)."""
    limit, offset = request.paging()
    return Listing(await request.runtime.queries.goals(request.id, request.query.status, limit, offset), limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    status=201,
    example={"title": "A hundred customers", "level": "company"},
)
async def create(request: Request[CreateGoal]) -> Goal:
    """Set a goal."""
    return await request.create(GOAL, await request.body())


@routes.add("GET", ONE, subject=Subject.GOAL, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Goal:
    """One goal."""
    goal: Goal = request.subject
    return goal


@routes.add(
    "PATCH",
    ONE,
    subject=Subject.GOAL,
    right=Right.WORK,
    errors=(InvalidStatus, DependencyCycle),
    example={"progress": 40},
)
async def update(request: Request[UpdateGoal]) -> Goal:
    """Change the fields present."""
    return await request.ask(GOAL, await request.body())


@routes.add("DELETE", ONE, subject=Subject.GOAL, right=Right.WORK)
async def delete(request: Request) -> Success:
    """Erase the goal; its tasks stay."""
    return await request.ask(GOAL, DeleteGoal())


@routes.add("POST", f"{ONE}/{PATHS['plan']}", subject=Subject.GOAL, right=Right.WORK, errors=(InvalidStatus,))
async def plan(request: Request) -> Goal:
    """Give the goal to the orchestrator, once."""
    return await request.ask(GOAL, PlanGoal())
