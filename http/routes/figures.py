"""A company's figures: its dashboard, and what it has spent."""

import re
from typing import Final
from zoneinfo import ZoneInfo

from opencognit.domain.caller import Right
from opencognit.domain.company import Company
from opencognit.domain.days import day_of
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.figures import CostSummary, Dashboard
from opencognit.domain.wire_names import FIGURE_FIELDS, PATHS
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}"
MONTH: Final = FIGURE_FIELDS["month"]
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@routes.add("GET", f"{OF_COMPANY}/dashboard", subject=Subject.COMPANY, right=Right.READ)
async def dashboard(request: Request) -> Dashboard:
    """The company at a glance."""
    request.known_query()
    company: Company = request.subject
    return await request.runtime.queries.dashboard(company, request.runtime.clock.now())


@routes.add("GET", f"{OF_COMPANY}/{PATHS['cost_summary']}", subject=Subject.COMPANY, right=Right.READ)
async def cost_summary(request: Request) -> CostSummary:
    """What the company has spent this month, or in another one; `limit` and `offset` choose among its agents."""
    request.known_query("limit", "offset", MONTH)
    limit, offset = request.paging()
    company: Company = request.subject
    this_month = day_of(request.runtime.clock.now(), ZoneInfo(company.time_zone))[:7]
    month = request.query.get(MONTH, this_month)
    if not _MONTH.fullmatch(month) or month < "0001":
        raise ValidationFailed.of(MONTH, "must be a month such as 2026-04")
    return await request.runtime.queries.cost_summary(company, month, limit, offset)
