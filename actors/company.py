"""The `Company`: its profile and its members, and the one who frees tasks when what they wait for is done.

Blockers are resolved here, one at a time for each company, so that tasks freed together are told of in one event and
each of them once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import asdict, replace
from typing_extensions import override

from opencognit.actors.budget import is_used_up, zone
from opencognit.actors.company_import import CompanyImport
from opencognit.actors.planning import planned
from opencognit.domain.agent import DeleteAgent, Wake
from opencognit.domain.agent_list import ImportAgents
from opencognit.domain.budget import (
    PauseReason,
    ReserveBudget,
    RollMonth,
    SettleCost,
    SettleOrphans,
)
from opencognit.domain.caller import CompanyRole, Member
from opencognit.domain.company import (
    AddMember,
    CompanyStatus,
    CreateCompany,
    CutOff,
    DeleteCompany,
    NoteProvider,
    RemoveMember,
    ResolveBlocker,
    StopCompany,
    UpdateCompany,
)
from opencognit.domain.company import (
    Company as State,
)
from opencognit.domain.company_file import ImportCompany
from opencognit.domain.errors import BudgetExhausted, Duplicate, InvalidStatus, NotFound, ValidationFailed
from opencognit.domain.events import TaskCreated, TasksUnblocked
from opencognit.domain.goal import FollowTasks
from opencognit.domain.instants import after
from opencognit.domain.kinds import AGENT, COMPANY, GOAL, TASK_LOCK
from opencognit.domain.message import Success
from opencognit.domain.plan import CreatePlan, Report
from opencognit.domain.records import CompanyErased, GoalOfTask, Membership
from opencognit.domain.run import RunSource
from opencognit.domain.task import Task, TaskStatus, Unblock
from opencognit.domain.wire_names import FIELDS

CompanyMessage = (
    CreateCompany
    | UpdateCompany
    | StopCompany
    | CutOff
    | DeleteCompany
    | AddMember
    | RemoveMember
    | ResolveBlocker
    | ReserveBudget
    | SettleCost
    | SettleOrphans
    | RollMonth
    | CreatePlan
    | Report
    | NoteProvider
    | ImportAgents
    | ImportCompany
)


SECONDS_TO_END: Final = 0.5
"""How long a run that is cut off may take to end what it has started."""


class Company(CompanyImport):
    """One company."""

    kind = COMPANY
    protocol = CompanyMessage

    @override
    async def activated(self) -> None:
        """Set the timer; what an earlier process left reserved is settled right after."""
        self.arm_month()
        if self.state is not None and self.state.reservations:
            self.tell_self(SettleOrphans())

    # Profile

    async def create_company(self, message: CreateCompany) -> State:
        """Found this company; the caller owns it."""
        if self.state is not None:
            raise Duplicate
        self._check_work_dir(message.work_dir)
        zone(message.time_zone)
        activity = self.entry(self.id, "company.created", f"Founded {message.name}")
        company = await self.persist(State(id=self.id, **asdict(message)), activity, *self.owned())
        self.note_owner()
        return company

    async def update_company(self, message: UpdateCompany) -> State:
        """Change what the message names. Only an active company's agents work.

        Raises:
            ValidationFailed: a folder or a time zone cannot be used.
            BudgetExhausted: it shall work again, but nothing is left of its budget.
        """
        before = self.existing()
        if message.work_dir is not UNSET:
            self._check_work_dir(message.work_dir)
        if message.time_zone is not UNSET:
            zone(message.time_zone)
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        company = self._with_budget(self.this_month(replace(before, **changes)), changes)
        activity = self.entry(self.id, "company.updated", f"Changed {before.name}", fields=sorted(changes))
        company = await self.persist(company, activity)
        self.arm_month()
        if company.status is not before.status:
            await self.follow_status(company)
        return await self.budget_changed(company) if "budget_cents" in changes else company

    def _with_budget(self, company: State, changes: Mapping[str, Any]) -> State:
        """What the changes mean for who has paused it, and for the month."""
        if "status" in changes:
            if company.status is CompanyStatus.ACTIVE and is_used_up(company):
                raise BudgetExhausted
            board = None if company.status is CompanyStatus.ACTIVE else PauseReason.BOARD
            company = replace(company, paused_by=board)
        elif company.paused_by is PauseReason.BUDGET and "budget_cents" in changes and not is_used_up(company):
            company = replace(company, status=CompanyStatus.ACTIVE, paused_by=None)
        if company.month_ends_at is not None:
            company = replace(company, month_ends_at=self.month_end(company))
        return company

    async def stop_company(self, _message: StopCompany) -> State:
        """Nothing new starts, and every run ends now. What was cut off is worked on again when the company goes on."""
        company = self.existing()
        if company.status is CompanyStatus.ACTIVE:
            company = replace(company, status=CompanyStatus.PAUSED)
        company = replace(company, paused_by=PauseReason.BOARD)
        heartbeats = [beat for beat in self.system.runs.all() if beat.company_id == self.id]
        text = f"{company.name} was stopped, and {len(heartbeats)} runs with it"
        company = await self.persist(company, self.entry(self.id, "company.stopped", text))
        self._cut_off()
        # Who takes its time to end is cut off once more: then its processes are killed.
        self.remind("stop", after(self.now(), SECONDS_TO_END), CutOff())
        return company

    async def cut_off(self, _message: CutOff) -> None:
        """Cut off what has not ended yet, unless the company works again."""
        if self.state is not None and self.state.status is not CompanyStatus.ACTIVE:
            self._cut_off()

    def _cut_off(self) -> None:
        for heartbeat in self.system.runs.all():
            if heartbeat.company_id == self.id:
                heartbeat.cancel()

    async def delete_company(self, _message: DeleteCompany) -> Success:
        """End all its runs and erase all that belongs to it."""
        done = Success()
        for agent_id in await self.system.store.queries.agent_ids(self.id):
            heartbeat = self.system.runs.of_agent(agent_id)
            await self.system.ask(
                AGENT,
                agent_id,
                DeleteAgent(),
                origin=replace(self.asked_by, answer=None, expected_version=None),
            )
            if heartbeat is not None:
                await heartbeat.ended()
        await self.erase(CompanyErased(self.id), reply=done)
        self.system.directory.forget_company(self.id)
        self.system.surroundings.prices.forget(self.id)
        self.system.subscribers.forget_company(self.id)
        self.system.drop_company(self.id)
        return done

    # Members

    async def add_member(self, message: AddMember) -> Member:
        """Take a user in, or give a member another role.

        Raises:
            ValidationFailed: neither id nor e-mail is given, nobody has it, or they are of different users.
            InvalidStatus: the last owner would become something else.
        """
        company = self.existing()
        directory = self.system.directory
        named = [directory.user(message.user_id.lower())] if message.user_id is not None else []
        if message.email is not None:
            named.append(directory.user_by_email(message.email))
        user = named[0] if named else None
        if user is None or user is not named[-1]:
            raise ValidationFailed.of(FIELDS["user_id"], "name a registered user by id or e-mail")
        if message.role is not CompanyRole.OWNER:
            self._refuse_losing_the_last_owner(user.id)
        member = Member(user_id=user.id, company_id=self.id, name=user.name, email=user.email, role=message.role)
        await self.append(
            Membership(company_id=self.id, user_id=user.id, role=message.role),
            self.entry(self.id, "company.member_added", f"{user.name} is {message.role} of {company.name}"),
            reply=member,
        )
        directory.set_role(self.id, user.id, message.role)
        return member

    async def remove_member(self, message: RemoveMember) -> Success:
        """Put a member out.

        Raises:
            NotFound: no such member.
            InvalidStatus: it is the last owner.
        """
        directory = self.system.directory
        if message.user_id not in directory.members(self.id):
            raise NotFound("Member not found")
        self._refuse_losing_the_last_owner(message.user_id)
        await self.append(
            Membership(company_id=self.id, user_id=message.user_id, role=None),
            self.entry(self.id, "company.member_removed", "A member has left", userId=message.user_id),
            reply=Success(),
        )
        directory.set_role(self.id, message.user_id, None)
        return Success()

    # Dependencies

    async def resolve_blocker(self, message: ResolveBlocker) -> None:
        """A task is over: free those that waited for it alone, and tell of all of them at once."""
        if self.state is None:
            return
        was_deleted = message.outcome == "deleted"
        waiting = await self.system.store.queries.waiting_for(message.task_id, also_done=was_deleted)
        if message.outcome == TaskStatus.CANCELLED:
            if waiting:
                text = "A task was cancelled that others wait for; they stay blocked"
                await self.append(self.entry(self.id, "task.blocker_cancelled", text, taskIds=waiting))
            return
        unblock = Unblock(blocker_id=message.task_id, deleted=was_deleted)
        freed = [task_id for task_id in waiting if await self.system.ask(TASK_LOCK, task_id, unblock) is not None]
        if freed:
            await self.append(TasksUnblocked(company_id=self.id, task_ids=tuple(freed)))

    async def note_provider(self, message: NoteProvider) -> None:
        """Show that agents wait because a provider fails, or that it is back."""
        if self.state is None:
            return
        verb = "provider.circuit_opened" if message.circuit_open else "provider.circuit_closed"
        text = (
            f"{message.provider} fails again and again; its calls wait"
            if message.circuit_open
            else (f"{message.provider} answers again")
        )
        await self.append(self.entry(self.id, verb, text, provider=message.provider, until=message.until))

    # The orchestrator

    async def create_plan(self, message: CreatePlan) -> tuple[Task, ...]:
        """Create all tasks of a plan in one commit, then wake those who can begin.

        Raises:
            ValidationFailed: it does not fit together, or names what is not of this company.
            DependencyCycle: its tasks would wait for each other.
        """
        self.existing()
        made = await planned(self.system, self.id, message, by=self.asked_by.caller.id, now=self.now())
        tasks = tuple(new.task for new in made)
        named = [GoalOfTask(goal_id=message.goal_id, company_id=self.id)] if message.goal_id else []
        entry = self.entry(self.id, "ceo.planned", f"Planned {len(tasks)} tasks", taskIds=[task.id for task in tasks])
        await self.append(*named, *made, *(TaskCreated.of(task) for task in tasks), entry, reply=tasks)
        for task in tasks:
            self.system.tell_watchers(TASK_LOCK.name, task.id, task)
            if task.status is TaskStatus.TODO and task.assignee_id is not None:
                self.system.tell(AGENT, task.assignee_id, Wake(source=RunSource.ASSIGNMENT), internal=True)
        if message.goal_id is not None:
            self.system.tell(GOAL, message.goal_id, FollowTasks(), internal=True)
        return tasks

    async def report(self, message: Report) -> None:
        """Tell the board in the activity feed."""
        await self.append(self.entry(self.id, "ceo.report", message.text, taskId=message.task_id))

    # Below: what the handlers share

    def _refuse_losing_the_last_owner(self, user_id: str) -> None:
        members: Mapping[str, CompanyRole] = self.system.directory.members(self.id)
        owners = [member for member, role in members.items() if role is CompanyRole.OWNER]
        if owners == [user_id]:
            raise InvalidStatus("A company keeps at least one owner")

    def _check_work_dir(self, folder: object) -> None:
        """Agents run commands there, so the server's configuration says which folders may be named."""
        if not isinstance(folder, str):
            return
        try:
            path = Path(folder).resolve()
        except (ValueError, OSError, RuntimeError) as error:
            raise ValidationFailed.of(FIELDS["work_dir"], "is not the path of a folder") from error
        if not any(path.is_relative_to(allowed.resolve()) for allowed in self.system.limits.work_dirs):
            raise ValidationFailed.of(FIELDS["work_dir"], "is not below a folder that agents.work_dirs allows")
