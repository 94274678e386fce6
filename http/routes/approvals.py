"""Approvals: what agents ask the board, and its decisions."""

import msgspec

from opencognit.domain.approval import Approval, ApprovalStatus, AskAgain, Decide, RequestApproval, Withdraw
from opencognit.domain.caller import Right
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.kinds import APPROVAL
from opencognit.domain.message import Text
from opencognit.domain.wire_names import FIELDS, PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['approvals']}"
ONE = f"/api/{PATHS['approvals']}/{{id}}"


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS, forbid_unknown_fields=True):
    """What goes with a decision."""

    note: Text | None = None


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.READ)
async def listing(request: Request) -> Listing:
    """The open approvals; `?status=` others."""
    request.known_query("limit", "offset", "status")
    limit, offset = request.paging()
    words = tuple(word for word in request.query.get("status", ApprovalStatus.PENDING).split(",") if word)
    for word in words:
        if word not in list(ApprovalStatus):
            raise ValidationFailed.of("status", f"{word!r} is not one of {', '.join(ApprovalStatus)}")
    page = await request.runtime.queries.approvals(request.id, words, limit, offset)
    return Listing(page, limit, offset)


@routes.add("POST", OF_COMPANY, subject=Subject.COMPANY, right=Right.WORK, agents=Agents.COMPANY, status=201)
async def create(request: Request) -> Approval:
    """Ask the board."""
    return await request.create(APPROVAL, await request.body(RequestApproval))


@routes.add("GET", ONE, subject=Subject.APPROVAL, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Approval:
    """One approval."""
    approval: Approval = request.subject
    return approval


@routes.add("POST", f"{ONE}/{PATHS['approve']}", subject=Subject.APPROVAL, right=Right.WORK)
async def approve(request: Request) -> Approval:
    """Say yes."""
    body = await request.body(DecisionBody)
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.APPROVED, note=body.note))


@routes.add("POST", f"{ONE}/{PATHS['reject']}", subject=Subject.APPROVAL, right=Right.WORK)
async def reject(request: Request) -> Approval:
    """Say no."""
    body = await request.body(DecisionBody)
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.REJECTED, note=body.note))


@routes.add("POST", f"{ONE}/{PATHS['revise']}", subject=Subject.APPROVAL, right=Right.WORK)
async def revise(request: Request) -> Approval:
    """Send it back with a note."""
    body = await request.body(DecisionBody)
    return await request.ask(APPROVAL, Decide(status=ApprovalStatus.REVISION_REQUESTED, note=body.note))


@routes.add("POST", f"{ONE}/{PATHS['ask_again']}", subject=Subject.APPROVAL, right=Right.WORK, agents=Agents.COMPANY)
async def ask_again(request: Request) -> Approval:
    """Ask anew what was sent back; the asker alone may."""
    return await request.ask(APPROVAL, await request.body(AskAgain))


@routes.add("POST", f"{ONE}/{PATHS['withdraw']}", subject=Subject.APPROVAL, right=Right.WORK, agents=Agents.COMPANY)
async def withdraw(request: Request) -> Approval:
    """Take back what nobody has decided; the asker alone may."""
    return await request.ask(APPROVAL, await request.body(Withdraw))
