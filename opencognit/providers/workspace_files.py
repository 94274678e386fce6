"""Files of a workspace, and no way out of it.

Each part of a path is opened by itself, from the folder before it, and never through a link; so no name and no race
leads elsewhere (openat(2) with O_NOFOLLOW). Call these in a thread.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from opencognit.domain.errors import NotFound, ValidationFailed

READ_LIMIT: Final = 200_000
"""Bytes of a file that is read whole; larger ones are refused."""
WRITE_LIMIT: Final = 1_000_000
"""Bytes that a file may be given."""
LISTED: Final = 500
"""Names of a folder that are listed."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_FILE: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def read_text(workspace: str, path: str) -> str:
    """The text of a file.

    Raises:
        NotFound: there is no such file.
        ValidationFailed: the path leads out, or what is there is no text of a sensible length.
    """
    with _opened(workspace, path, os.O_RDONLY) as file:
        if os.fstat(file).st_size > READ_LIMIT:
            raise ValidationFailed.of("path", f"is larger than {READ_LIMIT} bytes")
        with os.fdopen(os.dup(file), "rb") as reader:
            content = reader.read(READ_LIMIT + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValidationFailed.of("path", "is not a text file") from error
    if "\0" in text:
        raise ValidationFailed.of("path", "is not a text file")
    return text


def write_text(workspace: str, path: str, text: str) -> None:
    """Write a file, with the folders that it lies in.

    Raises:
        ValidationFailed: the path leads out or to something that is no file, or the text is too long.
    """
    content = text.encode()
    if len(content) > WRITE_LIMIT:
        raise ValidationFailed.of("content", f"is larger than {WRITE_LIMIT} bytes")
    with _opened(workspace, path, os.O_WRONLY | os.O_CREAT) as file, os.fdopen(os.dup(file), "wb") as writer:
        writer.truncate()
        writer.write(content)


def listing(workspace: str, path: str) -> str:
    """The names in a folder, one a line; folders end with a slash.

    Raises:
        NotFound: there is no such folder.
        ValidationFailed: the path leads out.
    """
    with _folder(workspace, _parts(path), create=False) as folder, os.scandir(folder) as entries:
        names = sorted(entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in entries)
    more = [f"… and {len(names) - LISTED} more"] if len(names) > LISTED else []
    return "\n".join([*names[:LISTED], *more]) or "(empty)"


@contextlib.contextmanager
def _opened(workspace: str, path: str, how: int) -> Iterator[int]:
    parts = _parts(path)
    if not parts:
        raise ValidationFailed.of("path", "names no file")
    with _folder(workspace, parts[:-1], create=bool(how & os.O_CREAT)) as folder, _refusals():
        file = os.open(parts[-1], how | _FILE, 0o644, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ValidationFailed.of("path", "is not a file")
            yield file
        finally:
            os.close(file)


@contextlib.contextmanager
def _folder(workspace: str, parts: list[str], *, create: bool) -> Iterator[int]:
    with contextlib.ExitStack() as stack, _refusals():
        # The workspace itself may be reached by a link: the operator has chosen it.
        folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, folder)
        for part in parts:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            folder = os.open(part, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


def _parts(path: str) -> list[str]:
    if path.startswith("/") or "\0" in path:
        raise ValidationFailed.of("path", "must lie inside the workspace: name it without a leading slash")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValidationFailed.of("path", "must lie inside the workspace: `..` leads out")
    return parts


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What the system refuses, in words for a model; never a path of this machine."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("There is no such file or folder") from error
    except OSError as error:
        raise ValidationFailed.of("path", f"cannot be used ({error.strerror})") from error
