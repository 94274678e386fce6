"""What goes in and out of a runtime as a whole: lists of agents, and companies as files."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opencognit.actors.system import ActorSystem
from opencognit.clock import Clock
from opencognit.domain.agent_list import AgentsImport, ImportAgents, NewAgent
from opencognit.domain.company_export import CompanyExport
from opencognit.domain.company_file import CompanyFile, ImportCompany, ImportedCompany, read_company
from opencognit.domain.company_template import Template, UseTemplate, adapted, offered
from opencognit.domain.errors import NotFound
from opencognit.domain.kinds import COMPANY
from opencognit.domain.message import made
from opencognit.domain.origin import INSIDE, Origin
from opencognit.domain.yaml_text import json_or_yaml
from opencognit.security.agent_secrets import AgentSecretKeeper
from opencognit.store.store import Store
from opencognit.template_files import read_template, template_names

UNCHANGED: Final = UseTemplate()
"""A template as it is."""

IMPORT_DEADLINE: Final = 300.0
"""Seconds that the import of a company may take."""


class CompanyExchange:
    """The part of a `Runtime` that imports and exports."""

    system: ActorSystem
    store: Store
    clock: Clock
    _secrets: AgentSecretKeeper

    async def import_agents(self, company_id: str, agents: Iterable[Mapping[str, Any]]) -> AgentsImport:
        """Hire all of these agents, or none: each with the fields of `create_agent`, and `skills`.

        `reports_to` is the name of another one of the list, or name or id of an agent of the company.

        Raises:
            ValidationFailed: something is wrong with one of them; `details` has all problems.
            NotFound: there is no such company.
        """
        message = ImportAgents(agents=tuple(made(NewAgent, fields) for fields in agents))
        return await self.system.ask(COMPANY, company_id, message)

    async def export_company(self, company_id: str) -> bytes:
        """The company as a file (JSON; docs/import-export.md), without its secrets.

        It is read at one moment, and made in a thread, so that others go on meanwhile.

        Raises:
            NotFound: there is no such company.
        """
        rows = await self.store.queries.company_rows(company_id)
        if rows is None:
            raise NotFound("Company not found")
        now = self.clock.now()
        return await asyncio.to_thread(lambda: CompanyExport(rows, self._secrets).json(now))

    async def import_company(self, file: bytes | CompanyFile, *, origin: Origin = INSIDE) -> ImportedCompany:
        """Found a company from a file; it is paused. Its answer names the secrets that are missing.

        Args:
            file: what `export_company` has made, or one like it, as JSON or YAML.
            origin: who founds it, and owns it then.

        Raises:
            ValidationFailed: it is not such a file; `details` has each problem with its place.
        """
        if isinstance(file, bytes):
            file = await asyncio.to_thread(lambda text: read_company(json_or_yaml(text)), file)
        message = ImportCompany(file=file)
        return await self.system.create(COMPANY, message, origin=origin, deadline=IMPORT_DEADLINE)

    def templates(self) -> tuple[Template, ...]:
        """The ready-made companies that come with the product."""
        return tuple(offered(name, read_template(name)) for name in template_names())

    def template(self, name: str) -> CompanyFile:
        """One of them, as a file that may be changed and imported.

        Raises:
            NotFound: there is none of this name.
        """
        return read_template(name)

    async def use_template(
        self, name: str, wish: UseTemplate = UNCHANGED, *, origin: Origin = INSIDE
    ) -> ImportedCompany:
        """Found a company from a template; it is paused.

        Args:
            name: of the template.
            wish: what is to be other than in the template.
            origin: who founds it, and owns it then.

        Raises:
            NotFound: there is no template of this name.
            ValidationFailed: what is wished cannot be, such as an adapter that this server does not have.
        """
        return await self.import_company(adapted(read_template(name), wish), origin=origin)
