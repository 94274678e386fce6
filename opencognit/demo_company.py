"""The company of the demonstration: who works there, and on what.

Each agent's command is its own; a task's description reaches it as data (a pattern to look for, a kind of file), never
as something to execute.
"""

import msgspec

from opencognit.domain.wire_names import ADAPTER_FIELDS

_FILES = "find . -type f -not -path '*/.*' -not -path '*/*.egg-info/*' -not -path './build/*'"

COUNT = f"""
total=$({_FILES} -name "$OPENCOGNIT_TASK_DESCRIPTION" -print0 | xargs -0 cat | wc -l)
files=$({_FILES} -name "$OPENCOGNIT_TASK_DESCRIPTION" | wc -l)
echo "$total lines in $files files of the kind $OPENCOGNIT_TASK_DESCRIPTION"
"""

SEARCH = """
found=$(grep -rnE --include='*.py' --exclude-dir='.?*' -e "$OPENCOGNIT_TASK_DESCRIPTION" . || true)
echo "$(printf '%s' "$found" | grep -c . || true) places match $OPENCOGNIT_TASK_DESCRIPTION, the first of them:"
printf '%s\\n' "$found" | cut -c1-110 | head -n 5
"""

REPORT = f"""
python3 -c '
import json, re, sys
order = json.load(sys.stdin)
results = [result.splitlines()[0] for result in order.get("{ADAPTER_FIELDS["blocker_results"]}", [])]
print(f"{{len(results)}} counts:", "; ".join(results))
if any("total" in comment for comment in order.get("{ADAPTER_FIELDS["comments"]}", [])):
    print("In total:", sum(int(word) for result in results for word in re.findall(": ([0-9]+) lines", result)), "lines")
'
"""

HAS_A_TOTAL = f"""
python3 -c '
import json, sys
if "total" not in json.load(sys.stdin)["{ADAPTER_FIELDS["result"]}"]:
    sys.exit("The total of all lines is missing.")
'
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One agent of the company."""

    key: str
    name: str
    role: str
    adapter: str
    command: str | None = None
    is_orchestrator: bool = False
    by_approval: bool = False
    """Whether the orchestrator asks the board for this one."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the company."""

    key: str
    title: str
    agent: str
    about: str
    priority: str = "medium"
    after: tuple[str, ...] = ()
    critic: str | None = None
    """A command that looks at the result."""


JOBS = (
    Job(key="otto", name="Otto", role="Orchestrator", adapter="http", is_orchestrator=True),
    Job(key="cora", name="Cora", role="Counts lines", adapter="bash", command=COUNT),
    Job(key="sam", name="Sam", role="Searches code", adapter="bash", command=SEARCH),
    Job(key="rita", name="Rita", role="Writes reports", adapter="bash", command=REPORT, by_approval=True),
)

ASSIGNMENTS = (
    Assignment(key="python", title="Count the Python", agent="cora", about="*.py", priority="high"),
    Assignment(key="prose", title="Count the documentation", agent="cora", about="*.md"),
    Assignment(key="settings", title="Count the configuration", agent="cora", about="*.toml", priority="low"),
    Assignment(key="locks", title="Find where locks are granted", agent="sam", about=r"granted_to\(", priority="high"),
    Assignment(key="actors", title="Find the actors", agent="sam", about=r"^class \w+\((\w+Actor|PersistentActor\[)"),
    Assignment(key="service", title="Ask the local service for the time and the machine", agent="otto", about="status"),
    Assignment(
        key="sum",
        title="Sum up what was counted",
        agent="rita",
        about="One line for each count.",
        after=("python", "prose", "settings"),
        critic=HAS_A_TOTAL,
    ),
    Assignment(
        key="report",
        title="Report to the board",
        agent="otto",
        about="Put together what all others found.",
        priority="critical",
        after=("sum", "locks", "actors", "service"),
    ),
)

CLAUDE = ("otto", "rita")
"""Whose work Claude does where there is a key: it writes, the others look at files."""
