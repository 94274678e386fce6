"""The `Runtime`: puts clock, store, actors and server together, and is what a program embeds.

    async with Runtime(data="company-data") as runtime:
        company = await runtime.create_company(name="Acme")
        agent = await runtime.create_agent(company.id, name="Ada", role="Engineer")
        task = await runtime.create_task(company.id, title="Build it", assignee_id=agent.id)
        async for event in runtime.events():
            print(event.type, event.data)

Programs without asyncio use `BlockingRuntime`. Everything that a program does here is the same message to the same
actor as over HTTP.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from opencognit.actors.accounts import Accounts
from opencognit.actors.agent import Agent as AgentActor
from opencognit.actors.approval import Approval as ApprovalActor
from opencognit.actors.company import Company as CompanyActor
from opencognit.actors.event_hub import EventHub, Listener, Publish, Show
from opencognit.actors.goal import Goal as GoalActor
from opencognit.actors.mailbox import Envelope
from opencognit.actors.meeting import Meeting as MeetingActor
from opencognit.actors.persistent_actor import PersistentActor
from opencognit.actors.ports import Surroundings
from opencognit.actors.routine import Routine as RoutineActor
from opencognit.actors.settings_book import SettingsBook
from opencognit.actors.subscription import Subscription as SubscriptionActor
from opencognit.actors.system import ActorSystem
from opencognit.actors.task_lock import TaskLock
from opencognit.adapters import built_in_adapters
from opencognit.clock import Clock, IdSource, Jitter, SystemClock, SystemIds, SystemJitter
from opencognit.company_exchange import CompanyExchange
from opencognit.data_folder import claimed
from opencognit.domain.agent import Agent, CreateAgent, Wake
from opencognit.domain.caller import User
from opencognit.domain.company import Company, CreateCompany
from opencognit.domain.delivery import DeliverNext
from opencognit.domain.directory import Directory
from opencognit.domain.errors import (
    DeadlineExceeded,
    EventsGone,
    MailboxFull,
    NotFound,
)
from opencognit.domain.events import Published, RunOutput
from opencognit.domain.instants import instant
from opencognit.domain.kinds import AGENT, COMPANY, SUBSCRIPTION, TASK_LOCK
from opencognit.domain.message import Message, decode, made
from opencognit.domain.origin import INSIDE, Origin
from opencognit.domain.pricing import StatedPrices
from opencognit.domain.setting import FALLBACK_PRICE, MODEL_PRICES, SERVER
from opencognit.domain.system import ServerStatus
from opencognit.domain.task import FINISHED, CreateTask, Task
from opencognit.domain.webhook import Webhook
from opencognit.housekeeping import keep_house
from opencognit.log_output import log_through_logging
from opencognit.providers.event_post import EventPost
from opencognit.providers.port import Provider
from opencognit.providers.prices import PriceList
from opencognit.recovery import recover
from opencognit.security.agent_secrets import AgentSecretKeeper
from opencognit.security.keys import load_or_create_key, load_or_create_keys
from opencognit.security.passwords import Passwords
from opencognit.security.secrets import SecretBox
from opencognit.security.throttle import SignInThrottle
from opencognit.security.tokens import Tokens
from opencognit.settings import Settings
from opencognit.store.queries import Queries
from opencognit.store.store import Store

R = TypeVar("R")

ACTORS: Final[Mapping[str, type[PersistentActor[Any]]]] = {
    "company": CompanyActor,
    "agent": AgentActor,
    "task_lock": TaskLock,
    "approval": ApprovalActor,
    "settings": SettingsBook,
    "meeting": MeetingActor,
    "goal": GoalActor,
    "routine": RoutineActor,
    "subscription": SubscriptionActor,
}


class Runtime(CompanyExchange):
    """A company runtime in this process.

    Args:
        data: the folder of the database and the keys; None for one that is gone afterwards.
        settings: all settings; the defaults and the environment if None.
        clock: where the time comes from; the machine's by default.
        ids: where ids and secrets come from.
        jitter: where chance comes from; the machine's by default.
        providers: adapters by `verbindungsTyp`, beside or instead of the built-in ones.

    Attributes:
        system: the actors.
        directory: who belongs where.
        prices: what the settings say that models cost.
        hub: the events.
        data: the data folder.
    """

    system: ActorSystem
    hub: EventHub

    def __init__(
        self,
        data: str | Path | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        jitter: Jitter | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        self.settings = settings or Settings.load()
        self.directory = Directory()
        self.prices = StatedPrices()
        self.draining = False
        self.clock: Clock
        self.ids: IdSource = ids or SystemIds()
        self.jitter: Jitter = jitter or SystemJitter()
        self.passwords: Passwords
        self.tokens: Tokens
        self.box: SecretBox
        self.signing_key: bytes
        self.throttle = SignInThrottle()
        self.webhook_throttle = SignInThrottle()
        self._wanted_clock = clock
        self._own_providers = providers or {}
        self._temporary = TemporaryDirectory(prefix="opencognit-") if data is None else None
        self.data = Path(self._temporary.name if self._temporary else str(data)).absolute()
        self._stack = AsyncExitStack()

    # Life

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Drain: end the heartbeats, give their locks back, commit what waits, close everything."""
        self.draining = True
        await self._stack.aclose()

    async def _start(self) -> None:
        log_through_logging()
        if self._temporary is not None:
            self._stack.callback(self._temporary.cleanup)
        self._stack.enter_context(claimed(self.data))
        self.clock = self._wanted_clock or SystemClock()
        self._open_keys()
        store = await Store.open(
            self.data / "opencognit.db",
            publish=self._publish,
            allow_old_sqlite=self.settings.store.allow_old_sqlite,
        )
        self._stack.push_async_callback(store.close)
        self.store = store
        self.hub = EventHub.spawn(await store.queries.newest_event())
        self._stack.callback(self.hub.leave)
        built_in, self._outside = built_in_adapters(
            self.settings.agents,
            self.data,
            key_for=self.key_for,
            prices=PriceList(stated=self.prices),
            all_adapters=lambda: self.providers,
        )
        self.providers = {**built_in, **self._own_providers}
        self._stack.push_async_callback(self._close_providers)
        webhooks = self.settings.webhooks
        self._post = EventPost(
            allowed_addresses=frozenset(webhooks.allowed_addresses), time_limit=webhooks.time_limit_seconds
        )
        self._stack.push_async_callback(self._post.close)
        await self._load_directory()
        await self._load_prices()
        self.system = self._make_system()
        self._stack.push_async_callback(self.system.close)
        self.accounts = Accounts.spawn(self.system)
        await recover(self.system, self.store.queries)
        self._stack.push_async_callback(self._end_heartbeats)
        _ = self.system.keep(keep_house(self.system, self.store, self.settings))

    def _open_keys(self) -> None:
        keys = self.data / "keys"
        self.signing_key = load_or_create_key(keys / "tokens.key")
        self.tokens = Tokens(self.signing_key)
        self.box = SecretBox(*load_or_create_keys(keys / "secrets.key"))
        self._secrets = AgentSecretKeeper(self.box)
        self.passwords = Passwords(self.settings.accounts.bcrypt_rounds)
        self._stack.callback(self.passwords.close)

    def _make_system(self) -> ActorSystem:
        surroundings = Surroundings(
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            directory=self.directory,
            providers=self.providers,
            secrets=self._secrets,
            outside=self._outside,
            post=self._post,
            limits=self.settings.limits(agents_folder=self.data / "agents"),
            prices=self.prices,
            show=self._show,
            jitter=self.jitter,
        )
        return ActorSystem(surroundings, ACTORS)

    async def _load_directory(self) -> None:
        queries = self.store.queries
        self.directory.load(
            users=[decode(body, User) for body in await queries.users()],
            sessions=await queries.sessions(self.clock.now()),
            memberships=await queries.memberships(),
        )

    async def _load_prices(self) -> None:
        for settings in await self.store.queries.all_settings():
            values = settings.values
            self.prices.set(settings.company_id, models=values.get(MODEL_PRICES), fallback=values.get(FALLBACK_PRICE))

    async def _end_heartbeats(self) -> None:
        """End what is under way; what may not be done twice has half of the grace to end by itself."""
        heartbeats = self.system.runs.all()
        if not heartbeats:
            return
        for heartbeat in heartbeats:
            if heartbeat.is_uncertain():
                heartbeat.stop()
            else:
                heartbeat.cancel()
        ends = [asyncio.ensure_future(heartbeat.ended()) for heartbeat in heartbeats]
        grace = self.settings.server.grace_seconds / 2
        await asyncio.wait(ends, timeout=grace)
        for heartbeat in heartbeats:
            heartbeat.cancel()
        await asyncio.wait(ends, timeout=grace)

    async def _close_providers(self) -> None:
        for provider in self.providers.values():
            await provider.close()

    def _publish(self, events: Sequence[Published]) -> None:
        self.hub.actor_inbox.put(Envelope(Publish(events)))
        if self.system.draining:
            return  # it goes on from there after the next start
        for subscription_id in self.system.subscribers.wanting(events):
            self.system.tell(SUBSCRIPTION, subscription_id, DeliverNext(), internal=True)

    def _show(self, output: RunOutput) -> None:
        self.hub.actor_inbox.put(Envelope(Show(output, self.clock.now())))

    # Asking

    @property
    def queries(self) -> Queries:
        """Every question that can be asked of the store."""
        return self.store.queries

    async def ask(self, kind: Any, entity_id: str, message: Message[R], *, origin: Origin = INSIDE) -> R:
        """Send any message to any actor; see `ActorSystem.ask`."""
        return await self.system.ask(kind, entity_id, message, origin=origin)

    async def ask_accounts(self, message: Message[R], *, origin: Origin = INSIDE) -> R:
        """Send a message to the accounts."""
        reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.accounts.actor_inbox.put(Envelope(message, reply, origin=origin))
        return await reply

    async def create_company(self, **fields: Any) -> Company:
        """Found a company; the fields are those of `CreateCompany`. Admins see it, and whoever is made a member.

        Raises:
            ValidationFailed: a field is wrong or unknown.
        """
        return await self.system.create(COMPANY, made(CreateCompany, fields))

    async def create_agent(self, company_id: str, **fields: Any) -> Agent:
        """Hire an agent; the fields are those of `CreateAgent`."""
        await self._existing_company(company_id)
        message = made(CreateAgent, fields)
        return await self.system.create(AGENT, message, origin=Origin(company_id=company_id))

    async def create_task(self, company_id: str, **fields: Any) -> Task:
        """Give the company a task; the fields are those of `CreateTask`."""
        await self._existing_company(company_id)
        message = made(CreateTask, fields)
        return await self.system.create(TASK_LOCK, message, origin=Origin(company_id=company_id))

    async def company(self, company_id: str) -> Company | None:
        """The company's committed state."""
        return await self.system.state(COMPANY, company_id)

    async def agent(self, agent_id: str) -> Agent | None:
        """The agent's committed state."""
        return await self.system.state(AGENT, agent_id)

    async def task(self, task_id: str) -> Task | None:
        """The task's committed state."""
        return await self.system.state(TASK_LOCK, task_id)

    async def wake(self, agent_id: str) -> Agent:
        """A heartbeat of this agent now."""
        return await self.system.ask(AGENT, agent_id, Wake())

    async def finished(self, task_id: str, *, within: float | None = None) -> Task:
        """Wait until a task is done or cancelled.

        Args:
            task_id: which.
            within: seconds to wait at most.

        Raises:
            DeadlineExceeded: it took longer.
            NotFound: it does not exist, or was deleted.
        """
        changes = self.system.watch(kind=TASK_LOCK.name, entity_id=task_id)
        coming = asyncio.ensure_future(anext(changes))
        try:
            async with asyncio.timeout(within):
                await asyncio.sleep(0)
                task = await self.task(task_id)
                while task is not None and task.status not in FINISHED:
                    task = (await coming).state  # type: ignore[assignment]
                    coming = asyncio.ensure_future(anext(changes))
        except TimeoutError as error:
            raise DeadlineExceeded("The task is not finished yet") from error
        finally:
            coming.cancel()
            # A generator cannot be closed while someone waits in it.
            await asyncio.gather(coming, return_exceptions=True)
            await changes.aclose()
        if task is None:
            raise NotFound("Task not found")
        return task

    async def events(self, *, company_id: str | None = None, since: int | None = None) -> AsyncGenerator[Published]:
        """Committed events in order, from now on or after the number `since`.

        Raises:
            EventsGone: some of those after `since` are no longer kept.
            MailboxFull: the iteration fell too far behind.
        """
        listener = Listener(lambda _company_id: True)
        listener.companies = frozenset({company_id}) if company_id else None
        last = self.hub.subscribe(listener)
        try:
            async for event in self.replay(listener, since=last if since is None else since, until=last):
                yield event
            while not listener.overflowed:
                for followed, _ in await listener.take():
                    if isinstance(followed, Published):
                        yield followed
            raise MailboxFull("This follower is too slow")
        finally:
            self.hub.unsubscribe(listener)

    async def replay(self, listener: Listener, *, since: int, until: int) -> AsyncGenerator[Published]:
        """What a listener has missed: the events after `since` up to `until`, as far as it wants them.

        Raises:
            EventsGone: some of them are no longer kept.
        """
        while since < until:
            batch = await self.queries.events_after(since, until, 500)
            # Asked afterwards, as what is old may have gone just before the batch was read.
            if any(map(listener.follows, await self.queries.companies_missing_events(since))):
                raise EventsGone
            for event in batch:
                if listener.wants(event):
                    yield event
            if not batch:
                return
            since = batch[-1].seq

    async def key_for(self, company_id: str, name: str) -> str | None:
        """A key for calls of a company: its own, else the server's, else the environment variable of that name.

        Read anew each time, so that a changed key is used by the next call.

        Args:
            company_id: who calls.
            name: the setting's name, such as `anthropic_api_key`; the variable is called the same in capitals.

        Raises:
            SecretUnreadable: it was sealed with another key of this server.
        """
        sealed = await self.queries.secrets_for(company_id, name)
        for settings_id in (company_id, SERVER):
            if settings_id in sealed:
                return str(self._secrets.join({name: name}, sealed[settings_id])[name])
        return os.environ.get(name.upper())

    async def webhook(self, public_id: str) -> Webhook | None:
        """The webhook of this public id, its secret in the clear.

        Raises:
            SecretUnreadable: it was sealed with another key of this server.
        """
        webhook = await self.queries.webhook(public_id)
        if webhook is None:
            return None
        # As its routine has sealed it.
        opened = self._secrets.join({"secret": "-"}, webhook.secret)["secret"]
        return msgspec.structs.replace(webhook, secret=opened)

    async def status(self) -> ServerStatus:
        """The figures of `GET /api/system/status`."""
        today = (
            datetime.fromisoformat(self.clock.now()).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        )
        counts = await self.queries.counts(instant(today))
        return ServerStatus(
            active_agents=counts.active_agents, open_tasks=counts.open_tasks, heartbeats_today=counts.runs
        )

    async def _existing_company(self, company_id: str) -> None:
        if await self.company(company_id) is None:
            raise NotFound("Company not found")
