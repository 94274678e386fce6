"""What `docs/events.md` says about webhooks, after the session of the README, as a person types it."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.http.event_receiver import receiving
from tests.server_process import ServerProcess

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "events.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
SESSION = next(text for text in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "URL=" in text)
(SHELL,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_a_subscription_is_made_and_tried_and_what_arrives_is_checked_as_the_page_says(tmp_path: Path) -> None:
    async with (
        ServerProcess(tmp_path, OPENCOGNIT_WEBHOOKS__ALLOWED_ADDRESSES='["127.0.0.1"]') as server,
        receiving() as receiver,
    ):
        session = f'{SESSION}\n{SHELL}\necho; echo "$SECRET"'
        session = session.replace("http://localhost:3201", server.url)
        shell = await asyncio.create_subprocess_exec(
            "bash", "-eu", "-c", session.replace("https://hooks.example/opencognit", receiver.url), stdout=-1
        )
        output, _ = await shell.communicate()
        [got] = await receiver.count(1)
    assert shell.returncode == 0
    *_, log, secret = output.decode().splitlines()
    assert json.loads(log[log.rindex("[{") :])[0]["id"] == got.id
    page: dict[str, Any] = {}
    exec(PYTHON, page)  # noqa: S102 - it is ours
    assert page["received"](secret, got.headers, got.body)["type"] == "ping"
    with pytest.raises(Exception, match="No matching signature"):
        page["received"](secret, got.headers, got.body.replace(b"ping", b"pong"))
