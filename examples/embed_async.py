"""A company inside a program with asyncio; the adapter here is the program's own."""

import asyncio

from opencognit import Runtime
from opencognit.testing import ScriptedProvider


async def main() -> None:
    """Found, hire, assign, wait for the result."""
    async with Runtime(providers={"mine": ScriptedProvider()}) as runtime:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="Engineer", adapter="mine")
        task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
        print((await runtime.finished(task.id, within=10)).result)


asyncio.run(main())
