"""What the server says about itself: its health, its adapters, and its figures."""

from typing import Literal

import msgspec

from opencognit.domain.adapter import Abilities
from opencognit.domain.instants import Instant
from opencognit.domain.wire_names import FIELDS


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is."""

    status: Literal["UP", "DRAINING"]
    timestamp: Instant


class AdapterBody(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """What an agent can be hired with."""

    name: str
    """Its `verbindungsTyp`."""
    abilities: Abilities


class Ready(msgspec.Struct, frozen=True):
    """The store answers."""

    ready: bool = True


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True, rename=FIELDS):
    """Figures of the whole server."""

    active_agents: int
    """Agents that are idle or running."""
    open_tasks: int
    """Tasks that are neither done nor cancelled."""
    heartbeats_today: int
    """Runs that began since midnight UTC."""
