"""A client that hangs up in the middle of its request has asked for nothing."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from flowrunner.api.intake import Intake

SCOPE: Scope = {
    "type": "http",
    "method": "POST",
    "path": "/api/v1/flows/demo/runs",
    "headers": [(b"content-length", b"20")],
    "query_string": b"",
}
GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize("came", [[], [b'{"input": {}']], ids=["nothing", "half"])
def test_half_a_body_is_no_request(came: list[bytes]) -> None:
    """D2-06, D2-29: an empty body would launch a run without its input, and take the key for it."""
    parts: list[Message] = [{"type": "http.request", "body": b, "more_body": True} for b in came]
    messages = iter([*parts, GONE])
    served: list[Scope] = []
    answers: list[Message] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        served.append(scope)

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        answers.append(message)

    asyncio.run(Intake(app)(SCOPE, receive, send))

    assert (served, answers) == ([], [])
