"""Every kind of POST, made ready to be sent once."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tests.promises.keyed_case import NOBODY, Case, Post


class Posts(Case):
    """One method for each kind."""

    # Companies, accounts

    async def found_company(self) -> Post:
        body = {"name": self.mark}
        return Post(self.api, "/api/unternehmen", body, rows=("/api/unternehmen", body))

    async def import_company(self) -> Post:
        body = {"format": "opencognit-company", "formatVersion": 1, "unternehmen": {"name": self.mark}}
        return Post(self.api, "/api/unternehmen/import", body, rows=("/api/unternehmen", {"name": self.mark}))

    async def use_template(self) -> Post:
        body = {"name": self.mark}
        return Post(self.api, "/api/vorlagen/software-team/unternehmen", body, rows=("/api/unternehmen", body))

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

    async def import_agents(self) -> Post:
        path, row = f"{self.of_company}/experten", {"name": self.mark, "rolle": "Engineer"}
        return Post(self.api, f"{path}/import", {"experten": [row]}, rows=(f"{path}?limit=500", row))

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

    # Subscriptions

    async def subscribe(self) -> Post:
        path, body = f"{self.of_company}/abonnements", {"url": f"http://{NOBODY}/{self.mark}"}
        return Post(self.api, path, body, rows=(path, body))

    async def rotate_secret(self) -> Post:
        path = await self._subscription()
        rows = (f"{self.of_company}/abonnements", {"url": f"http://{NOBODY}/{self.mark}", "version": 2})
        return Post(self.api, f"{path}/geheimnis", rows=rows)

    async def try_subscription(self) -> Post:
        path = await self._subscription()
        return Post(self.api, f"{path}/test", rows=(f"{path}/zustellungen", {}))

    async def redeliver(self) -> Post:
        path = await self._subscription()
        delivery = await self._failed_trial(path)
        return Post(self.api, f"{delivery}/wiederholen", rows=(f"{path}/zustellungen", {"versuche": 2}))


KINDS: dict[str, Callable[[Posts], Awaitable[Post]]] = {
    "/api/unternehmen": Posts.found_company,
    "/api/unternehmen/import": Posts.import_company,
    "/api/vorlagen/{name}/unternehmen": Posts.use_template,
    "/api/unternehmen/{id}/notaus": Posts.stop_company,
    "/api/unternehmen/{id}/mitglieder": Posts.take_in,
    "/api/auth/registrieren": Posts.register,
    "/api/auth/anmelden": Posts.sign_in,
    "/api/auth/abmelden": Posts.sign_out,
    "/api/unternehmen/{id}/experten": Posts.hire,
    "/api/unternehmen/{id}/experten/import": Posts.import_agents,
    "/api/experten/{id}/pausieren": Posts.pause,
    "/api/experten/{id}/fortsetzen": Posts.resume,
    "/api/experten/{id}/wakeup": Posts.wake,
    "/api/experten/{id}/skills": Posts.teach,
    "/api/experten/{id}/token": Posts.issue_token,
    "/api/experten/{id}/erinnerungen": Posts.remember,
    "/api/unternehmen/{id}/aufgaben": Posts.create_task,
    "/api/aufgaben/{id}/kommentare": Posts.comment,
    "/api/aufgaben/{id}/checkout": Posts.check_out,
    "/api/aufgaben/{id}/release": Posts.release,
    "/api/unternehmen/{id}/genehmigungen": Posts.request_approval,
    "/api/genehmigungen/{id}/genehmigen": Posts.approve,
    "/api/genehmigungen/{id}/ablehnen": Posts.reject,
    "/api/genehmigungen/{id}/ueberarbeiten": Posts.revise,
    "/api/genehmigungen/{id}/erneut": Posts.ask_again,
    "/api/genehmigungen/{id}/zuruecknehmen": Posts.withdraw,
    "/api/unternehmen/{id}/chat": Posts.send_chat,
    "/api/unternehmen/{id}/chat/gelesen": Posts.mark_read,
    "/api/unternehmen/{id}/meetings": Posts.call_meeting,
    "/api/meetings/{id}/message": Posts.answer_meeting,
    "/api/meetings/{id}/complete": Posts.complete_meeting,
    "/api/meetings/{id}/cancel": Posts.cancel_meeting,
    "/api/unternehmen/{id}/ziele": Posts.set_goal,
    "/api/ziele/{id}/planen": Posts.plan_goal,
    "/api/unternehmen/{id}/routinen": Posts.create_routine,
    "/api/routinen/{id}/triggers": Posts.create_trigger,
    "/api/routinen/{id}/trigger": Posts.fire,
    "/api/unternehmen/{id}/abonnements": Posts.subscribe,
    "/api/abonnements/{id}/geheimnis": Posts.rotate_secret,
    "/api/abonnements/{id}/test": Posts.try_subscription,
    "/api/abonnements/{id}/zustellungen/{deliveryId}/wiederholen": Posts.redeliver,
    "/api/webhooks/routinen/{publicId}": Posts.fire_by_webhook,
}
"""By the path of the route. A run that is answered by its call-back ends with its server: it has a test of its own."""
