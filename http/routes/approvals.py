"""Approvals: what agents ask the board, and its decisions."""

from opencognit.domain.approval import (
    Approval,
    ApprovalQuery,
    ApprovalStatus,
    AskAgain,
    Decide,
    DecisionBody,
    RequestApproval,
    Withdraw,
)
from opencognit.domain.caller import Right
from opencognit.domain.errors import AlreadyDecided, InvalidStatus
from opencognit.domain.kinds import APPROVAL
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['approvals']}"
ONE = f"/api/{PATHS['approvals']}/{{id}}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ)
async def listing(request: Request[None, ApprovalQuery]) -> Listing[Approval]:
    """The open approvals; `?status=` others."""
    limit, offset = request.paging()
    page = await request.runtime.queries.approvals(request.id, request.query.status, limit, offset)
    return Listing(page, limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.WORK,
    agents=Agents.COMPANY,
    status=201,
    example={"title": "Buy a domain", "description": "example.com for a year"},
)
async def create(request: Request[RequestApproval]) -> Approval:
    """Ask the board."""
    return await request.create(APPROVAL, await request.body())


@routes.add("GET", ONE, subject=Subject.APPROVAL, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Approval:
    """One approval."""
    approval: Approval = request.subject
    return approval


@routes.add(
    "POST",
    f"{ONE}/{PATHS['approve']}",
    subject=Subject.APPROVAL,
    right=Right.WORK,
    errors=(AlreadyDecided,),
    example={"note": "Go ahead."},
)
async def approve(request: Request[DecisionBody]) -> Approval:
    """Say yes."""
    body = await request.body()
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.APPROVED, note=body.note))


@routes.add(
    "POST",
    f"{ONE}/{PATHS['reject']}",
    subject=Subject.APPROVAL,
    right=Right.WORK,
    errors=(AlreadyDecided,),
    example={"note": "Too dear."},
)
async def reject(request: Request[DecisionBody]) -> Approval:
    """Say no."""
    body = await request.body()
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.REJECTED, note=body.note))


@routes.add(
    "POST",
    f"{ONE}/{PATHS['revise']}",
    subject=Subject.APPROVAL,
    right=Right.WORK,
    errors=(AlreadyDecided,),
    example={"note": "What does it cost?"},
)
async def revise(request: Request[DecisionBody]) -> Approval:
    """Send it back with a note."""
    body = await request.body()
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.REVISION_REQUESTED, note=body.note))


@routes.add(
    "POST",
    f"{ONE}/{PATHS['ask_again']}",
    subject=Subject.APPROVAL,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(InvalidStatus,),
    example={"description": "example.com for a year, 12 dollars"},
)
async def ask_again(request: Request[AskAgain]) -> Approval:
    """Ask anew what was sent back; the asker alone may."""
    return await request.ask(APPROVAL, await request.body())


@routes.add(
    "POST",
    f"{ONE}/{PATHS['withdraw']}",
    subject=Subject.APPROVAL,
    right=Right.WORK,
    agents=Agents.COMPANY,
    errors=(AlreadyDecided,),
    example={},
)
async def withdraw(request: Request[Withdraw]) -> Approval:
    """Take back what nobody has decided; the asker alone may."""
    return await request.ask(APPROVAL, await request.body())
