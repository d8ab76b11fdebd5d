"""One server's HTTP: what may be repeated is, while there is patience left.

`Address` and `Attempts` hold every rule; the two transports differ only in how they wait.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from flowrunner.client.calls import SECONDS, Call
from flowrunner.client.errors import ClientError, UnreachableError, refusal
from flowrunner.wire.control import ACTOR_HEADER

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

_AWAY = frozenset({502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_DELAY = 5.0
_NO_CONTENT = 204
_FIRST_ERROR = 400
# Three of the server's pings: a stream that is silent for longer is dead.
_STREAM_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and what is told it about us; *actor* says who acts."""

    server: str
    token: str | None = None
    actor: str | None = None
    name: str = "client"

    def options(self) -> dict[str, Any]:
        """What the HTTP library's clients are made with. Raises ClientError."""
        address = urlsplit(self.server)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ClientError(f"'{self.server}' is no server: give http://host:port")
        headers = {"User-Agent": f"flowrunner-{self.name}/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.actor:
            headers[ACTOR_HEADER] = self.actor
        # A proxy for the internet must not see what is meant for this machine.
        trust = address.hostname not in _LOOPBACK
        return {
            "base_url": self.server.rstrip("/"),
            "headers": headers,
            "timeout": SECONDS,
            "trust_env": trust,
        }


class _Attempts:
    """One request's tries: what to do with an answer, and how long to wait for the next."""

    def __init__(self, server: str, patience: float) -> None:
        self._server = server
        self._end = time.monotonic() + patience
        self._failures = 0

    def answered(self, response: httpx2.Response) -> float | None:
        """None when the answer stands, else how long to wait before asking again."""
        if response.status_code not in _AWAY:
            return None
        delay = self._delay(_retry_after(response))
        return delay if time.monotonic() + delay <= self._end else None

    def lost(self, error: Exception) -> float:
        """How long to wait before asking again. Raises UnreachableError when patience ends."""
        delay = self._delay(None)
        if time.monotonic() + delay > self._end:
            raise UnreachableError(self._server, _told(error)) from error
        return delay

    def _delay(self, asked: float | None) -> float:
        """Wait as long as the server says, else longer each time, and never all at once."""
        failures, self._failures = self._failures, self._failures + 1
        if asked is not None:
            return min(asked, _MOST_DELAY)
        return min(0.1 * 2 ** min(failures, 10), _MOST_DELAY) * random.uniform(0.5, 1.0)  # noqa: S311


class Transport:
    """Every request may raise UnreachableError or a RefusedError."""

    def __init__(self, address: Address, patience: float) -> None:
        # Late: it is slow to import, and a command that is refused early does not need it.
        import httpx2  # noqa: PLC0415

        self.server = address.server.rstrip("/")
        self.patience = patience
        self._lost = (httpx2.TransportError, OSError)
        self._http = httpx2.Client(**address.options())

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send until it is answered or patience ends."""
        attempts = _Attempts(self.server, self.patience)
        given = call.options()
        while True:
            try:
                response = self._http.request(call.method, call.path, **given)
                delay = attempts.answered(response)
            except self._lost as error:
                response, delay = None, attempts.lost(error)
            if response is not None and delay is None:
                return call.read(_checked(response).content)
            time.sleep(delay or 0.0)

    @contextmanager
    def stream(self, path: str, after: int | None) -> Generator[Iterator[str] | None]:
        """Open an event stream once; None when nothing will ever follow *after*."""
        options = _stream_options(after)
        try:
            with self._http.stream("GET", path, **options) as answer:
                if answer.status_code >= _FIRST_ERROR:
                    answer.read()
                yield answer.iter_text() if _is_open(answer, self.server) else None
        except self._lost as error:
            raise UnreachableError(self.server, _told(error)) from error


class AsyncTransport:
    """As `Transport`."""

    def __init__(self, address: Address, patience: float) -> None:
        import httpx2  # noqa: PLC0415  # as above

        self.server = address.server.rstrip("/")
        self.patience = patience
        self._lost = (httpx2.TransportError, OSError)
        self._http = httpx2.AsyncClient(**address.options())

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send until it is answered or patience ends."""
        attempts = _Attempts(self.server, self.patience)
        given = call.options()
        while True:
            try:
                response = await self._http.request(call.method, call.path, **given)
                delay = attempts.answered(response)
            except self._lost as error:
                response, delay = None, attempts.lost(error)
            if response is not None and delay is None:
                return call.read(_checked(response).content)
            await asyncio.sleep(delay or 0.0)

    @asynccontextmanager
    async def stream(
        self, path: str, after: int | None
    ) -> AsyncGenerator[AsyncIterator[str] | None]:
        """Open an event stream once; None when nothing will ever follow *after*."""
        options = _stream_options(after)
        try:
            async with self._http.stream("GET", path, **options) as answer:
                if answer.status_code >= _FIRST_ERROR:
                    await answer.aread()
                yield answer.aiter_text() if _is_open(answer, self.server) else None
        except self._lost as error:
            raise UnreachableError(self.server, _told(error)) from error


def _stream_options(after: int | None) -> dict[str, Any]:
    headers = {"Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    return {"headers": headers, "timeout": _STREAM_SECONDS}


def _is_open(answer: httpx2.Response, server: str) -> bool:
    if answer.status_code in _AWAY:
        raise UnreachableError(server, f"HTTP {answer.status_code}")
    return _checked(answer).status_code != _NO_CONTENT


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.status_code >= _FIRST_ERROR:
        kind = response.headers.get("content-type", "")
        raise refusal(response.status_code, kind, response.content)
    return response


def _retry_after(response: httpx2.Response) -> float | None:
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else None


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
