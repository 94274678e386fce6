"""`opencognit company`: founding companies, looking at them, pausing and stopping them."""

from collections.abc import Callable
from typing import BinaryIO

import click
from msgspec.structs import asdict

from opencognit.client.calls import understood
from opencognit.commands import files
from opencognit.commands.finding import company_names
from opencognit.commands.session import Session, at_server
from opencognit.commands.showing import Columns, card, money, print_parts, table, when
from opencognit.commands.signing_in import choose_company
from opencognit.domain.caller import Member
from opencognit.domain.company import Company, CompanyStatus
from opencognit.domain.company_file import ImportedCompany, read_company
from opencognit.domain.figures import AgentCosts, AgentLine, CostSummary, Dashboard
from opencognit.domain.message import Success

COLUMNS: Columns[Company] = {
    "NAME": lambda company: company.name,
    "STATUS": lambda company: company.status,
    "SPENT": lambda company: money(company.spent_cents, company.currency),
    "BUDGET": lambda company: money(company.budget_cents, company.currency) if company.budget_cents else None,
    "FOUNDED": lambda company: when(company.created_at),
    "ID": lambda company: company.id,
}

AGENTS: Columns[AgentLine] = {
    "AGENT": lambda agent: agent.name,
    "ROLE": lambda agent: agent.role,
    "STATUS": lambda agent: agent.status,
    "ADAPTER": lambda agent: agent.adapter,
    "SPENT": lambda agent: money(agent.spent_cents),
    "ID": lambda agent: agent.id,
}

COSTS: Columns[AgentCosts] = {
    "AGENT": lambda agent: agent.name,
    "SPENT": lambda agent: money(agent.cost_cents),
    "BUDGET": lambda agent: money(agent.budget_cents) if agent.budget_cents else None,
    "PERCENT": lambda agent: f"{agent.percent} %" if agent.budget_cents else None,
    "CALLS": lambda agent: agent.calls,
    "TOKENS IN": lambda agent: agent.input_tokens,
    "TOKENS OUT": lambda agent: agent.output_tokens,
}

MEMBERS: Columns[Member] = {
    "NAME": lambda member: member.name,
    "E-MAIL": lambda member: member.email,
    "ROLE": lambda member: member.role,
    "ID": lambda member: member.user_id,
}


@click.group()
def company() -> None:
    """Companies: found them, look at them, pause and stop them."""


def about_one(command: Callable[..., None]) -> Callable[..., None]:
    """A command about the company that is named, or chosen, or the only one."""
    argument = click.argument(
        "company_named", metavar="[COMPANY]", required=False, envvar="OPENCOGNIT_COMPANY", shell_complete=company_names
    )
    return argument(at_server(command))


@company.command("list")
@at_server
def list_(session: Session) -> None:
    """The companies that you belong to."""
    nothing = "You belong to no company yet."
    session.output.rows(Company, session.client.companies.list.raw(), COLUMNS, nothing=nothing)


@company.command()
@click.argument("name")
@click.option("--description", help="What it does.")
@click.option("--goal", help="What it wants to reach.")
@click.option("--budget", "budget_cents", type=click.IntRange(0), default=0, help="Cents that it may spend in a month.")
@click.option("--currency", default="USD", show_default=True, help="Of its money.")
@click.option("--time-zone", default="UTC", show_default=True, help="Of its calendar, such as Europe/Berlin.")
@at_server
def create(
    session: Session,
    name: str,
    *,
    description: str | None,
    goal: str | None,
    budget_cents: int,
    currency: str,
    time_zone: str,
) -> None:
    """Found a company; it is yours."""
    body = session.client.companies.create.raw(
        name=name,
        description=description,
        goal=goal,
        budget_cents=budget_cents,
        currency=currency,
        time_zone=time_zone,
    )
    session.output.done(Company, body, lambda made: f"Founded {made.name} ({made.id}).")


@company.command("import")
@files.given
@at_server
def import_(session: Session, file: BinaryIO) -> None:
    """Found a company from a file, as JSON or YAML; it is yours, and paused. `-` reads it from standard input."""
    with files.problems_told(file):
        wish = read_company(files.json_in(file))
        body = session.client.companies.import_file.raw(**asdict(wish))
    session.output.done(ImportedCompany, body, founded)


