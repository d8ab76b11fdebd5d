"""One server's HTTP: what may be repeated is, while there is patience left."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flowrunner.client.errors import ClientError, UnreachableError, refusal

if TYPE_CHECKING:
    import httpx2

_AWAY = frozenset({502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_DELAY = 5.0
_NO_CONTENT = 204
_FIRST_ERROR = 400
# Three of the server's pings: a stream that is silent for longer is dead.
_STREAM_SECONDS = 45.0


class Transport:
    """Every request may raise UnreachableError or a RefusedError."""

    def __init__(self, server: str, token: str | None, name: str, patience: float) -> None:
        # Late: it is slow to import, and a command that is refused early does not need it.
        import httpx2  # noqa: PLC0415

        address = urlsplit(server)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ClientError(f"'{server}' is no server: give http://host:port")
        self.server = server.rstrip("/")
        self.patience = patience
        headers = {"User-Agent": f"flowrunner-{name}/1"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._lost = (httpx2.TransportError, OSError)
        self._http = httpx2.Client(
            base_url=self.server,
            headers=headers,
            timeout=30.0,
            # A proxy for the internet must not see what is meant for this machine.
            trust_env=address.hostname not in _LOOPBACK,
        )

    def close(self) -> None:
        self._http.close()

    def send(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Send until it is answered or patience ends; for requests that may be repeated."""
        end = time.monotonic() + self.patience
        failures = 0
        while True:
            response, reason = self._try(method, path, given)
            if response is not None and response.status_code not in _AWAY:
                return _checked(response)
            delay = _delay(response, failures)
            if time.monotonic() + delay > end:
                if response is not None:
                    return _checked(response)
                raise UnreachableError(self.server, reason)
            failures += 1
            time.sleep(delay)

    @contextmanager
    def stream(self, path: str, after: int) -> Generator[Iterator[str] | None]:
        """Open an event stream once; None when nothing will ever follow *after*."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        try:
            with self._http.stream("GET", path, headers=headers, timeout=_STREAM_SECONDS) as answer:
                if answer.status_code >= _FIRST_ERROR:
                    answer.read()
                if answer.status_code in _AWAY:
                    raise UnreachableError(self.server, f"HTTP {answer.status_code}")
                _checked(answer)
                yield None if answer.status_code == _NO_CONTENT else answer.iter_text()
        except self._lost as error:
            raise UnreachableError(self.server, _told(error)) from error

    def _try(
        self, method: str, path: str, given: Mapping[str, Any]
    ) -> tuple[httpx2.Response | None, str]:
        try:
            return self._http.request(method, path, **given), ""
        except self._lost as error:
            return None, _told(error)


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.status_code >= _FIRST_ERROR:
        kind = response.headers.get("content-type", "")
        raise refusal(response.status_code, kind, response.content)
    return response


def _delay(response: httpx2.Response | None, failures: int) -> float:
    """Wait as long as the server says, else longer each time, and never all at once."""
    asked = response.headers.get("retry-after", "") if response is not None else ""
    if asked.isdecimal():
        return min(float(asked), _MOST_DELAY)
    return min(0.1 * 2 ** min(failures, 10), _MOST_DELAY) * random.uniform(0.5, 1.0)  # noqa: S311


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
