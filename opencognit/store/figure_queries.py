"""The dashboard: counts that triggers keep, sums of the month, and the beginnings of a few lists."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from opencognit.domain.agent import AgentStatus
from opencognit.domain.company import Company
from opencognit.domain.days import day_of, midnights
from opencognit.domain.events import Activity
from opencognit.domain.figures import (
    DAYS,
    AgentFigures,
    AgentLine,
    CostFigures,
    Dashboard,
    RunFigures,
    TaskFigures,
    percent,
)
from opencognit.domain.goal import Goal
from opencognit.domain.instants import Instant
from opencognit.domain.message import decode
from opencognit.domain.records import MICRO
from opencognit.domain.run import RunStatus
from opencognit.domain.task import FINISHED, TaskStatus
from opencognit.store.counting import Counting
from opencognit.store.reading import on_reader

FIRST: Final = 100
"""Agents and goals on a dashboard: as many as on a list's first page."""

NEWEST: Final = 20
"""Entries of the activity feed on a dashboard."""

_A_DAY = (
    "(SELECT coalesce(sum(number), 0) FROM counts"
    " WHERE company_id = ?1 AND kind = 'completed' AND key >= ?{0} AND key < ?{1})"
)
_COMPLETED = "SELECT " + ", ".join(_A_DAY.format(number, number + 1) for number in range(2, DAYS + 2))

_LINES = """
SELECT a.body, coalesce(s.micro_cents, 0) FROM (
    SELECT seq FROM agents WHERE company_id = ?1 AND status <> 'terminated' ORDER BY seq LIMIT ?3
) page JOIN agents a ON a.seq = page.seq LEFT JOIN cost_sums s
    ON s.company_id = ?1 AND s.month = ?2 AND s.kind = 'agent' AND s.key = a.id ORDER BY a.seq"""


class FigureQueries(Counting):
    """The questions."""

    @on_reader
    def dashboard(self, company: Company, now: Instant) -> Dashboard:
        """A company at a glance."""
        where = ZoneInfo(company.time_zone)
        month = day_of(now, where)[:7]
        with self._readers.database.atomic():
            return Dashboard(
                company=company,
                agents=self._agent_figures(company.id),
                tasks=self._task_figures(company.id, midnights(now, where, DAYS)),
                costs=self._cost_figures(company, month),
                runs=self._run_figures(company.id),
                pending_approvals=self._number(
                    "SELECT count(*) FROM approvals WHERE company_id = ? AND status = 'pending'", company.id
                ),
                all_agents=self._agent_lines(company.id, month),
                latest_activity=self._latest_activity(company.id),
                active_goals=self._active_goals(company.id),
            )

    def _agent_figures(self, company_id: str) -> AgentFigures:
        counts = self._counts(company_id, "agent")
        idle, running, paused, error = (
            counts.get(status, 0)
            for status in (AgentStatus.IDLE, AgentStatus.RUNNING, AgentStatus.PAUSED, AgentStatus.ERROR)
        )
        return AgentFigures(
            in_all=idle + running + paused + error,
            active=idle + running,
            idle=idle,
            running=running,
            paused=paused,
            error=error,
        )

    def _task_figures(self, company_id: str, days: list[Instant]) -> TaskFigures:
        counts = dict.fromkeys(TaskStatus, 0)
        for cell, number in self._counts(company_id, "task").items():
            counts[TaskStatus(cell.partition("/")[0])] += number
        # Keys end with the minute: they are compared with instants cut off there.
        (completed,) = self._readers.rows(_COMPLETED, (company_id, *(day[:16] for day in days)))
        return TaskFigures(
            in_all=sum(counts.values()),
            open=sum(number for status, number in counts.items() if status not in FINISHED),
            in_progress=counts[TaskStatus.IN_PROGRESS],
            done=counts[TaskStatus.DONE],
            blocked=counts[TaskStatus.BLOCKED],
            completed_per_day=completed,
        )

    def _cost_figures(self, company: Company, month: str) -> CostFigures:
        ((spent, estimated),) = self._readers.rows(
            "SELECT coalesce(sum(micro_cents), 0), coalesce(sum(estimated_micro_cents), 0) FROM cost_sums"
            " WHERE company_id = ? AND month = ? AND kind = 'day'",
            (company.id, month),
        )
        return CostFigures(
            spent_in_all=spent / MICRO,
            estimated_in_all=estimated / MICRO,
            budget_in_all=company.budget_cents,
            percent=percent(spent / MICRO, company.budget_cents),
        )

    def _run_figures(self, company_id: str) -> RunFigures:
        counts = self._counts(company_id, "run")
        return RunFigures(
            total=sum(counts.values()),
            succeeded=counts.get(RunStatus.SUCCEEDED, 0),
            failed=counts.get(RunStatus.FAILED, 0) + counts.get(RunStatus.TIMED_OUT, 0),
        )

    def _agent_lines(self, company_id: str, month: str) -> tuple[AgentLine, ...]:
        rows = self._readers.rows(_LINES, (company_id, month, FIRST))
        return tuple(replace(decode(body, AgentLine), spent_cents=spent / MICRO) for body, spent in rows)

    def _latest_activity(self, company_id: str) -> tuple[Activity, ...]:
        rows = self._readers.rows(
            "SELECT data FROM events WHERE company_id = ? AND type = ? ORDER BY seq DESC LIMIT ?",
            (company_id, Activity.type, NEWEST),
        )
        return tuple(decode(data, Activity) for (data,) in rows)

    def _active_goals(self, company_id: str) -> tuple[Goal, ...]:
        rows = self._readers.rows(
            "SELECT body FROM goals WHERE company_id = ? AND status = 'active' ORDER BY seq LIMIT ?",
            (company_id, FIRST),
        )
        return tuple(decode(body, Goal) for (body,) in rows)

    def _number(self, sql: str, *parameters: Any) -> int:
        return int(self._readers.rows(sql, parameters)[0][0])
