"""What scripts use: the operations, and the few things that take more than one of them."""

from __future__ import annotations

from typing import Any, Self

from flowrunner.client import decisions
from flowrunner.client.handles import AsyncRunHandle, RunHandle, input_of
from flowrunner.client.operations import Operations
from flowrunner.client.operations_async import AsyncOperations
from flowrunner.client.transport import Address
from flowrunner.wire.approvals import DecisionReply, Rejection
from flowrunner.wire.runs import LaunchBody

SERVER = "http://127.0.0.1:8700"


class Client(Operations):
    """Talks to one server. Every call may raise UnreachableError or a RefusedError.

    *patience_seconds*: how long a call is tried again while the server is away. All of them may
    be repeated: a launch carries an Idempotency-Key. *actor* is who acts, for the record.
    """

    def __init__(
        self,
        server: str = SERVER,
        *,
        token: str | None = None,
        actor: str | None = None,
        patience_seconds: float = 10.0,
        name: str = "client",
    ) -> None:
        super().__init__(Address(server, token, actor, name), patience_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def run(
        self, flow: str, body: LaunchBody | None = None, /, *, wait: bool = False, **given: Any
    ) -> RunHandle:
        """Launch *flow* with the input *given* by name; with *wait*, return when it has ended."""
        reply = self.launch(flow, input_of(body, given))
        handle = RunHandle(self, self.get_run(str(reply.id)))
        return handle.wait() if wait else handle

    def approve(
        self,
        run: str,
        step: str | None = None,
        *,
        comment: str = "",
        values: dict[str, Any] | None = None,
    ) -> DecisionReply:
        """Approve what *run* asks; *step* says which, if it asks more than one thing."""
        found = decisions.pick(self.list_approvals(run=run, status=(), limit=200).items, run, step)
        return self.decide_approval(found.id, decisions.approval_of(found, comment, values))

    def reject(
        self, run: str, step: str | None = None, *, comment: str = "", then: Rejection | None = None
    ) -> DecisionReply:
        """Reject what *run* asks; *then* says what that means, if not what the flow says."""
        found = decisions.pick(self.list_approvals(run=run, status=(), limit=200).items, run, step)
        return self.decide_approval(found.id, decisions.rejection_of(found, comment, then))


class AsyncClient(AsyncOperations):
    """As `Client`, to be awaited."""

    def __init__(
        self,
        server: str = SERVER,
        *,
        token: str | None = None,
        actor: str | None = None,
        patience_seconds: float = 10.0,
        name: str = "client",
    ) -> None:
        super().__init__(Address(server, token, actor, name), patience_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    async def run(
        self, flow: str, body: LaunchBody | None = None, /, *, wait: bool = False, **given: Any
    ) -> AsyncRunHandle:
        """As `Client.run`."""
        reply = await self.launch(flow, input_of(body, given))
        handle = AsyncRunHandle(self, await self.get_run(str(reply.id)))
        return await handle.wait() if wait else handle

    async def approve(
        self,
        run: str,
        step: str | None = None,
        *,
        comment: str = "",
        values: dict[str, Any] | None = None,
    ) -> DecisionReply:
        """As `Client.approve`."""
        page = await self.list_approvals(run=run, status=(), limit=200)
        found = decisions.pick(page.items, run, step)
        return await self.decide_approval(found.id, decisions.approval_of(found, comment, values))

    async def reject(
        self, run: str, step: str | None = None, *, comment: str = "", then: Rejection | None = None
    ) -> DecisionReply:
        """As `Client.reject`."""
        page = await self.list_approvals(run=run, status=(), limit=200)
        found = decisions.pick(page.items, run, step)
        return await self.decide_approval(found.id, decisions.rejection_of(found, comment, then))
