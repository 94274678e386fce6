"""Command lines of coding agents that are not there: programs that say what they are told, as the real ones would.

Each start of a program notes what it was given in `starts`, and plays the next of the prepared scripts.
"""

import json
import stat
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python}
import json, os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
number = len(list(folder.glob("start-*")))
start = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "env": dict(os.environ), "cwd": os.getcwd()}}
(folder / f"start-{{number}}").write_text(json.dumps(start))
for act in json.loads((folder / f"script-{{number}}").read_text()):
    for name, what in act.items():
        if name == "say":
            sys.stdout.write(what)
            sys.stdout.flush()
        elif name == "complain":
            sys.stderr.write(what)
        elif name == "flood":
            for _ in range(what):
                sys.stdout.write("x" * 1_000_000)
        elif name == "child":
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.execvp("flock", ["flock", what, "sleep", "1000"])
        elif name == "write":
            pathlib.Path(what).write_text("begun")
        elif name == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif name == "hang":
            time.sleep(1000)
        elif name == "exit":
            sys.stdout.flush()
            sys.exit(what)
"""


class FakeCli:
    """A program of this name in `folder / "bin"`."""

    def __init__(self, program: str, folder: Path, *, python: str = sys.executable) -> None:
        self.bin = folder / "bin"
        self._folder = folder
        self._scripts = 0
        self.bin.mkdir(parents=True, exist_ok=True)
        file = self.bin / program
        file.write_text(PROGRAM.format(python=python, folder=str(folder)))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def plays(self, *acts: dict[str, Any] | str) -> None:
        """What the next start does; a text is said."""
        script = [{"say": act} if isinstance(act, str) else act for act in acts]
        (self._folder / f"script-{self._scripts}").write_text(json.dumps(script))
        self._scripts += 1

    @property
    def starts(self) -> list[dict[str, Any]]:
        """What each start was given."""
        return [json.loads(file.read_text()) for file in sorted(self._folder.glob("start-*"))]


def line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


def claude_says(text: str = "All done.", *, session: str = "session-1", cost: float | None = 0.25, **end: Any) -> str:
    """A whole run of Claude Code."""
    usage = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4}
    blocks = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "I look."}]
    tool = [{"type": "tool_use", "id": "t", "name": "Read", "input": {}}]
    result = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "duration_ms": 5,
        "num_turns": 2,
        "result": text,
        "session_id": session,
        "usage": usage,
        **({"total_cost_usd": cost} if cost is not None else {}),
        **end,
    }
    return (
        line(type="system", subtype="init", cwd="/work", session_id=session, model="claude-haiku-4-5", tools=[])
        + line(type="assistant", message={"id": "m1", "role": "assistant", "content": blocks, "usage": usage})
        + line(type="assistant", message={"id": "m1", "role": "assistant", "content": tool, "usage": usage})
        + line(type="user", message={"role": "user", "content": [{"type": "tool_result", "content": "x"}]})
        + line(**result)
    )


def codex_says(text: str = "All done.", *, session: str = "thread-1", **usage: int) -> str:
    """A whole run of Codex."""
    command = {
        "id": "item_0",
        "type": "command_execution",
        "command": "ls",
        "aggregated_output": "",
        "status": "completed",
    }
    counted = {"input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 50, **usage}
    return (
        line(type="thread.started", thread_id=session)
        + line(type="turn.started")
        + line(type="error", message="Reconnecting... 1/5")
        + line(type="item.completed", item={"id": "item_1", "type": "agent_message", "text": "I look."})
        + line(type="item.completed", item=command)
        + line(type="item.completed", item={"id": "item_2", "type": "agent_message", "text": text})
        + line(type="turn.completed", usage=counted)
    )


def gemini_says(text: str = "All done.", *, session: str = "session-g", **stats: int) -> str:
    """A whole run of Gemini CLI."""
    counted = {
        "total_tokens": 160,
        "input_tokens": 100,
        "output_tokens": 50,
        "cached": 30,
        "input": 70,
        "tool_calls": 1,
    }
    half = len(text) // 2
    return (
        "Loaded cached credentials.\n"
        + line(type="init", timestamp="t", session_id=session, model="gemini-2.5-pro")
        + line(type="message", timestamp="t", role="user", content="the prompt")
        + line(type="message", timestamp="t", role="assistant", content="I look.", delta=True)
        + line(type="tool_use", timestamp="t", tool_name="read_file", tool_id="1", parameters={})
        + line(type="tool_result", timestamp="t", tool_id="1", status="success", output="x")
        + line(type="message", timestamp="t", role="assistant", content=text[:half], delta=True)
        + line(type="message", timestamp="t", role="assistant", content=text[half:], delta=True)
        + line(type="result", timestamp="t", status="success", stats={**counted, **stats})
    )
