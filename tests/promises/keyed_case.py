"""A POST that is sent with a key, where its effect is seen from the outside, and what is made ready for it."""

import asyncio
import json
from typing import Any, NamedTuple

from tests.builders import Api

Json = dict[str, Any]

NOBODY = "127.0.0.1:9"
"""Where nobody listens."""


class Post(NamedTuple):
    """A request, and where its effect is seen.

    Attributes:
        api: whose it is.
        path: where to.
        body: its body; None for none.
        headers: more headers.
        subject: a path at which there is afterwards what the answer says. What was changed twice has another version.
        rows: a list, and what is said of the one row in it that is there afterwards.
        sessions: how many sessions there are afterwards of the user or agent whom the answer names.
        is_public: whether it is sent without a token.
        signs_out: whether its sender is nobody afterwards.
    """

    api: Api
    path: str
    body: Json | None = None
    headers: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    rows: tuple[str, Json] | None = None
    sessions: int | None = None
    is_public: bool = False
    signs_out: bool = False

    def sender(self) -> Api:
        """Who sends it."""
        return self.api.with_token(None) if self.is_public else self.api

    def data(self) -> bytes:
        """The body as it is sent, byte for byte the same each time."""
        return b"" if self.body is None else json.dumps(self.body).encode()


class Case:
    """Makes what a POST needs: things of its own, in a company that others use too.

    Args:
        api: who will send it.
        company: where.
        mark: a word that nothing else bears.
    """

    def __init__(self, api: Api, company: Json, mark: str) -> None:
        self.api = api
        self.mark = mark
        self.of_company = f"/api/unternehmen/{company['id']}"
        self._company = company

    async def _agent_id(self) -> str:
        found: str = (await self.api.agent(self._company))["id"]
        return found

    async def _agent(self) -> str:
        return f"/api/experten/{await self._agent_id()}"

    async def _of_agent(self, verb: str) -> Post:
        path = await self._agent()
        return Post(self.api, f"{path}/{verb}", subject=path)

    async def _task(self) -> str:
        return f"/api/aufgaben/{(await self.api.task(self._company))['id']}"

    async def _approval(self, **fields: Any) -> str:
        body = {"titel": "May I?", **fields}
        return f"/api/genehmigungen/{(await self.api.make(f'{self.of_company}/genehmigungen', body))['id']}"

    async def _routine(self) -> str:
        return f"/api/routinen/{(await self.api.make(f'{self.of_company}/routinen', {'titel': 'Report'}))['id']}"

    async def _invited(self) -> Json:
        organiser, *others = [await self._agent_id() for _ in range(3)]
        return {"veranstalterExpertId": organiser, "teilnehmerIds": others}

    async def _meeting(self) -> tuple[str, str]:
        """(path, one of those who are asked)"""
        meeting = await self.api.make(f"{self.of_company}/meetings", {"titel": "Colours", **await self._invited()})
        return f"/api/meetings/{meeting['id']}", meeting["teilnehmerIds"][0]

    def _chat_with(self, agent_id: str) -> str:
        return f"{self.of_company}/chat?expertId={agent_id}"

    async def _subscription(self) -> str:
        """Of what nobody does, to where nobody listens."""
        body = {"url": f"http://{NOBODY}/{self.mark}", "ereignisTypen": ["goal_achieved"]}
        return f"/api/abonnements/{(await self.api.make(f'{self.of_company}/abonnements', body))['id']}"

    async def _failed_trial(self, subscription: str) -> str:
        """The path of a delivery that was tried once."""
        delivery = await self.api.make(f"{subscription}/test")
        async with asyncio.timeout(20):
            while (await self.api.get(f"{subscription}/zustellungen")).json[0]["status"] != "failed":
                pass
        return f"{subscription}/zustellungen/{delivery['id']}"
