"""Permissions: what an agent may do with its tools."""

from opencognit.domain.caller import Right
from opencognit.domain.kinds import AGENT
from opencognit.domain.permission import Chosen, Grant, Permission, SetPermissions, granted, read_permissions
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_AGENT = f"/api/{PATHS['agents']}/{{id}}/permissions"


@routes.add("GET", OF_AGENT, subject=Subject.AGENT, right=Right.READ, agents=Agents.ITSELF)
async def details(request: Request) -> dict[Permission, Grant]:
    """All permissions of the agent, each with its present value."""
    agent = request.subject
    return granted(agent.permissions, is_orchestrator=agent.is_orchestrator)


@routes.add("PUT", OF_AGENT, subject=Subject.AGENT, right=Right.OWN, example={Permission.RUN_COMMAND: Grant.DENY})
async def choose(request: Request[Chosen]) -> dict[Permission, Grant]:
    """Choose the permissions; what is not named goes with the agent's role."""
    permissions = read_permissions(await request.body())
    return await request.ask(AGENT, SetPermissions(permissions=permissions))
