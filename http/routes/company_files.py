"""Whole companies as files: out of one server, into another or the same."""

import asyncio
from typing import Annotated, Final

from aiohttp import web

from opencognit.domain.caller import Right
from opencognit.domain.company_file import (
    FORMAT,
    VERSION,
    AgentInFile,
    CompanyFile,
    CompanyInFile,
    GoalInFile,
    ImportedCompany,
    TaskInFile,
    read_company,
)
from opencognit.domain.wire_names import PATHS
from opencognit.http.answering import json_answer
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject, Written

routes = Routes()

ALL = f"/api/{PATHS['companies']}"

_EXAMPLE: Final = CompanyFile(
    format=FORMAT,
    format_version=VERSION,
    company=CompanyInFile(name="Acme", goal="Rockets for everyone"),
    agents=(
        AgentInFile(id="ceo", name="Ada", role="CEO", is_orchestrator=True),
        AgentInFile(id="engineer", name="Grace", role="Engineer", reports_to="ceo"),
    ),
    goals=(GoalInFile(id="first", title="The first rocket flies", owner_id="ceo"),),
    tasks=(TaskInFile(id="engine", title="Build the engine", assignee_id="engineer", goal_id="first"),),
)


@routes.add("GET", f"{ALL}/{{id}}/export", subject=Subject.COMPANY, right=Right.OWN)
async def export_company(request: Request) -> Annotated[web.Response, Written(CompanyFile)]:
    """The company as a file, without its secrets: profile, agents, goals, tasks, routines and what agents remember."""
    response = json_answer(await request.runtime.export_company(request.id), status=200)
    response.headers["Content-Disposition"] = f'attachment; filename="company-{request.id}.json"'
    return response


@routes.add(
    "POST", f"{ALL}/import", subject=Subject.SIGNED_IN, status=201, secret=True, is_document=True, example=_EXAMPLE
)
async def import_company(request: Request[CompanyFile]) -> ImportedCompany:
    """Found a company from a file, all of it or nothing; as JSON or as YAML.

    The caller owns it. It is paused until it is made active.
    """
    document = await request.document()
    # In a thread: a large one takes its time, and lets the loop go on meanwhile.
    file = await asyncio.to_thread(read_company, document)
    return await request.runtime.import_company(file, origin=request.origin)
