"""What an agent may do with its tools: a permission for each kind of thing, and whether the board is asked first."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from opencognit.domain.errors import ValidationFailed
from opencognit.domain.message import Message


class Permission(StrEnum):
    """What may be permitted."""

    COMMENT = "comment"
    READ_TASKS = "read_tasks"
    """See any task of the company."""
    TASKS = "tasks"
    """Create and change tasks: those below its own, an orchestrator's are all of the company."""
    APPROVALS = "approvals"
    """Ask the board."""
    PLAN = "plan"
    """Create many tasks at once, for anyone."""
    GOALS = "goals"
    """Set goals, change their progress, close them."""
    HIRE = "hire"
    """Ask the board for a new agent; without its yes nobody is hired."""
    REPORT = "report"
    """Report to the board."""
    MEMORY = "memory"
    """Note things down, and look them up."""
    MESSAGES = "messages"
    """Write to colleagues and to the board."""
    MEETINGS = "meetings"
    """Ask several colleagues at once."""
    READ_FILES = "read_files"
    WRITE_FILES = "write_files"
    RUN_COMMAND = "run_command"
    FETCH_URL = "fetch_url"


class Grant(StrEnum):
    """Whether it is."""

    ALLOW = "allow"
    ASK = "ask"
    """The board is asked about each call."""
    DENY = "deny"


_FOR_ORCHESTRATORS: Final = frozenset({Permission.PLAN, Permission.GOALS, Permission.HIRE, Permission.REPORT})

Permissions = Mapping[Permission, Grant]


def granted(chosen: Permissions, *, is_orchestrator: bool) -> dict[Permission, Grant]:
    """All permissions with their present value: what the board has chosen, else what goes with the role."""
    grants = {}
    for permission in Permission:
        usual = Grant.ALLOW if is_orchestrator or permission not in _FOR_ORCHESTRATORS else Grant.DENY
        if permission is Permission.RUN_COMMAND:
            usual = Grant.ASK
        grants[permission] = chosen.get(permission, usual)
    return grants


PERMISSION_OF: Final[Mapping[str, Permission]] = {
    "comment": Permission.COMMENT,
    "create_subtask": Permission.TASKS,
    "ask_for_approval": Permission.APPROVALS,
    "read_task": Permission.READ_TASKS,
    "update_task": Permission.TASKS,
    "plan": Permission.PLAN,
    "create_goal": Permission.GOALS,
    "update_goal": Permission.GOALS,
    "hire": Permission.HIRE,
    "report": Permission.REPORT,
    "list_files": Permission.READ_FILES,
    "read_file": Permission.READ_FILES,
    "write_file": Permission.WRITE_FILES,
    "run_command": Permission.RUN_COMMAND,
    "fetch_url": Permission.FETCH_URL,
    "send_message": Permission.MESSAGES,
    "call_meeting": Permission.MEETINGS,
    "remember": Permission.MEMORY,
    "recall": Permission.MEMORY,
}
"""What each tool needs. One that is not named needs none."""

ASKING: Final = frozenset({"hire", "ask_for_approval"})
"""Tools that do nothing but ask the board, which therefore is not asked whether they may."""


def call_hash(tool: str, arguments: object) -> str:
    """What stands for exactly this call of a tool."""
    return hashlib.sha256(msgspec.json.encode([tool, arguments], order="deterministic")).hexdigest()


class SetPermissions(Message[dict[Permission, Grant]], frozen=True, kw_only=True):
    """Choose an agent's permissions; what is not named goes with its role. Answered with all of them."""

    permissions: dict[Permission, Grant]


class UseApproval(Message[None], frozen=True, kw_only=True):
    """Internal, to an agent: the call that the board has approved is being made; it is good for this once."""

    approval_id: str


Chosen = Annotated[
    dict[str, Any],
    msgspec.Meta(
        extra_json_schema={
            "properties": {permission: {"enum": list(Grant)} for permission in Permission},
            "additionalProperties": False,
        }
    ),
]
"""Permissions as a client sends them; `read_permissions` says which of them is wrong."""


def read_permissions(body: Mapping[str, Any]) -> dict[Permission, Grant]:
    """Permissions as a client sends them.

    Raises:
        ValidationFailed: an unknown name or value.
    """
    for name, value in body.items():
        if name not in list(Permission):
            raise ValidationFailed.of(name, f"is not one of {', '.join(Permission)}")
        if value not in list(Grant):
            raise ValidationFailed.of(name, f"must be one of {', '.join(Grant)}")
    return {Permission(name): Grant(value) for name, value in body.items()}
