"""One run in a script's hand: what it is, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel

from flowrunner.client.errors import RunFailedError
from flowrunner.wire.runs import ENDED, LaunchBody, Run

if TYPE_CHECKING:
    from flowrunner.client.calls import Format
    from flowrunner.client.http import AsyncClient, Client
    from flowrunner.wire.approvals import DecisionReply
    from flowrunner.wire.control import RetryReply
    from flowrunner.wire.events import Event
    from flowrunner.wire.runs import CancelReply

M = TypeVar("M", bound=BaseModel)

# One request waits this long on the server; the next goes on waiting.
_WAIT_SECONDS = 50.0


def input_of(body: LaunchBody | None, given: dict[str, Any]) -> LaunchBody:
    """Join what a caller gave by name with what it wrote as a body; names win."""
    body = body or LaunchBody()
    if not given:
        return body
    told = body.model_dump(exclude_unset=True)
    return LaunchBody.model_validate({**told, "input": {**body.input, **given}})


class _Seen:
    """The run as it was last seen; `refresh` looks again."""

    def __init__(self, seen: Run) -> None:
        self.seen = seen

    @property
    def id(self) -> str:
        return str(self.seen.id)

    @property
    def status(self) -> str:
        return self.seen.status

    @property
    def outcome(self) -> str | None:
        """What the flow found, apart from whether it ran."""
        return self.seen.outcome

    @property
    def is_ended(self) -> bool:
        return self.seen.status in ENDED

    def _read(self, text: str, kind: type[M]) -> M:
        if self.seen.status != "completed":
            raise RunFailedError(self.seen)
        return kind.model_validate(json.loads(text)["data"])


class RunHandle(_Seen):
    """A launched run; what it was last seen as is in `seen`."""

    def __init__(self, client: Client, seen: Run) -> None:
        super().__init__(seen)
        self._client = client

    def refresh(self) -> Self:
        self.seen = self._client.get_run(self.id)
        return self

    def wait(self) -> Self:
        """Return when the run has ended, however it did."""
        while not self.is_ended:
            self.seen = self._client.get_run(self.id, wait=_WAIT_SECONDS)
        return self

    def events(self, after: int = 0) -> Generator[Event]:
        return self._client.events(self.id, after)

    def report(self, format: Format = "md") -> str:  # noqa: A002  # the parameter's name
        return self._client.report(self.id, format)

    def result(self, kind: type[M]) -> M:
        """Wait for the end and read the report's data. Raises RunFailedError."""
        self.wait()
        return self._read(self.report("json") if self.status == "completed" else "", kind)

    def approve(self, step: str | None = None, **given: Any) -> DecisionReply:
        return self._client.approve(self.id, step, **given)

    def reject(self, step: str | None = None, **given: Any) -> DecisionReply:
        return self._client.reject(self.id, step, **given)

    def cancel(self, reason: str = "") -> CancelReply:
        return self._client.cancel_run(self.id, reason)

    def retry(self, *, from_step: str | None = None, reason: str = "") -> RetryReply:
        return self._client.retry_run(self.id, from_step=from_step, reason=reason)


class AsyncRunHandle(_Seen):
    """As `RunHandle`, to be awaited."""

    def __init__(self, client: AsyncClient, seen: Run) -> None:
        super().__init__(seen)
        self._client = client

    async def refresh(self) -> Self:
        self.seen = await self._client.get_run(self.id)
        return self

    async def wait(self) -> Self:
        """Return when the run has ended, however it did."""
        while not self.is_ended:
            self.seen = await self._client.get_run(self.id, wait=_WAIT_SECONDS)
        return self

    def events(self, after: int = 0) -> AsyncGenerator[Event]:
        return self._client.events(self.id, after)

    async def report(self, format: Format = "md") -> str:  # noqa: A002  # the parameter's name
        return await self._client.report(self.id, format)

    async def result(self, kind: type[M]) -> M:
        """Wait for the end and read the report's data. Raises RunFailedError."""
        await self.wait()
        return self._read(await self.report("json") if self.status == "completed" else "", kind)

    async def approve(self, step: str | None = None, **given: Any) -> DecisionReply:
        return await self._client.approve(self.id, step, **given)

    async def reject(self, step: str | None = None, **given: Any) -> DecisionReply:
        return await self._client.reject(self.id, step, **given)

    async def cancel(self, reason: str = "") -> CancelReply:
        return await self._client.cancel_run(self.id, reason)

    async def retry(self, *, from_step: str | None = None, reason: str = "") -> RetryReply:
        return await self._client.retry_run(self.id, from_step=from_step, reason=reason)
