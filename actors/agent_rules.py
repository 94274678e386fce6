"""What must hold of an agent that is to be hired or changed: of a wish to hire, too, before the board is asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opencognit.domain.agent import AgentStatus
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.kinds import AGENT
from opencognit.domain.wire_names import FIELDS

if TYPE_CHECKING:
    from opencognit.actors.system import ActorSystem


async def check_agent_of(system: "ActorSystem", company_id: str, agent_id: str, *, field: str) -> None:
    """The agent works for this company.

    Raises:
        ValidationFailed: it does not.
    """
    agent = await system.state(AGENT, agent_id)
    if agent is None or agent.company_id != company_id or agent.status is AgentStatus.TERMINATED:
        raise ValidationFailed.of(field, "is not an agent of this company")


def check_adapter(system: "ActorSystem", name: str | None, config: Mapping[str, Any]) -> None:
    """The adapter is to be had, and can be used so.

    Raises:
        ValidationFailed: it is not, or cannot.
    """
    if name is None:
        return
    provider = system.surroundings.providers.get(name)
    if provider is None:
        known = ", ".join(sorted(system.surroundings.providers))
        raise ValidationFailed.of(FIELDS["adapter"], f"is not one of {known}")
    provider.validate(config)
