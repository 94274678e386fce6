"""Webhooks that fire routines: without a token, signed as the Standard Webhooks specification says."""

from typing import Any

from msgspec.structs import replace

from opencognit.domain.caller import SYSTEM
from opencognit.domain.errors import InvalidStatus, NotAuthenticated, PayloadTooLarge, RateLimited
from opencognit.domain.kinds import ROUTINE
from opencognit.domain.message import Success
from opencognit.domain.routine import LARGEST_PAYLOAD
from opencognit.domain.webhook import ReceiveWebhook
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Request
from opencognit.http.route import Proof, Routes, Subject
from opencognit.security.webhooks import MESSAGE_ID, is_signed

routes = Routes()


@routes.add(
    "POST",
    f"/api/webhooks/{PATHS['routines']}/{{publicId}}",
    subject=Subject.PUBLIC,
    proof=Proof.SIGNATURE,
    errors=(RateLimited, InvalidStatus),
    example={"customer": "Acme"},
)
async def receive(request: Request[dict[str, Any]]) -> Success:
    """Fire the routine; a message whose id has had its effect is answered the same and has no further one.

    Raises:
        NotAuthenticated: there is no such webhook, or the signature is wrong or too old: which of them is not told.
        RateLimited: likewise, after too many tries. Whoever signs well is never slowed down.
        PayloadTooLarge: the body is larger than a payload may be.
    """
    runtime, headers = request.runtime, request.raw.headers
    body = await request.raw.read()
    if len(body) > LARGEST_PAYLOAD:
        raise PayloadTooLarge(f"The body of a webhook has at most {LARGEST_PAYLOAD} bytes")
    public_id, now = request.raw.match_info["publicId"], runtime.clock.now()
    webhook = await runtime.webhook(public_id)
    # An unknown one is checked too, so that the time does not tell.
    is_good = is_signed(webhook.secret if webhook is not None else "", headers, body, now=now)
    if webhook is None or not is_good:
        # A try that is checked and not settled counts as failed.
        runtime.webhook_throttle.check(public_id, request.raw.remote or "", now=now)
        raise NotAuthenticated("There is no such webhook, or its signature is wrong or too old")
    message = ReceiveWebhook(
        trigger_id=webhook.trigger_id,
        message_id=headers[MESSAGE_ID],
        payload=await request.body(),
    )
    origin = replace(request.origin, caller=SYSTEM, company_id=webhook.company_id)
    return await runtime.ask(ROUTINE, webhook.routine_id, message, origin=origin)
