"""What an adapter can do, as it states it itself."""

import msgspec

from opencognit.domain.wire_names import ADAPTER_FIELDS


class Abilities(msgspec.Struct, frozen=True, kw_only=True, rename=ADAPTER_FIELDS):
    """What an adapter can do."""

    tools: bool
    """Whether its agents call the tools of the toolbox on the way."""
    streaming: bool
    """Whether its output is shown as it comes."""
    cost_known: bool
    """Whether what its work costs is known, rather than as it reports."""
    repeatable: bool
    """Whether work that was cut off in the middle may simply be done again, where the configuration does not say."""
