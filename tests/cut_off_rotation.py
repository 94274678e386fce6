"""`python -m tests.cut_off_rotation N …`: the command line, which kills itself before its N-th step of a rotation.

A step is each call of a function, and each return from one, in the modules that rotate keys.
"""

import os
import signal
import sys
from types import FrameType
from typing import Any

from opencognit.cli import main

STEPPED = ("key_rotation.py", "keys.py", "resealing.py")


def kill_before(step: int) -> None:
    left = step

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal left
        if event in ("call", "return") and frame.f_code.co_filename.endswith(STEPPED):
            left -= frame.f_code.co_name != "<module>"
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


if __name__ == "__main__":
    kill_before(int(sys.argv.pop(1)))
    main()
