"""The examples do what they say."""

import asyncio
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_runs_to_its_end(example: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", str(example), stdout=-1, stderr=-1)
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Build it: done" in output
