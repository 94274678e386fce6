"""Lists of agents that are hired together."""

from opencognit.domain.agent_list import AgentsImport, ImportAgents, NewAgent, NewAgents, read_agents
from opencognit.domain.caller import Right
from opencognit.domain.kinds import COMPANY
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject

routes = Routes()


@routes.add(
    "POST",
    f"/api/{PATHS['companies']}/{{id}}/{PATHS['agents']}/import",
    subject=Subject.COMPANY,
    right=Right.WORK,
    status=201,
    is_document=True,
    example=ImportAgents(
        agents=(
            NewAgent(name="Ada", role="CEO", is_orchestrator=True),
            NewAgent(name="Grace", role="Engineer", reports_to="Ada"),
        )
    ),
)
async def hire(request: Request[ImportAgents | NewAgents]) -> AgentsImport:
    """Hire a list of agents, all or none. The list may stand alone, or in an object; as JSON or as YAML.

    Whom an agent reports to is named by the name of another one of the list, or by name or id of one of the company.
    """
    return await request.ask(COMPANY, read_agents(await request.document()))
