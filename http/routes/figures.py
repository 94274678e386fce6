"""A company's figures: its dashboard, and what it has spent."""

from zoneinfo import ZoneInfo

from opencognit.domain.caller import Right
from opencognit.domain.company import Company
from opencognit.domain.days import day_of
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.figures import CostQuery, CostSummary, Dashboard
from opencognit.domain.query import Query
from opencognit.domain.wire_names import FIGURE_FIELDS, PATHS
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}"


@routes.add("GET", f"{OF_COMPANY}/dashboard", subject=Subject.COMPANY, right=Right.READ)
async def dashboard(request: Request[None, Query]) -> Dashboard:
    """The company at a glance."""
    company: Company = request.subject
    return await request.runtime.queries.dashboard(company, request.runtime.clock.now())


@routes.add("GET", f"{OF_COMPANY}/{PATHS['cost_summary']}", subject=Subject.COMPANY, right=Right.READ)
async def cost_summary(request: Request[None, CostQuery]) -> CostSummary:
    """What the company has spent this month, or in another one; `limit` and `offset` choose among its agents."""
    limit, offset = request.paging()
    company: Company = request.subject
    this_month = day_of(request.runtime.clock.now(), ZoneInfo(company.time_zone))[:7]
    month = request.query.month or this_month
    if month < "0001":
        raise ValidationFailed.of(FIGURE_FIELDS["month"], "no calendar has a year 0")
    return await request.runtime.queries.cost_summary(company, month, limit, offset)
