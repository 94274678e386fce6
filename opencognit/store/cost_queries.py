"""What was spent in a month, from sums that a trigger keeps with each booking (`migrations/0003_figures.py`).

A summary costs as much as it is long: how many calls were booked makes no difference.
"""

from typing import Any

from msgspec.structs import replace

from opencognit.domain.company import Company
from opencognit.domain.days import days_of
from opencognit.domain.figures import AgentCosts, Booked, CostSummary, DayCosts, ModelCosts, percent
from opencognit.domain.message import decode
from opencognit.domain.records import MICRO
from opencognit.store.reading import Reading, on_reader

_SUMS = "calls, input_tokens, output_tokens, micro_cents, estimated_micro_cents"

# Named, as SQLite would rather sort all of the month's agents than follow this index.
_SPENDERS = f"""
SELECT a.body, page.* FROM (
    SELECT key, {_SUMS} FROM cost_sums INDEXED BY cost_sums_spenders
    WHERE company_id = ? AND month = ? AND kind = 'agent'
    ORDER BY micro_cents DESC, key DESC LIMIT ? OFFSET ?
) page JOIN agents a ON a.id = page.key ORDER BY page.micro_cents DESC, page.key DESC"""  # noqa: S608 - names of this file

_OTHERS = """
SELECT body FROM agents WHERE company_id = ?1 AND status <> 'terminated' AND id NOT IN (
    SELECT key FROM cost_sums WHERE company_id = ?1 AND month = ?2 AND kind = 'agent'
) ORDER BY seq LIMIT ?3 OFFSET ?4"""


class CostQueries(Reading):
    """The questions."""

    @on_reader
    def cost_summary(self, company: Company, month: str, limit: int, offset: int) -> CostSummary:
        """What a company has spent in a month such as `2026-04`; `limit` and `offset` choose among its agents."""
        with self._readers.database.atomic():
            by_model, by_day = (self._booked(company.id, month, kind) for kind in ("model", "day"))
            by_agent = self._by_agent(company.id, month, limit, offset)
        days = tuple(DayCosts(day=day, **by_day.get(day, {})) for day in days_of(month))
        models = [ModelCosts(model=model or None, **booked) for model, booked in by_model.items()]
        in_all = sum(days, Booked())
        return CostSummary(
            month=month,
            spent_in_all=in_all.cost_cents,
            estimated_in_all=in_all.estimated_cents,
            budget_in_all=company.budget_cents,
            percent_in_all=percent(in_all.cost_cents, company.budget_cents),
            calls=in_all.calls,
            input_tokens=in_all.input_tokens,
            output_tokens=in_all.output_tokens,
            by_agent=by_agent,
            by_model=tuple(sorted(models, key=lambda one: (-one.cost_cents, one.model or ""))),
            by_day=days,
        )

    def _by_agent(self, company_id: str, month: str, limit: int, offset: int) -> tuple[AgentCosts, ...]:
        """Who has spent something, the most first; and then all others, in the order of their hiring."""
        rows = self._readers.rows(_SPENDERS, (company_id, month, limit, offset))
        spenders = [_agent_costs(body, _booked(*sums)) for body, _key, *sums in rows]
        if len(spenders) == limit:
            return tuple(spenders)
        ((before,),) = self._readers.rows(
            "SELECT count(*) FROM cost_sums WHERE company_id = ? AND month = ? AND kind = 'agent'", (company_id, month)
        )
        rest = (company_id, month, limit - len(spenders), max(0, offset - before))
        others = self._readers.rows(_OTHERS, rest)
        return (*spenders, *(_agent_costs(body, _booked()) for (body,) in others))

    def _booked(self, company_id: str, month: str, kind: str) -> dict[str, dict[str, Any]]:
        """The sums of a month, by model or by day."""
        rows = self._readers.rows(
            f"SELECT key, {_SUMS} FROM cost_sums WHERE company_id = ? AND month = ? AND kind = ?",  # noqa: S608
            (company_id, month, kind),
        )
        return {key: _booked(*sums) for key, *sums in rows}


def _booked(
    calls: int = 0, input_tokens: int = 0, output_tokens: int = 0, micro_cents: int = 0, estimated: int = 0
) -> dict[str, Any]:
    """The fields of a `Booked`, from a row of sums."""
    return {
        "calls": calls,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_cents": micro_cents / MICRO,
        "estimated_cents": estimated / MICRO,
    }


def _agent_costs(body: bytes, booked: dict[str, Any]) -> AgentCosts:
    agent = decode(body, AgentCosts)
    return replace(agent, **booked, percent=percent(booked["cost_cents"], agent.budget_cents))
