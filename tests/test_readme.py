"""The README's session, as a newcomer types it."""

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.server_process import ServerProcess

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def block(language: str, containing: str) -> str:
    """The code block of the README that contains this."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in blocks if containing in text)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_session_with_curl_and_the_watching_client_do_what_the_readme_says(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path) as server:

        def here(text: str) -> str:
            return text.replace("http://localhost:3201", server.url)

        shell = await asyncio.create_subprocess_exec(
            "bash", "-eu", "-c", here(block("sh", "URL=")) + "\necho; echo $TOKEN", stdout=-1
        )
        output, _ = await shell.communicate()
        assert shell.returncode == 0
        said = output.decode()
        assert '"executionToken":1' in said
        assert '"status":"done"' in said
        assert '"ergebnis":"It stands."' in said
        token = said.split()[-1]

        watch = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            here(block("python", "async def watch")),
            stdout=-1,
            env=os.environ | {"TOKEN": token},
        )
        assert watch.stdout is not None
        async with asyncio.timeout(20):
            while b"task_completed" not in await watch.stdout.readline():
                pass
        watch.send_signal(signal.SIGKILL)
        await watch.wait()


def test_what_the_readme_names_is_there() -> None:
    root = Path(__file__).parent.parent
    for name in re.findall(r"`((?:http|actors|opencognit|config|docs|examples|tests|bench)/[\w./-]*)`", README):
        inside = root / "opencognit" / name
        assert (root / name).exists() or inside.exists(), name
    makefile = (root / "Makefile").read_text("utf-8")
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
