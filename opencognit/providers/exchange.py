"""What crosses the border of an adapter: configuration in, an order out, an answer back.

The order is the same JSON for a command's standard input and for a web service. The answer is checked
strictly, above all its money: an unknown field or an impossible number makes it a failure, and nothing of it
is booked.
"""

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec.structs import asdict

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import Text
from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import ADAPTER_FIELDS, FIELDS
from opencognit.providers.port import Outcome, WorkOrder

MICRO_CENT = Decimal("0.000001")

TimeLimit = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
"""Seconds, at most a day."""

Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]

Cents = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]


class AdapterConfig(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS, forbid_unknown_fields=True):
    """The root of what an adapter takes as an agent's `verbindungsConfig`."""

    repeatable: bool | None = None
    """Whether work that was cut off in the middle may be done again without asking; None as the adapter says."""


Config = TypeVar("Config", bound=AdapterConfig)


def read_config(config: Mapping[str, Any], wanted: type[Config]) -> Config:
    """The configuration as a struct, strictly checked.

    Raises:
        ValidationFailed: a field is missing, unknown, or of the wrong kind.
    """
    try:
        return msgspec.convert(dict(config), wanted)
    except msgspec.ValidationError as error:
        raise ValidationFailed.of(FIELDS["adapter_config"], str(error)) from error


class _AgentPart(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS):
    id: str
    name: str
    role: str
    system_prompt: str | None
    skills: tuple[str, ...]


class _CompanyPart(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS):
    id: str
    name: str
    goal: str | None


class _ConversationPart(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS):
    partner: str
    earlier: tuple[str, ...]
    messages: tuple[str, ...]
    open_tasks: tuple[str, ...]


class CallbackPart(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer that takes longer can be posted, once, with the token as bearer."""

    url: str
    token: str


class OrderDocument(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS, omit_defaults=True):
    """A work order as JSON: everything but the agent's configuration and the folder on this server."""

    run_id: str
    task_id: str | None
    title: str
    description: str | None
    comments: tuple[str, ...]
    blocker_results: tuple[str, ...]
    agent: _AgentPart
    company: _CompanyPart
    memories: tuple[str, ...] = ()
    callback: CallbackPart | None = None
    conversation: _ConversationPart | None = None
    result: str | None = None
    """What a critic's command is to judge."""

    @classmethod
    def of(cls, order: WorkOrder, *, callback: CallbackPart | None = None) -> "OrderDocument":
        """The document for this order."""
        return cls(
            run_id=order.run_id,
            task_id=order.task_id,
            title=order.title,
            description=order.description,
            comments=order.comments,
            blocker_results=order.blocker_results,
            memories=order.memories,
            agent=_AgentPart(
                id=order.agent_id,
                name=order.agent_name,
                role=order.role,
                system_prompt=order.system_prompt,
                skills=order.skills,
            ),
            company=_CompanyPart(id=order.company_id, name=order.company_name, goal=order.company_goal),
            callback=callback,
            conversation=_ConversationPart(**asdict(order.conversation)) if order.conversation else None,
            result=order.result,
        )


class ReportedUsage(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS, forbid_unknown_fields=True):
    """Tokens as the other side says that it used them."""

    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS, forbid_unknown_fields=True):
    """The answer to an order: its result, or why there is none; what it used and cost.

    The body of a call-back is decoded as this, too.
    """

    result: Text | None = None
    error: Text | None = None
    status: Literal["done", "in_review"] = "done"
    cost_cents: Cents | None = None
    usage: ReportedUsage = ReportedUsage()
    model: str | None = None

    def __post_init__(self) -> None:
        if self.result is None and self.error is None:
            problem = f"needs `{ADAPTER_FIELDS['result']}` or `{ADAPTER_FIELDS['error']}`"
            raise ValueError(problem)

    def outcome(self) -> Outcome:
        """The same for the one who ordered the work; a cost that was not named is marked as estimated."""
        return Outcome(
            result=self.result,
            error=self.error,
            status=self.status,
            usage=TokenUsage(
                input_tokens=self.usage.input_tokens,
                output_tokens=self.usage.output_tokens,
                cache_read_tokens=self.usage.cache_read_tokens,
                cache_write_tokens=self.usage.cache_write_tokens,
            ),
            cost_cents=Decimal(str(self.cost_cents or 0)).quantize(MICRO_CENT, rounding=ROUND_UP),
            cost_estimated=self.cost_cents is None,
            model=self.model,
        )
