"""Who looks at a result before its task is done."""

from typing import Annotated

import msgspec

from opencognit.domain.wire_names import ADAPTER_FIELDS, CRITICS, FIELDS


class ModelCritic(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field=FIELDS["kind"],
    tag=CRITICS["model"],
    rename=ADAPTER_FIELDS,
    forbid_unknown_fields=True,
):
    """A model of the agent's own adapter; its usual one where none is named."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


class CommandCritic(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field=FIELDS["kind"],
    tag="bash",
    rename=ADAPTER_FIELDS,
    forbid_unknown_fields=True,
):
    """A command in the agent's workspace, with the result on its standard input; status 0 accepts."""

    command: Annotated[str, msgspec.Meta(min_length=1, max_length=30_000)]


class NoCritic(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field=FIELDS["kind"],
    tag=CRITICS["off"],
    forbid_unknown_fields=True,
):
    """Nobody."""


Critic = ModelCritic | CommandCritic | NoCritic
