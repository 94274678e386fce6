"""The `Approval`: a question to the board, decided once; then it is carried out, and the asker goes on with the answer.

A decision is durable first, with `follow_up` set; what follows from it is done after that by `follow_up()`, again from
the beginning whenever it was cut off, each step with a mark that keeps it from being done twice.
"""

from typing import Any, Final
from uuid import UUID, uuid5

from msgspec import UNSET
from msgspec.structs import asdict, replace
from typing_extensions import override

from opencognit.actors.approval_effects import TASK, carry_out, check_payload, once
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.task_rules import Rules
from opencognit.domain.agent import Agent, Wake
from opencognit.domain.approval import (
    CARRIED_OUT,
    OPEN,
    TRANSITIONS,
    ApprovalKind,
    ApprovalStatus,
    AskAgain,
    AskerGone,
    Decide,
    ExpiryDue,
    FollowUp,
    RequestApproval,
    Round,
    Withdraw,
)
from opencognit.domain.approval import Approval as State
from opencognit.domain.caller import SYSTEM, Caller, CallerKind
from opencognit.domain.chat import SendChat
from opencognit.domain.errors import (
    AlreadyDecided,
    DomainError,
    Duplicate,
    Forbidden,
    IdempotencyConflict,
    InvalidStatus,
    Unavailable,
    ValidationFailed,
)
from opencognit.domain.events import Activity, ApprovalNeeded, ApprovalUpdated
from opencognit.domain.instants import Instant, after
from opencognit.domain.kinds import AGENT, APPROVAL, TASK_LOCK
from opencognit.domain.origin import Origin
from opencognit.domain.run import RunSource
from opencognit.domain.task import AddComment, UpdateTask
from opencognit.domain.wire_names import FIELDS

ApprovalMessage = RequestApproval | Decide | AskAgain | Withdraw | AskerGone | ExpiryDue | FollowUp

SENTENCES = {
    ApprovalStatus.REVISION_REQUESTED: "was sent back for revision",
    ApprovalStatus.EXPIRED: "expired: nobody decided in time",
}
"""How a status is told, where its own word is not enough."""

PAUSE: Final = 1.0
"""Seconds before what follows from a decision is tried again."""


