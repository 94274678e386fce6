"""Subscriptions: the company's events, posted to other programs, signed as the Standard Webhooks specification says."""

from opencognit.domain.caller import Right
from opencognit.domain.delivery import Delivery
from opencognit.domain.errors import InvalidStatus
from opencognit.domain.kinds import SUBSCRIPTION
from opencognit.domain.message import Success
from opencognit.domain.query import Backwards
from opencognit.domain.subscription import (
    CreateSubscription,
    DeleteSubscription,
    NewSubscription,
    Redeliver,
    RotateSecret,
    Subscription,
    SubscriptionChoice,
    SubscriptionQuery,
    TrySubscription,
    UpdateSubscription,
)
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Listing, Request
from opencognit.http.route import Routes, Subject

routes = Routes()

OF_COMPANY = f"/api/{PATHS['companies']}/{{id}}/{PATHS['subscriptions']}"
ONE = f"/api/{PATHS['subscriptions']}/{{id}}"
DELIVERIES = f"{ONE}/{PATHS['deliveries']}"


@routes.add("GET", OF_COMPANY, subject=Subject.COMPANY, right=Right.OWN)
async def listing(request: Request[None, SubscriptionQuery]) -> Listing[Subscription]:
    """The company's subscriptions; `?status=` narrows (a comma list)."""
    limit, offset = request.paging()
    page = await request.runtime.queries.subscriptions(request.id, request.query.status, limit, offset)
    return Listing(page, limit, offset)


@routes.add(
    "POST",
    OF_COMPANY,
    subject=Subject.COMPANY,
    right=Right.OWN,
    status=201,
    secret=True,
    errors=(InvalidStatus,),
    example={"url": "https://hooks.example/opencognit", "event_types": ["task_completed", "approval_needed"]},
)
async def create(request: Request[CreateSubscription]) -> NewSubscription:
    """Have the company's events, from now on, posted to an address; its secret is shown this once."""
    return await request.create(SUBSCRIPTION, await request.body())


@routes.add("GET", ONE, subject=Subject.SUBSCRIPTION, right=Right.OWN)
async def details(request: Request) -> Subscription:
    """One subscription."""
    subscription: Subscription = request.subject
    return subscription


@routes.add("PATCH", ONE, subject=Subject.SUBSCRIPTION, right=Right.OWN, example={"status": SubscriptionChoice.PAUSED})
async def update(request: Request[UpdateSubscription]) -> Subscription:
    """Change the fields present; `active` sends at once what waits, and goes on where it has stopped."""
    return await request.ask(SUBSCRIPTION, await request.body())


@routes.add("DELETE", ONE, subject=Subject.SUBSCRIPTION, right=Right.OWN)
async def delete(request: Request) -> Success:
    """Erase the subscription with its log."""
    return await request.ask(SUBSCRIPTION, DeleteSubscription())


@routes.add("POST", f"{ONE}/{PATHS['secret']}", subject=Subject.SUBSCRIPTION, right=Right.OWN, status=201, secret=True)
async def rotate_secret(request: Request) -> NewSubscription:
    """Make a new secret, shown this once; for a day messages are signed with the old one, too."""
    return await request.ask(SUBSCRIPTION, RotateSecret())


@routes.add("POST", f"{ONE}/test", subject=Subject.SUBSCRIPTION, right=Right.OWN, status=201, errors=(InvalidStatus,))
async def test(request: Request) -> Delivery:
    """Send a `ping`, once, to see whether it arrives; the log tells."""
    return await request.ask(SUBSCRIPTION, TrySubscription())


@routes.add("GET", DELIVERIES, subject=Subject.SUBSCRIPTION, right=Right.OWN)
async def deliveries(request: Request[None, Backwards]) -> Listing[Delivery]:
    """The log: what became of each event that was sent, newest first."""
    limit, offset = request.paging()
    page = await request.runtime.queries.deliveries(request.id, limit, offset, request.query.before)
    return Listing(page, limit, offset, newest_first=True)


@routes.add(
    "POST",
    f"{DELIVERIES}/{{deliveryId}}/{PATHS['redeliver']}",
    subject=Subject.SUBSCRIPTION,
    right=Right.OWN,
    errors=(InvalidStatus,),
)
async def redeliver(request: Request) -> Delivery:
    """Send one once more, now, with the same `webhook-id`."""
    return await request.ask(SUBSCRIPTION, Redeliver(delivery_id=request.raw.match_info["deliveryId"].lower()))
