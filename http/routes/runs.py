"""Runs, and the call-backs that answer them."""

import hashlib
from typing import Any

from opencognit.domain.caller import Right
from opencognit.domain.errors import NotAuthenticated, NotFound
from opencognit.domain.message import Success
from opencognit.domain.run import Run
from opencognit.domain.wire_names import PATHS
from opencognit.http.decoding import decode_body
from opencognit.http.request import Request
from opencognit.http.route import Agents, Proof, Routes, Subject
from opencognit.providers.exchange import Answer

routes = Routes()

ONE = f"/api/{PATHS['runs']}/{{id}}"


@routes.add("GET", ONE, subject=Subject.RUN, right=Right.READ, agents=Agents.COMPANY)
async def details(request: Request) -> Run:
    """One run, the present one of an agent or an ended one; one that answered messages is no other agent's business."""
    run: Run = request.subject
    if run.task_id is None and request.agent_id not in (None, run.agent_id):
        raise NotFound("Run not found")
    return run


@routes.add(
    "POST",
    f"{ONE}/{PATHS['callback']}",
    subject=Subject.PUBLIC,
    proof=Proof.ONE_TIME_TOKEN,
    example={"result": "Done.", "cost_cents": 1.5},
)
async def call_back(request: Request[Answer]) -> Success:
    """Answer a run that waits for it, with the one-time token that it was sent out with.

    Raises:
        NotAuthenticated: no run waits for this token; it is no different for one that has been answered.
    """
    token = request.raw.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    waiting = request.runtime.system.runs.expected(request.id, hashlib.sha256(token.encode()).hexdigest())
    if waiting is None or waiting.done():
        raise NotAuthenticated("No run waits for an answer with this token")
    # Checked here, so that a malformed answer is refused and does not use up the token.
    await request.body()
    body = await decode_body(request.raw, dict[str, Any])
    if waiting.done():
        raise NotAuthenticated("This run has had its answer")
    waiting.set_result(body)
    return Success()
