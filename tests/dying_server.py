"""The server in a process of its own, as `python -m tests.dying_server serve …`, which dies right after a commit.

While the file that DYING_AFTER names is there, each commit lowers the number in it; at the one that makes it zero the
process is killed: what it has written is durable, and nobody has been told.
"""

import os
import signal
from pathlib import Path
from typing import Any, Final

from opencognit.cli import main
from opencognit.store.writer import SnapshotWriter

AFTER: Final = Path(os.environ.get("DYING_AFTER", "/nowhere"))
_commit_together = SnapshotWriter._commit_together


def _commit_and_die(self: SnapshotWriter, units: Any) -> Any:
    outcome = _commit_together(self, units)
    if AFTER.exists():
        left = int(AFTER.read_text()) - 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        AFTER.write_text(str(left))
    return outcome


if __name__ == "__main__":
    SnapshotWriter._commit_together = _commit_and_die  # type: ignore[method-assign]
    main()
