"""An agent's heartbeat, seen from outside."""

from tests.builders import Api


async def test_an_assigned_task_is_worked_on_and_done(owner: Api, follow) -> None:
    company = await owner.company()
    follower = await follow(owner)
    agent = await owner.agent(company, verbindungsTyp="scripted")
    task = await owner.task(company, zugewiesenAn=agent["id"])

    await follower.until("task_completed", taskId=task["id"])

    done = (await owner.get(f"/api/aufgaben/{task['id']}")).json
    assert (done["status"], done["ergebnis"]) == ("done", f"{task['titel']}: done")
    assert done["executionLockedBy"] is None
