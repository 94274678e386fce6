"""The data folder: one process at a time, and for its owner's eyes."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from opencognit.domain.errors import StorageUnavailable


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and hold it while the block runs, so that no second server works on it.

    Raises:
        StorageUnavailable: another process has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StorageUnavailable(
                f"The data folder {folder} is in use by another server (process {holder}); "
                "stop it, or choose another folder"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
