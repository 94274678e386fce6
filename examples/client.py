"""A program that works with a server: one that runs elsewhere, usually; here one that it starts itself."""

import asyncio

from opencognit import BlockingRuntime
from opencognit.client import Client
from opencognit.domain.events import TaskCompleted
from opencognit.testing import ScriptedProvider


async def main(url: str) -> None:
    """Sign in, found, hire, assign, and follow what happens."""
    async with Client(url) as client:
        signed_in = await client.auth.register(name="Jane", email="jane@example.com", password="secure-password-123")
        client.token = signed_in.token
        company = await client.companies.create(name="Acme")
        agent = await client.agents.create(company.id, name="Ada", role="Engineer", adapter="mine")
        await client.tasks.create(company.id, title="Build it", assignee_id=agent.id)
        async for event in client.events(company_ids=[company.id], since=0):
            print(event.seq, event.type)
            if isinstance(event.data, TaskCompleted):
                print(event.data.result)
                break


with BlockingRuntime(providers={"mine": ScriptedProvider()}) as runtime:
    asyncio.run(main(runtime.serve(port=0)))
