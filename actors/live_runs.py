"""The heartbeats that are under way in this process, by agent and by run."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol


class Heartbeat(Protocol):
    """A heartbeat under way, as others see it."""

    agent_id: str
    company_id: str
    run_id: str | None

    def is_uncertain(self) -> bool:
        """Whether it is about something that may not be done twice; cut off now, a person would have to judge."""

    def cancel(self) -> None:
        """End it now; its lock is given back."""

    async def ended(self) -> None:
        """Wait until it is over."""

    def cancel_run(self) -> None:
        """End the present run now: its lock is gone."""

    def stop(self) -> None:
        """Let the present step end, start nothing new."""


class LiveRuns:
    """Never two heartbeats of one agent; and the truth about whether a run is alive."""

    def __init__(self) -> None:
        self._by_agent: dict[str, Heartbeat] = {}
        self._callbacks: dict[str, tuple[str, asyncio.Future[Mapping[str, Any]]]] = {}

    def add(self, heartbeat: Heartbeat) -> None:
        """A heartbeat begins.

        Raises:
            RuntimeError: one of this agent is under way.
        """
        if heartbeat.agent_id in self._by_agent:
            raise RuntimeError("This agent has a heartbeat under way")
        self._by_agent[heartbeat.agent_id] = heartbeat

    def remove(self, heartbeat: Heartbeat) -> None:
        """A heartbeat is over."""
        if self._by_agent.get(heartbeat.agent_id) is heartbeat:
            del self._by_agent[heartbeat.agent_id]

    def of_agent(self, agent_id: str) -> Heartbeat | None:
        """The agent's heartbeat, if one is under way."""
        return self._by_agent.get(agent_id)

    def is_alive(self, run_id: str | None) -> bool:
        """Whether this run is being worked on now, in this process."""
        return run_id is not None and any(beat.run_id == run_id for beat in self._by_agent.values())

    def all(self) -> list[Heartbeat]:
        """All heartbeats under way."""
        return list(self._by_agent.values())

    # Call-backs

    def expect(self, run_id: str, token_hash: str) -> "asyncio.Future[Mapping[str, Any]]":
        """A run waits to be answered from outside by whoever has the token of this hash."""
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._callbacks[run_id] = (token_hash, future)
        future.add_done_callback(lambda _: self._callbacks.pop(run_id, None))
        return future

    def expected(self, run_id: str, token_hash: str) -> "asyncio.Future[Mapping[str, Any]] | None":
        """What waits for this run's answer, if the token is right."""
        waiting = self._callbacks.get(run_id)
        return waiting[1] if waiting is not None and waiting[0] == token_hash else None
