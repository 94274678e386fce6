"""Every kind of POST, made ready to be sent once, with where its effect is seen from the outside."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from standardwebhooks import Webhook

from tests.builders import Api

Json = dict[str, Any]


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
    """Makes ready what a POST needs: things of its own, in a company that others use too.

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

    # Companies, accounts

    async def found_company(self) -> Post:
        body = {"name": self.mark}
        return Post(self.api, "/api/unternehmen", body, rows=("/api/unternehmen", body))

    async def stop_company(self) -> Post:
        path = f"/api/unternehmen/{(await self.api.company())['id']}"
        return Post(self.api, f"{path}/notaus", subject=path)

    async def take_in(self) -> Post:
        body = {"benutzerId": (await self.api.somebody()).user["id"]}
        path = f"{self.of_company}/mitglieder"
        return Post(self.api, path, body, rows=(path, body))

    async def register(self) -> Post:
        body = {"name": "New", "email": f"{self.mark}@example.com", "passwort": "secret-password"}
        return Post(self.api, "/api/auth/registrieren", body, sessions=1, is_public=True)

    async def sign_in(self) -> Post:
        body = {"email": (await self.api.somebody()).user["email"], "passwort": "secret-password"}
        return Post(self.api, "/api/auth/anmelden", body, sessions=2, is_public=True)

    async def sign_out(self) -> Post:
        return Post(await self.api.somebody(), "/api/auth/abmelden", signs_out=True)

    # Agents

    async def hire(self) -> Post:
        path, body = f"{self.of_company}/experten", {"name": self.mark, "rolle": "Engineer"}
        return Post(self.api, path, body, rows=(path, body))

    async def pause(self) -> Post:
        return await self._of_agent("pausieren")

    async def resume(self) -> Post:
        post = await self._of_agent("fortsetzen")
        await self.api.make(f"{post.subject}/pausieren")
        return post

    async def wake(self) -> Post:
        return await self._of_agent("wakeup")

    async def teach(self) -> Post:
        path, body = f"{await self._agent()}/skills", {"name": self.mark}
        return Post(self.api, path, body, rows=(path, body))

    async def issue_token(self) -> Post:
        return Post(self.api, f"{await self._agent()}/token", sessions=1)

    async def remember(self) -> Post:
        path, body = f"{await self._agent()}/erinnerungen", {"inhalt": self.mark}
        return Post(self.api, path, body, rows=(path, body))

    # Tasks

    async def create_task(self) -> Post:
        path, body = f"{self.of_company}/aufgaben", {"titel": self.mark}
        return Post(self.api, path, body, rows=(f"{path}?limit=500", body))

    async def comment(self) -> Post:
        path, body = f"{await self._task()}/kommentare", {"inhalt": self.mark}
        return Post(self.api, path, body, rows=(path, {}))

    async def check_out(self) -> Post:
        path = await self._task()
        return Post(self.api, f"{path}/checkout", {"expertId": await self._agent_id()}, subject=path)

    async def release(self) -> Post:
        path, body = await self._task(), {"expertId": await self._agent_id()}
        await self.api.make(f"{path}/checkout", body)
        return Post(self.api, f"{path}/release", {**body, "status": "done"}, subject=path)

    # Approvals

    async def request_approval(self) -> Post:
        path, body = f"{self.of_company}/genehmigungen", {"titel": self.mark}
        return Post(self.api, path, body, rows=(f"{path}?limit=500", body))

    async def approve(self) -> Post:
        hired = {"name": self.mark, "rolle": "Engineer"}
        path = await self._approval(typ="hire_expert", payload=hired)
        return Post(self.api, f"{path}/genehmigen", {"notiz": "Yes"}, rows=(f"{self.of_company}/experten", hired))

    async def reject(self) -> Post:
        path = await self._approval()
        return Post(self.api, f"{path}/ablehnen", {"notiz": "No"}, subject=path)

    async def revise(self) -> Post:
        path = await self._approval()
        return Post(self.api, f"{path}/ueberarbeiten", {"notiz": "How?"}, subject=path)

    async def ask_again(self) -> Post:
        path = await self._approval()
        await self.api.make(f"{path}/ueberarbeiten")
        return Post(self.api, f"{path}/erneut", {"beschreibung": "So"}, subject=path)

    async def withdraw(self) -> Post:
        path = await self._approval()
        return Post(self.api, f"{path}/zuruecknehmen", {}, subject=path)

    # Conversations

    async def send_chat(self) -> Post:
        body = {"nachricht": self.mark, "empfaengerId": await self._agent_id()}
        return Post(self.api, f"{self.of_company}/chat", body, rows=(self._chat_with(body["empfaengerId"]), {}))

    async def mark_read(self) -> Post:
        agent = await self.api.agent(self._company)
        await (await self.api.agent_api(agent)).make(f"{self.of_company}/chat", {"nachricht": self.mark})
        body, rows = {"expertId": agent["id"]}, (self._chat_with(agent["id"]), {"gelesen": True})
        return Post(self.api, f"{self.of_company}/chat/gelesen", body, rows=rows)

    async def call_meeting(self) -> Post:
        path, body = f"{self.of_company}/meetings", {"titel": self.mark, **await self._invited()}
        return Post(self.api, path, body, rows=(path, {"titel": self.mark}))

    async def answer_meeting(self) -> Post:
        path, participant = await self._meeting()
        return Post(self.api, f"{path}/message", {"nachricht": "Red", "expertId": participant}, subject=path)

    async def complete_meeting(self) -> Post:
        path, _ = await self._meeting()
        return Post(self.api, f"{path}/complete", {"ergebnis": self.mark}, subject=path)

    async def cancel_meeting(self) -> Post:
        path, _ = await self._meeting()
        return Post(self.api, f"{path}/cancel", subject=path)

    # Goals and routines

    async def set_goal(self) -> Post:
        path, body = f"{self.of_company}/ziele", {"titel": self.mark}
        return Post(self.api, path, body, rows=(path, body))

    async def plan_goal(self) -> Post:
        goal = (await self.api.make(f"{self.of_company}/ziele", {"titel": "Grow"}))["id"]
        return Post(self.api, f"/api/ziele/{goal}/planen", rows=(f"{self.of_company}/aufgaben?zielId={goal}", {}))

    async def create_routine(self) -> Post:
        path, body = f"{self.of_company}/routinen", {"titel": self.mark}
        return Post(self.api, path, body, rows=(path, body))

    async def create_trigger(self) -> Post:
        path = f"{await self._routine()}/triggers"
        return Post(self.api, path, {"kind": "webhook"}, rows=(path, {}))

    async def fire(self) -> Post:
        path = await self._routine()
        return Post(self.api, f"{path}/trigger", {"payload": {}}, rows=(f"{path}/ausfuehrungen", {}))

    async def fire_by_webhook(self) -> Post:
        path, now = await self._routine(), datetime.now(UTC)
        webhook = await self.api.make(f"{path}/triggers", {"kind": "webhook"})
        post = Post(self.api, f"/api/webhooks/routinen/{webhook['publicId']}", {"order": self.mark}, is_public=True)
        headers = (
            ("webhook-id", self.mark),
            ("webhook-timestamp", str(int(now.timestamp()))),
            ("webhook-signature", Webhook(webhook["secret"]).sign(self.mark, now, post.data().decode())),
        )
        return post._replace(headers=headers, rows=(f"{path}/ausfuehrungen", {}))

    # What they are about

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


