"""Companies, their members, and their activity."""

from opencognit.domain.caller import CallerKind, CompanyRole, Member, Right
from opencognit.domain.company import (
    AddMember,
    Company,
    CreateCompany,
    DeleteCompany,
    RemoveMember,
    StopCompany,
    UpdateCompany,
)
from opencognit.domain.errors import BudgetExhausted, InvalidStatus, NotFound
from opencognit.domain.events import Activity
from opencognit.domain.kinds import COMPANY
from opencognit.domain.message import Success, encode
from opencognit.domain.query import Backwards, Paging
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Agents, Routes, Subject
from opencognit.store.reading import Page

routes = Routes()

ALL = f"/api/{PATHS['companies']}"
ONE = ALL + "/{id}"


@routes.add("GET", ALL, subject=Subject.SIGNED_IN, agents=Agents.COMPANY)
async def listing(request: Request[None, Paging]) -> Listing[Company]:
    """The companies that the caller belongs to; an admin's are all."""
    limit, offset = request.paging()
    caller = request.caller
    ids: list[str] | None = None
    if caller.kind is CallerKind.AGENT:
        ids = [caller.company_id or ""]
    elif not caller.is_admin:
        ids = request.runtime.directory.companies_of(caller.id or "")
    return Listing(await request.runtime.queries.companies(ids, limit, offset), limit, offset)


@routes.add(
    "POST",
    ALL,
    subject=Subject.SIGNED_IN,
    status=201,
    example={"name": "Acme", "goal": "Rockets for everyone", "budget_cents": 100000},
)
async def create(request: Request[CreateCompany]) -> Company:
    """Found a company; the caller owns it."""
    return await request.create(COMPANY, await request.body())


@routes.add("GET", ONE, subject=Subject.COMPANY, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Company:
    """One company."""
    company: Company = request.subject
    return company


@routes.add(
    "PATCH", ONE, subject=Subject.COMPANY, right=Right.OWN, errors=(BudgetExhausted,), example={"status": "paused"}
)
async def update(request: Request[UpdateCompany]) -> Company:
    """Change the fields present."""
    return await request.ask(COMPANY, await request.body())


@routes.add("POST", f"{ONE}/{PATHS['emergency_stop']}", subject=Subject.COMPANY, right=Right.WORK)
async def stop(request: Request) -> Company:
    """Pause the company and cut off all its runs at once."""
    return await request.ask(COMPANY, StopCompany())


@routes.add("DELETE", ONE, subject=Subject.COMPANY, right=Right.OWN)
async def delete(request: Request) -> Success:
    """Erase the company and all that belongs to it."""
    return await request.ask(COMPANY, DeleteCompany())


@routes.add("GET", f"{ONE}/{PATHS['activity']}", subject=Subject.COMPANY, right=Right.READ)
async def activity(request: Request[None, Backwards]) -> Listing[Activity]:
    """What happened, newest first."""
    limit, offset = request.paging()
    page = await request.runtime.queries.activity(request.id, limit, offset, request.query.before)
    return Listing(page, limit, offset, newest_first=True)


@routes.add("GET", f"{ONE}/{PATHS['members']}", subject=Subject.COMPANY, right=Right.READ)
async def members(request: Request[None, Paging]) -> Listing[Member]:
    """Who belongs to the company."""
    limit, offset = request.paging()
    directory = request.runtime.directory
    found = []
    for user_id, role in directory.members(request.id).items():
        user = directory.user(user_id)
        if user is not None:
            found.append(Member(user_id=user_id, company_id=request.id, name=user.name, email=user.email, role=role))
    bodies = [encode(member) for member in found[offset : offset + limit]]
    return Listing(Page(bodies, len(found)), limit, offset)


@routes.add(
    "POST",
    f"{ONE}/{PATHS['members']}",
    subject=Subject.COMPANY,
    right=Right.OWN,
    status=201,
    errors=(InvalidStatus,),
    example={"email": "joe@example.com", "role": CompanyRole.MEMBER},
)
async def add_member(request: Request[AddMember]) -> Member:
    """Take a user in, or give a member another role."""
    return await request.ask(COMPANY, await request.body())


@routes.add(
    "DELETE", ONE + f"/{PATHS['members']}/{{userId}}", subject=Subject.COMPANY, right=Right.OWN, errors=(InvalidStatus,)
)
async def remove_member(request: Request) -> Success:
    """Put a member out."""
    user_id = request.raw.match_info["userId"].lower()
    if user_id not in request.runtime.directory.members(request.id):
        raise NotFound("Member not found")
    return await request.ask(COMPANY, RemoveMember(user_id=user_id))
