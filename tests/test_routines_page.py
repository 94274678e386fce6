"""The session of `docs/routines.md`, after that of the README, as a person types it."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.server_process import ServerProcess

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "routines.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
SESSION = next(text for text in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "URL=" in text)
SHELL = "\necho\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
AFTERWARDS = """
echo
{python} -c "$SEND" "$URL/webhooks/routinen/$PUBLIC_ID" "$SECRET"
echo
api $URL/routinen/$ROUTINE/ausfuehrungen
"""


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "openssl", "base64", "od"))), reason="needs curl and openssl")
async def test_schedules_firing_by_hand_and_signed_webhooks_do_what_the_page_says(tmp_path: Path) -> None:
    send = f"import sys\n{PYTHON}\nprint(send(sys.argv[1], sys.argv[2], {{'shop': 'Bremen'}}))"
    async with ServerProcess(tmp_path) as server:
        session = "\n".join((SESSION, SHELL, AFTERWARDS.format(python=sys.executable)))
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-eu", "-c", session.replace("http://localhost:3201", server.url)),
            stdout=-1,
            env=os.environ | {"SEND": send},
        )
        output, _ = await shell.communicate()
    assert shell.returncode == 0
    said = output.decode()
    assert '"naechsterAusfuehrungAm":"2' in said
    assert said.count('{"success":true}') == 2
    executions = json.loads(said.splitlines()[-1])
    assert [(one["quelle"], one["payload"]) for one in executions] == [
        ("webhook", {"shop": "Bremen"}),
        ("webhook", {"shop": "Hamburg"}),
        ("manual", {"shop": "Cologne"}),
    ]