KINDS: dict[str, Callable[[Case], Awaitable[Post]]] = {
    "/api/unternehmen": Case.found_company,
    "/api/unternehmen/{id}/notaus": Case.stop_company,
    "/api/unternehmen/{id}/mitglieder": Case.take_in,
    "/api/auth/registrieren": Case.register,
    "/api/auth/anmelden": Case.sign_in,
    "/api/auth/abmelden": Case.sign_out,
    "/api/unternehmen/{id}/experten": Case.hire,
    "/api/experten/{id}/pausieren": Case.pause,
    "/api/experten/{id}/fortsetzen": Case.resume,
    "/api/experten/{id}/wakeup": Case.wake,
    "/api/experten/{id}/skills": Case.teach,
    "/api/experten/{id}/token": Case.issue_token,
    "/api/experten/{id}/erinnerungen": Case.remember,
    "/api/unternehmen/{id}/aufgaben": Case.create_task,
    "/api/aufgaben/{id}/kommentare": Case.comment,
    "/api/aufgaben/{id}/checkout": Case.check_out,
    "/api/aufgaben/{id}/release": Case.release,
    "/api/unternehmen/{id}/genehmigungen": Case.request_approval,
    "/api/genehmigungen/{id}/genehmigen": Case.approve,
    "/api/genehmigungen/{id}/ablehnen": Case.reject,
    "/api/genehmigungen/{id}/ueberarbeiten": Case.revise,
    "/api/genehmigungen/{id}/erneut": Case.ask_again,
    "/api/genehmigungen/{id}/zuruecknehmen": Case.withdraw,
    "/api/unternehmen/{id}/chat": Case.send_chat,
    "/api/unternehmen/{id}/chat/gelesen": Case.mark_read,
    "/api/unternehmen/{id}/meetings": Case.call_meeting,
    "/api/meetings/{id}/message": Case.answer_meeting,
    "/api/meetings/{id}/complete": Case.complete_meeting,
    "/api/meetings/{id}/cancel": Case.cancel_meeting,
    "/api/unternehmen/{id}/ziele": Case.set_goal,
    "/api/ziele/{id}/planen": Case.plan_goal,
    "/api/unternehmen/{id}/routinen": Case.create_routine,
    "/api/routinen/{id}/triggers": Case.create_trigger,
    "/api/routinen/{id}/trigger": Case.fire,
    "/api/webhooks/routinen/{publicId}": Case.fire_by_webhook,
}
"""By the path of the route. A run that is answered by its call-back ends with its server: it has a test of its own."""
