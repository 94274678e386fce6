"""P12: bad input gets a clear 400, never a 5xx, and no answer that the OpenAPI document does not promise.

Schemathesis asks every route what its document says and what it does not say, follows the links from what it has
created, and holds each answer against the document. `FUZZING_SECONDS` says for how long.
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.builders import Api
from tests.server_process import ServerProcess

SECONDS = int(os.environ.get("FUZZING_SECONDS", "30"))
SEED = int(os.environ.get("FUZZING_SEED", "12"))
HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("phases", ["examples,coverage,fuzzing", "stateful"])
async def test_whatever_is_asked_the_answer_is_in_the_document_and_no_5xx(tmp_path: Path, phases: str) -> None:
    """Single routes and chains of them have half of the time each, and a server each."""
    async with ServerProcess(tmp_path / "data") as server:
        async with aiohttp.ClientSession() as session:
            admin = await Api(session, server.url).somebody("Admin")
            ids = await _one_of_everything(admin)
        # A chain asks about what it has created itself.
        code, said = await _schemathesis(admin, phases, {} if phases == "stateful" else ids, tmp_path)
    assert code == 0, said
    generated = re.search(r"(\d+) generated", said)
    assert generated is not None, said
    assert int(generated[1]) >= SECONDS, said


async def _one_of_everything(admin: Api) -> dict[str, str]:
    """Things to ask about; each id by the word that it follows in a path, or by the name of its parameter."""
    company = await admin.company()
    agent = await admin.agent(company)
    task = await admin.task(company)
    of_company, of_agent = f"/api/unternehmen/{company['id']}", f"/api/experten/{agent['id']}"
    meeting = {"titel": "M", "veranstalterExpertId": agent["id"], "teilnehmerIds": [agent["id"]]}
    routine = await admin.make(f"{of_company}/routinen", {"titel": "Report"})
    subscribing = {"url": "https://hooks.example/", "ereignisTypen": ["goal_achieved"]}
    subscription = await admin.make(f"{of_company}/abonnements", subscribing)
    made = {
        "unternehmen": company,
        "experten": agent,
        "aufgaben": task,
        "genehmigungen": await admin.make(f"{of_company}/genehmigungen", {"titel": "May I?"}),
        "ziele": await admin.make(f"{of_company}/ziele", {"titel": "Grow"}),
        "meetings": await admin.make(f"{of_company}/meetings", meeting),
        "routinen": routine,
        "triggers": await admin.make(f"/api/routinen/{routine['id']}/triggers", {"kind": "webhook"}),
        "abonnements": subscription,
        "deliveryId": await admin.make(f"/api/abonnements/{subscription['id']}/test"),
        "skillId": await admin.make(f"{of_agent}/skills", {"name": "Reading"}),
        "memoryId": await admin.make(f"{of_agent}/erinnerungen", {"inhalt": "Tea"}),
    }
    return {name: thing["id"] for name, thing in made.items()}


async def _schemathesis(admin: Api, phases: str, ids: dict[str, str], folder: Path) -> tuple[int, str]:
    """(its exit code, what it said)."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{admin.url}/api/openapi.json"),
        *("--checks", "all", "--phases", phases),
        *("--max-time", f"{SECONDS // 2}", "--seed", f"{SEED}", "--generation-database", "none", "--no-color"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ
        | {
            "OPENCOGNIT_URL": admin.url,
            "OPENCOGNIT_TOKEN": str(admin.token),
            "OPENCOGNIT_IDS": json.dumps(ids),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(HERE),
        },
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