def founded(made: ImportedCompany) -> str:
    """What has come into being, and what is left to do for it."""
    report = made.imported
    parts = f"{report.agents} agents, {report.goals} goals, {report.tasks} tasks, {report.routines} routines"
    lines = [
        f"Founded {made.name} ({made.id}): {parts}. It is paused.",
        *(f"Fill in {secret.path} of agent {secret.agent_id}." for secret in report.missing_secrets),
        *(f"Webhook {trigger.public_id} has the secret {trigger.secret}" for trigger in report.triggers),
        f"Let it work by `opencognit company resume {made.id}`.",
    ]
    return "\n".join(lines)


@company.command()
@click.option("-o", "--output", "file", type=click.File("wb", lazy=True), help="Write it there; else it is printed.")
@about_one
def export(session: Session, file: BinaryIO | None) -> None:
    """Write the company into a file, as JSON, without its secrets."""
    body = session.client.companies.export.raw(session.company.id)
    if file is None:
        click.echo(body)
    else:
        file.write(body)


@company.command()
@about_one
def show(session: Session) -> None:
    """A company at a glance."""
    body = session.client.companies.dashboard.raw(session.company.id)
    if session.output.as_json:
        click.echo(body)
        return
    board = understood(body, Dashboard)
    print_parts(card(_glance(board)), *(("", table(board.all_agents, AGENTS)) if board.all_agents else ()))


@company.command()
@about_one
def use(session: Session) -> None:
    """Choose the company that commands are about from now on."""
    choose_company(session.company.id)
    session.output.line(f"Commands are about {session.company.name} from now on.")


@company.command()
@about_one
def pause(session: Session) -> None:
    """Start nothing new; what is under way ends."""
    _become(session, CompanyStatus.PAUSED)


@company.command()
@about_one
def resume(session: Session) -> None:
    """Work again."""
    _become(session, CompanyStatus.ACTIVE)


@company.command()
@about_one
def stop(session: Session) -> None:
    """Pause it and cut off all its runs at once."""
    body = session.client.companies.stop.raw(session.company.id)
    session.output.done(Company, body, lambda stopped: f"{stopped.name} is stopped: all its runs are cut off.")


@company.command()
@click.option("--month", help="As 2026-04; the present one by default.")
@about_one
def costs(session: Session, month: str | None) -> None:
    """What it has spent in a month."""
    body = session.client.companies.costs.raw(session.company.id, month=month)
    if session.output.as_json:
        click.echo(body)
        return
    summary, currency = understood(body, CostSummary), session.company.currency
    budget = money(summary.budget_in_all, currency) if summary.budget_in_all else None
    fields = {"Month": summary.month, "Spent": money(summary.spent_in_all, currency), "Budget": budget}
    print_parts(card(fields), *(("", table(summary.by_agent, COSTS)) if summary.by_agent else ()))


@company.command()
@about_one
def members(session: Session) -> None:
    """Who belongs to it."""
    rows = session.client.companies.members.raw(session.company.id)
    session.output.rows(Member, rows, MEMBERS, nothing="Nobody belongs to it.")


@company.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@about_one
def delete(session: Session, *, yes: bool) -> None:
    """Erase it with all that belongs to it."""
    name = session.company.name
    if not yes:
        click.confirm(f"Erase {name} with all its agents, tasks and history?", abort=True, err=True)
    body = session.client.companies.delete.raw(session.company.id)
    session.output.done(Success, body, lambda _: f"{name} is erased.")


def _become(session: Session, status: CompanyStatus) -> None:
    body = session.client.companies.update.raw(session.company.id, status=status)
    session.output.done(Company, body, lambda changed: f"{changed.name} is {changed.status}.")


def _glance(board: Dashboard) -> dict[str, object]:
    company, agents, tasks = board.company, board.agents, board.tasks
    spent = money(board.costs.spent_in_all, company.currency)
    budget = f" of {money(board.costs.budget_in_all, company.currency)}" if board.costs.budget_in_all else ""
    return {
        "Company": company.name,
        "Status": company.status,
        "Goal": company.goal,
        "Agents": f"{agents.in_all} ({agents.running} running, {agents.paused} paused, {agents.error} in error)",
        "Tasks": f"{tasks.open} open ({tasks.in_progress} in progress, {tasks.blocked} blocked), {tasks.done} done",
        "Spent": f"{spent}{budget} this month",
        "Approvals": f"{board.pending_approvals} waiting for you" if board.pending_approvals else "none waiting",
        "Goals": ", ".join(f"{goal.title} ({goal.progress} %)" for goal in board.active_goals) or None,
        "Id": company.id,
    }
