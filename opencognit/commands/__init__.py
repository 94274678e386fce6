"""The commands that ask a running server: one file for each subject, all of them in `COMMANDS`."""

from typing import Final

import click

from opencognit.commands.agents import agent
from opencognit.commands.approvals import approval
from opencognit.commands.companies import company
from opencognit.commands.completion import completion
from opencognit.commands.logs import logs
from opencognit.commands.routines import routine
from opencognit.commands.signing_in import login, logout, whoami
from opencognit.commands.talking import chat
from opencognit.commands.tasks import task
from opencognit.commands.templates import template
from opencognit.commands.watching import watch

COMMANDS: Final[tuple[click.Command, ...]] = (
    *(login, logout, whoami),
    *(company, template, agent, task, routine, approval, chat, logs, watch),
    completion,
)
