"""Whether an agent may use a tool now: the one place that says so, for every adapter.

A permission that says `ask` turns the call into an approval. Once the board has said yes, exactly this call (the same
tool with the same input, on the same task) is let through one time.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opencognit.domain.agent import Agent
from opencognit.domain.approval import ApprovalStatus, RequestApproval
from opencognit.domain.errors import Forbidden, NotFound
from opencognit.domain.kinds import AGENT, APPROVAL
from opencognit.domain.permission import ASKING, PERMISSION_OF, Grant, Permission, UseApproval, call_hash, granted
from opencognit.domain.run import Run
from opencognit.domain.wire_names import FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem
    from opencognit.actors.work_cycle import WorkCycle


class ToolRights:
    """What one run may do.

    Attributes:
        asked: the approvals that the run has asked for.
    """

    def __init__(self, system: "ActorSystem", cycle: "WorkCycle", run: Run) -> None:
        self.asked: list[str] = []
        self._system = system
        self._cycle = cycle
        self._run = run

    async def permit(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Let a call through (None), or ask the board about it; then the words for the model.

        Raises:
            Forbidden: the agent may not, or the board has said no.
        """
        permission = PERMISSION_OF.get(tool)
        if permission is None:
            return None
        agent = await self._agent()
        grant = granted(agent.permissions, is_orchestrator=agent.is_orchestrator)[permission]
        if grant is Grant.DENY:
            raise Forbidden(f"You have no permission for {tool}; the board decides about that")
        if grant is Grant.ALLOW and permission is Permission.RUN_COMMAND and self._is_delicate(arguments):
            grant = Grant.ASK
        return None if grant is Grant.ALLOW or tool in ASKING else await self._ask_about(tool, arguments)

    async def _ask_about(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        run, call = self._run, call_hash(tool, arguments)
        if run.task_id is None:
            raise Forbidden(f"The board must agree to {tool}, and it agrees to that within a task only")
        earlier = await self._system.store.queries.approval_of_call(run.company_id, run.agent_id, run.task_id, call)
        if earlier is None:
            payload = {FIELDS["task_id"]: run.task_id, "tool": tool, "input": dict(arguments), "call": call}
            title = f"May {self._cycle.origin.caller.name} use {tool}?"[:200]
            request = RequestApproval(title=title, payload=payload)
            approval = await self._system.create(APPROVAL, request, origin=self._cycle.origin)
            self.asked.append(approval.id)
            return "The board is asked about this call. Make it again when it has agreed."
        approval_id, status, note = earlier
        if status == ApprovalStatus.APPROVED:
            # Used up before the call is made: after a crash in between it is asked about again, never made twice.
            await self._system.ask(AGENT, run.agent_id, UseApproval(approval_id=approval_id), origin=self._cycle.origin)
            return None
        if status == ApprovalStatus.PENDING:
            self.asked.append(approval_id)
            return "The board was asked about this call and has not answered yet."
        raise Forbidden(f"The board has said no to this call{f': {note}' if note else ''}")

    def _is_delicate(self, arguments: Mapping[str, Any]) -> bool:
        command = str(arguments.get("command", ""))
        return any(re.search(pattern, command) for pattern in self._system.limits.commands_to_approve)

    async def _agent(self) -> Agent:
        agent = await self._system.state(AGENT, self._run.agent_id)
        if agent is None:
            raise NotFound("The agent is gone")
        return agent
