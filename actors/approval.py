"""The `Approval`: a question to the board, decided once; the task that waits for it goes on with the answer."""

from msgspec.structs import replace

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.approval import Approval as State
from opencognit.domain.approval import ApprovalStatus, Decide, RequestApproval
from opencognit.domain.errors import AlreadyDecided, DomainError, Duplicate, ValidationFailed
from opencognit.domain.events import ApprovalNeeded, ApprovalUpdated
from opencognit.domain.kinds import APPROVAL, TASK_LOCK
from opencognit.domain.task import AddComment, UpdateTask
from opencognit.domain.wire_names import FIELDS

ApprovalMessage = RequestApproval | Decide


class Approval(PersistentActor[State]):
    """One approval."""

    kind = APPROVAL
    protocol = ApprovalMessage

    async def request_approval(self, message: RequestApproval) -> State:
        """Ask the board.

        Raises:
            ValidationFailed: the task in the payload is not of this company.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        task_id = message.payload.get(FIELDS["task_id"])
        if task_id is not None:
            task = await self.system.state(TASK_LOCK, str(task_id))
            if task is None or task.company_id != company_id:
                raise ValidationFailed.of("payload", "names a task that is not of this company")
        approval = State(
            id=self.id,
            company_id=company_id,
            kind=message.kind,
            title=message.title,
            description=message.description,
            requested_by=self.asked_by.caller.id,
            payload=message.payload,
        )
        activity = self.entry(company_id, "approval.requested", f"Asked the board: {message.title}")
        return await self.persist(approval, ApprovalNeeded.of(approval), activity)

    async def decide(self, message: Decide) -> State:
        """Approve or reject; the task that waits goes on and is told.

        Raises:
            AlreadyDecided: it was.
        """
        before = self.existing()
        if before.status is not ApprovalStatus.PENDING:
            raise AlreadyDecided(details={"status": before.status})
        decided = replace(
            before,
            status=message.status,
            decision_note=message.note,
            decided_by=self.asked_by.caller.id,
            decided_at=self.now(),
        )
        updated = ApprovalUpdated(
            company_id=before.company_id, approval_id=self.id, status=message.status, note=message.note
        )
        activity = self.entry(before.company_id, f"approval.{message.status}", f"{message.status}: {before.title}")
        decided = await self.persist(decided, updated, activity)
        await self._tell_task(decided)
        return decided

    async def _tell_task(self, approval: State) -> None:
        """Comment the decision on the task and let it go on, whatever the decision was."""
        task_id = approval.payload.get(FIELDS["task_id"])
        if not isinstance(task_id, str):
            return
        note = f": {approval.decision_note}" if approval.decision_note else ""
        origin = replace(self.asked_by, answer=None, expected_version=None)
        try:
            await self.system.ask(
                TASK_LOCK,
                task_id,
                AddComment(content=f"“{approval.title}” was {approval.status}{note}"),
                origin=origin,
            )
            task = await self.system.state(TASK_LOCK, task_id)
            approved = approval.status is ApprovalStatus.APPROVED
            status = task.answered(self.id, approved=approved) if task is not None else None
            if status is not None:
                await self.system.ask(TASK_LOCK, task_id, UpdateTask(status=status), origin=origin)
        except DomainError as error:
            # The decision stands; the task may have been deleted, or wait for something else besides.
            await self.append(
                self.entry(approval.company_id, "approval.task_not_resumed", f"{approval.title}: {error.message}")
            )