class Approval(PersistentActor[State]):
    """One approval."""

    kind = APPROVAL
    protocol = ApprovalMessage

    def __init__(self, system: Any, entity_id: str, *, is_new: bool = False) -> None:
        super().__init__(system, entity_id, is_new=is_new)
        self._has_failed = False

    @override
    async def activated(self) -> None:
        """Set the timer; what was cut off goes on."""
        self._arm()
        if self.state is None or not self.state.follow_up:
            return
        if self._has_failed:
            self.remind("follow_up", after(self.now(), PAUSE), FollowUp())
        else:
            self.tell_self(FollowUp())

    @override
    def forget(self) -> None:
        """After a failure, such as a full disk, the next try waits a little."""
        self._has_failed = True

    # Asking

    async def request_approval(self, message: RequestApproval) -> State:
        """Ask the board.

        Raises:
            ValidationFailed: the payload cannot be carried out, or the task in it is not of this company.
        """
        if self.state is not None:
            raise Duplicate
        company_id = self.company_id()
        await check_payload(self.system, company_id, message.kind, message.payload)
        fields = asdict(message) | {"expires_at": self._expiry(message)}
        approval = State(id=self.id, company_id=company_id, requested_by=self.asked_by.caller.id, **fields)
        activity = self.entry(company_id, "approval.requested", f"Asked the board: {message.title}")
        approval = await self.persist(approval, ApprovalNeeded.of(approval), activity)
        self._arm()
        return approval

    async def ask_again(self, message: AskAgain) -> State:
        """Put it to the board anew, after it was sent back.

        Raises:
            Forbidden: someone else has asked.
            InvalidStatus: it was not sent back.
            ValidationFailed: as for `request_approval`.
        """
        before = self.existing()
        self._refuse_all_but_the_asker()
        if before.status is not ApprovalStatus.REVISION_REQUESTED:
            raise InvalidStatus("Only what was sent back for revision is asked again")
        changes = {name: value for name, value in asdict(message).items() if value is not UNSET}
        if message.payload is not UNSET:
            task = {TASK: before.payload[TASK]} if TASK in before.payload else {}
            changes["payload"] = task | message.payload
            await check_payload(self.system, before.company_id, before.kind, changes["payload"])
        approval = replace(
            before,
            status=ApprovalStatus.PENDING,
            rounds=(*before.rounds, _round(before)),
            decision_note=None,
            decided_by=None,
            decided_at=None,
            **changes,
        )
        activity = self.entry(before.company_id, "approval.asked_again", f"Asked the board again: {approval.title}")
        return await self.persist(approval, ApprovalNeeded.of(approval), _updated(approval), activity)

    async def withdraw(self, _message: Withdraw) -> State:
        """Take it back, while nobody has decided.

        Raises:
            Forbidden: someone else has asked.
            AlreadyDecided: it was decided.
        """
        self._refuse_all_but_the_asker()
        return await self._become(ApprovalStatus.CANCELLED)

    async def asker_gone(self, _message: AskerGone) -> None:
        """The agent that asked was deleted: the question goes with it."""
        if self.state is not None and self.state.status in OPEN:
            await self._become(ApprovalStatus.CANCELLED)

    # Deciding

    async def decide(self, message: Decide) -> State:
        """Approve, reject, or send back; then it is carried out and the asker goes on.

        Raises:
            AlreadyDecided: it was, or it has expired.
        """
        before = self.existing()
        if before.expires_at is not None and before.expires_at <= self.now() and before.status in OPEN:
            self.tell_self(ExpiryDue())
            raise AlreadyDecided("This has expired", details={"status": ApprovalStatus.EXPIRED})
        changes: dict[str, Any] = {"decision_note": message.note, "decided_by": self.asked_by.caller.id}
        if message.status is ApprovalStatus.APPROVED and before.kind is ApprovalKind.HIRE:
            changes["result"] = {FIELDS["agent_id"]: self.new_id()}
        return await self._become(message.status, **changes)

    async def expiry_due(self, _message: ExpiryDue) -> None:
        """Nobody has decided in time."""
        approval = self.state
        if approval is None or approval.status not in OPEN or approval.expires_at is None:
            return
        if approval.expires_at <= self.now():
            await self._become(ApprovalStatus.EXPIRED)
        else:
            self._arm()

    # What follows

    async def follow_up(self, _message: FollowUp) -> None:
        """Carry out what was approved, tell the asker, and only then note that all is done."""
        approval = self.state
        if approval is None or not approval.follow_up:
            return None
        # Each step is tried again only for what others refuse: a failed write of our own has us reloaded.
        try:
            ended = await self._carried_out(approval)
        except Unavailable as error:
            return self._again(error)
        if ended is not approval:
            approval = await self.persist(ended, _updated(ended), self._outcome(ended))
        try:
            notes = await self._tell_asker(approval)
        except Unavailable as error:
            return self._again(error)
        done = replace(approval, follow_up=False)
        await self.persist(done, _updated(done), *notes)
        return None

    def _again(self, error: Unavailable) -> None:
        self.remind("follow_up", after(self.now(), error.retry_after or PAUSE), FollowUp())

    async def _carried_out(self, approval: State) -> State:
        """The approval with how its carrying out ended."""
        if not _is_to_be_carried_out(approval):
            return approval
        try:
            await carry_out(self.system, approval, self._on_behalf(approval))
        except Unavailable:
            raise
        except DomainError as error:
            return replace(approval, execution_error=error.message, result=None)
        return replace(approval, executed_at=self.now())

    def _outcome(self, approval: State) -> Activity:
        if approval.execution_error is None:
            return self.entry(approval.company_id, "approval.carried_out", f"Carried out: {approval.title}")
        text = f"“{approval.title}” cannot be carried out: {approval.execution_error}"
        return self.entry(approval.company_id, "approval.not_carried_out", text)

    async def _tell_asker(self, approval: State) -> list[Activity]:
        """Comment on the task and let it go on, whatever the answer was, or tell and wake the agent that asked."""
        notes: list[Activity] = []
        task_id = approval.payload.get(TASK)
        asker = await self.system.state(AGENT, approval.requested_by) if approval.requested_by else None
        try:
            if isinstance(task_id, str):
                await self._tell_task(approval, task_id)
            elif asker is not None and approval.status is not ApprovalStatus.CANCELLED and self._can_act_on(asker):
                message_id = str(uuid5(UUID(self.id), f"{len(approval.rounds)}/{approval.status}"))
                said = SendChat(words=_sentence(approval), message_id=message_id)
                await self.system.ask(AGENT, asker.id, said, origin=self._on_behalf(approval))
        except Unavailable:
            raise
        except DomainError as error:
            # The decision stands; the task may have been deleted, or wait for something else besides.
            text = f"{approval.title}: {error.message}"
            notes.append(self.entry(approval.company_id, "approval.task_not_resumed", text))
        if asker is not None:
            self.system.tell(AGENT, asker.id, Wake(source=RunSource.CALLBACK), internal=True)
        return notes

    def _can_act_on(self, agent: Agent) -> bool:
        provider = self.system.surroundings.providers.get(agent.adapter or "")
        return provider is not None and provider.abilities.tools

    async def _tell_task(self, approval: State, task_id: str) -> None:
        origin = self._on_behalf(approval)
        try:
            comment = AddComment(content=_sentence(approval))
            await self.system.ask(TASK_LOCK, task_id, comment, origin=once(origin, approval, "comment"))
        except IdempotencyConflict:
            # Said before the process died.
            origin = replace(origin, answer=None)
        task = await self.system.state(TASK_LOCK, task_id)
        status = task.answered(self.id, approved=approval.status is ApprovalStatus.APPROVED) if task else None
        if status is None:
            return
        try:
            resume = UpdateTask(status=status)
            await self.system.ask(TASK_LOCK, task_id, resume, origin=once(origin, approval, "resume"))
        except IdempotencyConflict:
            # Freed before the process died, and blocked by something else since.
            return

    # Below: what the handlers share

    async def _become(self, status: ApprovalStatus, **changes: Any) -> State:
        before = self.existing()
        if status not in TRANSITIONS[before.status]:
            raise AlreadyDecided(details={"status": before.status})
        decided = replace(before, status=status, decided_at=self.now(), **changes)
        decided = replace(decided, follow_up=await self._has_followers(decided))
        activity = self.entry(before.company_id, f"approval.{status}", f"{status}: {before.title}")
        decided = await self.persist(decided, _updated(decided), activity)
        self._arm()
        if decided.follow_up:
            self.tell_self(FollowUp())
        return decided

    async def _has_followers(self, approval: State) -> bool:
        if TASK in approval.payload or _is_to_be_carried_out(approval):
            return True
        return approval.requested_by is not None and await self.system.state(AGENT, approval.requested_by) is not None

    def _refuse_all_but_the_asker(self) -> None:
        if self.asked_by.caller.id != self.existing().requested_by:
            raise Forbidden("Only who has asked may do this")

    def _expiry(self, message: RequestApproval) -> Instant | None:
        if message.expires_at is None:
            default = self.system.limits.approvals_expire_after
            return after(self.now(), default) if default else None
        expires_at = Rules.moment(message.expires_at, "expires_at")
        if expires_at is not None and expires_at <= self.now():
            raise ValidationFailed.of(FIELDS["expires_at"], "lies in the past")
        return expires_at

    def _on_behalf(self, approval: State) -> Origin:
        """Who has decided; after a crash too, when the request that did is gone."""
        user = self.system.directory.user(approval.decided_by) if approval.decided_by else None
        caller = Caller(kind=CallerKind.BOARD, id=user.id, name=user.name) if user is not None else SYSTEM
        return Origin(caller=caller, company_id=approval.company_id)

    def _arm(self) -> None:
        approval = self.state
        due = approval.expires_at if approval is not None and approval.status in OPEN else None
        self.remind("expiry", due, ExpiryDue())


def _is_to_be_carried_out(approval: State) -> bool:
    return (
        approval.status is ApprovalStatus.APPROVED
        and approval.kind in CARRIED_OUT
        and approval.executed_at is None
        and approval.execution_error is None
    )


def _updated(approval: State) -> ApprovalUpdated:
    return ApprovalUpdated(
        company_id=approval.company_id,
        approval_id=approval.id,
        status=approval.status,
        note=approval.decision_note,
    )


def _round(approval: State) -> Round:
    return Round(
        title=approval.title,
        description=approval.description,
        payload=approval.payload,
        note=approval.decision_note,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
    )


def _sentence(approval: State) -> str:
    """What the task that waits is told."""
    note = f": {approval.decision_note}" if approval.decision_note else ""
    sentence = f"“{approval.title}” {SENTENCES.get(approval.status, f'was {approval.status}')}{note}"
    if approval.status is ApprovalStatus.REVISION_REQUESTED:
        sentence += f"\nTo ask again, revise the approval {approval.id}."
    if approval.execution_error is not None:
        sentence += f"\nIt could not be carried out: {approval.execution_error}"
    if approval.result is not None:
        sentence += f"\nThe new agent's id is {approval.result[FIELDS['agent_id']]}."
    return sentence
