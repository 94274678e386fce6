"""What goes on after a start: all who have something due are woken, so that nothing that was interrupted stays so.

A message that one actor had for another may be lost when the process dies between the two. So each of them follows
from what is stored, and is sent again here; every receiver may get it twice.
"""

from opencognit.actors.system import ActorSystem
from opencognit.domain.approval import AskerGone
from opencognit.domain.company import ResolveBlocker
from opencognit.domain.goal import FollowTasks, ForgetGoal
from opencognit.domain.kinds import AGENT, APPROVAL, COMPANY, GOAL, MEETING, ROUTINE, SUBSCRIPTION, TASK_LOCK
from opencognit.domain.message import decode
from opencognit.domain.routine import FollowExecution
from opencognit.domain.subscription import Subscription
from opencognit.domain.task import FollowEscalation
from opencognit.store.queries import Queries


async def recover(system: ActorSystem, queries: Queries) -> None:
    """Wake all with something due. Agents come last: by then the locks of their interrupted runs are being freed."""
    await _recover_tasks(system, queries)
    await _recover_the_board(system, queries)
    await _recover_goals(system, queries)
    await _recover_routines(system, queries)
    await _recover_subscriptions(system, queries)
    for agent_id in await queries.agents_to_wake():
        system.wake(AGENT, agent_id)


async def _recover_tasks(system: ActorSystem, queries: Queries) -> None:
    for task_id in await queries.tasks_with_timer():
        system.wake(TASK_LOCK, task_id)
    for task_id in await queries.escalated_tasks():
        system.tell(TASK_LOCK, task_id, FollowEscalation(), internal=True)
    for company_id, task_id, outcome in await queries.finished_blockers_still_open():
        system.tell(COMPANY, company_id, ResolveBlocker(task_id=task_id, outcome=outcome), internal=True)


async def _recover_the_board(system: ActorSystem, queries: Queries) -> None:
    """Budgets, meetings and questions to the board."""
    for company_id in await queries.companies_with_month():
        system.wake(COMPANY, company_id)
    for meeting_id in await queries.running_meetings():
        system.wake(MEETING, meeting_id)
    for approval_id in await queries.approvals_due():
        system.wake(APPROVAL, approval_id)
    for approval_id in await queries.open_approvals_of_the_gone():
        system.tell(APPROVAL, approval_id, AskerGone(), internal=True)


async def _recover_goals(system: ActorSystem, queries: Queries) -> None:
    for kind, entity_id, goal_id in await queries.lost_goals():
        named_by = GOAL if kind == GOAL.name else TASK_LOCK
        system.tell(named_by, entity_id, ForgetGoal(goal_id=goal_id), internal=True)
    for goal_id in await queries.goals_to_follow():
        system.tell(GOAL, goal_id, FollowTasks(), internal=True)


async def _recover_routines(system: ActorSystem, queries: Queries) -> None:
    for routine_id, task_id in await queries.executions_to_end():
        system.tell(ROUTINE, routine_id, FollowExecution(task_id=task_id), internal=True)
    for routine_id in await queries.routines_with_due_time():
        system.wake(ROUTINE, routine_id)


async def _recover_subscriptions(system: ActorSystem, queries: Queries) -> None:
    for body in await queries.active_subscriptions():
        subscription = decode(body, Subscription)
        system.subscribers.note(subscription)
        system.wake(SUBSCRIPTION, subscription.id)
