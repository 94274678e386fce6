"""A company inside a program without asyncio, served over HTTP at the same time."""

from opencognit import BlockingRuntime
from opencognit.testing import ScriptedProvider

with BlockingRuntime(providers={"mine": ScriptedProvider()}) as runtime:
    url = runtime.serve(port=0)
    company = runtime.create_company(name="Acme")
    agent = runtime.create_agent(company.id, name="Ada", role="Engineer", adapter="mine")
    task = runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
    print(runtime.finished(task.id, within=10).result)
    for event in runtime.events(since=0):
        print(event.seq, event.type)
        if event.type == "run_finished":
            break
    print("It was also at", url)
