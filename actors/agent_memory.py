"""What an agent remembers: notes beside its snapshot.

They change here alone, one message at a time, so their number stays bounded whatever races.
"""

from msgspec import UNSET
from msgspec.structs import asdict, replace

from opencognit.actors.agent_profile import AgentProfile
from opencognit.domain.errors import NotFound, ValidationFailed, VersionConflict
from opencognit.domain.memory import LARGEST, ChangeMemory, ForgetMemory, Memory, NoteRecall, Remember
from opencognit.domain.message import Success, decode
from opencognit.domain.records import Forgotten, Recalled
from opencognit.domain.wire_names import FIELDS


class AgentMemory(AgentProfile):
    """What an agent does with its notes, and the board with them."""

    async def remember(self, message: Remember) -> Memory:
        """Note something down; where there is no room, what was not recalled for longest goes.

        Raises:
            ValidationFailed: it is too long.
        """
        agent = self._alive()
        refuse_long(message.content)
        now = self.now()
        memory = Memory(
            id=self.new_id(),
            company_id=agent.company_id,
            agent_id=self.id,
            version=1,
            created_at=now,
            updated_at=now,
            **asdict(message),
        )
        queries = self.system.store.queries
        displaced = await queries.memories_beyond(self.id, self.system.limits.memories_per_agent - 1)
        text = f"{agent.name} noted something down"
        if displaced:
            text += f", and forgot {len(displaced)} for it"
        activity = self.entry(agent.company_id, "agent.remembered", text, memoryId=memory.id, forgotten=displaced)
        gone = Forgotten(agent_id=self.id, memory_ids=tuple(displaced))
        await self.append(memory, gone, activity, reply=memory)
        return memory

    async def change_memory(self, message: ChangeMemory) -> Memory:
        """Change what the message names.

        Raises:
            NotFound: the agent has no such note.
            VersionConflict: it was changed since the version that the message expects.
            ValidationFailed: it is too long.
        """
        agent = self._alive()
        before = await self._memory(message.memory_id, message.expected_version)
        changes = {name: value for name in ("content", "keywords") if (value := getattr(message, name)) is not UNSET}
        memory = replace(before, **changes, version=before.version + 1, updated_at=self.now())
        refuse_long(memory.content)
        text = f"A note of {agent.name} was changed"
        activity = self.entry(agent.company_id, "agent.memory_changed", text, memoryId=memory.id)
        await self.append(memory, activity, reply=memory)
        return memory

    async def forget_memory(self, message: ForgetMemory) -> Success:
        """Forget one note, or all of them.

        Raises:
            NotFound: the agent has no such note.
            VersionConflict: it was changed since the version that the message expects.
        """
        agent, done = self._alive(), Success()
        ids = None
        if message.memory_id is not None:
            ids = ((await self._memory(message.memory_id, message.expected_version)).id,)
        text = f"A note of {agent.name} was erased" if ids else f"All notes of {agent.name} were erased"
        activity = self.entry(agent.company_id, "agent.memory_erased", text, memoryId=message.memory_id)
        await self.append(Forgotten(agent_id=self.id, memory_ids=ids), activity, reply=done)
        return done

    async def note_recall(self, message: NoteRecall) -> None:
        """Keep when these notes were last of use."""
        if self.state is not None:
            await self.append(Recalled(agent_id=self.id, memory_ids=message.memory_ids, at=self.now()))

    async def _memory(self, memory_id: str, expected_version: int | None) -> Memory:
        body = await self.system.store.queries.memory(self.id, memory_id)
        if body is None:
            raise NotFound("Memory not found")
        memory = decode(body, Memory)
        if expected_version is not None and memory.version != expected_version:
            raise VersionConflict(details={"version": memory.version})
        return memory


def refuse_long(content: str) -> None:
    """A note has its limit in bytes.

    Raises:
        ValidationFailed: this one has more.
    """
    if len(content.encode()) > LARGEST:
        raise ValidationFailed.of(FIELDS["content"], f"must have at most {LARGEST} bytes")
