"""What can go wrong on the way to an answer.

A refusal of the server is the `DomainError` that was raised there, with its code, status and details: the same whether
a program embeds the runtime or asks a server. What the server never said is a `ClientError`.

    ClientError
    ├── ServerUnreachable    no connection, or it was lost before the answer
    └── UnexpectedAnswer     what answers there does not speak like OpenCognit
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from opencognit.domain.errors import DomainError, InternalError
from opencognit.domain.message import decode
from opencognit.domain.refusal import Refusal


class ClientError(Exception):
    """The root of all that goes wrong without the server's word.

    Attributes:
        message: one sentence for a person.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class ServerUnreachable(ClientError):
    """No connection came about, or it was lost, as often as it was tried."""


class UnexpectedAnswer(ClientError):
    """The answer is none of OpenCognit's: a proxy's, perhaps, or that of another program.

    Attributes:
        status: its HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


def error_of(body: bytes, *, status: int, retry_after: float | None) -> DomainError | UnexpectedAnswer:
    """The error that an answer stands for, by its code."""
    try:
        refusal = decode(body, Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UnexpectedAnswer(f"The server's answer ({status}) is none of OpenCognit's", status=status)
    # A code that only a newer server knows keeps its name.
    kind = _KINDS.get(refusal.code) or type(
        "UnknownRefusal", (DomainError,), {"code": refusal.code, "status": refusal.status}
    )
    error: DomainError = kind(refusal.message, details=refusal.details, retry_after=retry_after)
    error.add_note(f"The server calls the request {refusal.request_id}.")
    return error


def _below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


_KINDS: Final[Mapping[str, type[DomainError]]] = {InternalError.code: InternalError} | {
    kind.code: kind for kind in _below(DomainError) if "code" in vars(kind)
}
"""By their codes; several that share one are what they have in common."""
