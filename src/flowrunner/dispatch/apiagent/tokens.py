"""Tokens for an MCP server, got and renewed without a person (R3-24)."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx2

from flowrunner.dispatch.apiagent.failing import SHORTEST_SECRET, OutOfReachError, PersonNeededError
from flowrunner.dispatch.apiagent.options import OAuth
from flowrunner.dispatch.apiagent.settings import revealed

SKEW_SECONDS = 30.0
"""A token that ends sooner is renewed before it is used: clocks differ, and requests take time."""
_WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")
_ROTATED = (
    "MCP server {!r}: its login replaces the refresh token with each use, and the next task has"
    " only the one that is configured; use client credentials\n"
)
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Bearer(httpx2.Auth):
    """Puts a token on each request to the MCP server called *name*.

    It is renewed before it ends, and once more when the server rejects it. *failure* is why there
    is none: the library between us and our caller may wrap what is raised here.
    """

    def __init__(
        self, name: str, url: str, oauth: OAuth, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failure: Exception | None = None
        self._name = name
        self._oauth = oauth
        self._resource = url if oauth.resource is None else oauth.resource
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token_url = oauth.token_url
        self._refresh_token = oauth.refresh_token and revealed(oauth.refresh_token)
        self._secret = oauth.client_secret and revealed(oauth.client_secret)
        self._token: str | None = None
        self._ends_at = float("inf")

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        rejected: str | None = None
        for _ in range(2):
            async with self._lock:
                renewal = self._renewal(rejected)
                asked = next(renewal, None)
                while asked is not None:
                    told = yield asked
                    await told.aread()
                    asked = _next(renewal, told)
                token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                return
            rejected = token
        self._fail(PersonNeededError(f"the MCP server {self._name!r} rejects a token just issued"))

    def _renewal(self, rejected: str | None) -> Generator[httpx2.Request, httpx2.Response]:
        """What has to be asked for a token that is good: nothing, if the one we have may be."""
        if not self._is_stale(rejected):
            return
        for address in self._metadata_urls():
            if self._token_url is None:
                self._find(address, (yield httpx2.Request("GET", address)))
        self._take((yield self._grant()))

    def _is_stale(self, rejected: str | None) -> bool:
        is_over = self._ends_at - SKEW_SECONDS <= self._clock()
        return self._token is None or self._token == rejected or is_over

    def _metadata_urls(self) -> list[str]:
        """Where an issuer says what it offers, as RFC 8414 and OpenID have it; tried in order."""
        if self._token_url is not None or self._oauth.issuer is None:
            return []
        issuer = urlsplit(self._oauth.issuer)
        origin, path = f"{issuer.scheme}://{issuer.netloc}", issuer.path.rstrip("/")
        first, second = (f"/.well-known/{name}" for name in _WELL_KNOWN)
        return [f"{origin}{first}{path}", f"{origin}{path}{second}"]

    def _find(self, address: str, response: httpx2.Response) -> None:
        told = _object(response)
        if not response.is_success:
            return
        if str(told.get("issuer", "")).rstrip("/") != (self._oauth.issuer or "").rstrip("/"):
            self._fail(PersonNeededError(f"{address} speaks for another issuer than is configured"))
        self._token_url = str(told.get("token_endpoint") or "") or None

    def _grant(self) -> httpx2.Request:
        if self._token_url is None:
            told = f"the issuer of {self._name!r} does not say where its tokens are"
            self._fail(OutOfReachError(told))
        form, headers = {"grant_type": "client_credentials"}, {"Accept": "application/json"}
        if self._refresh_token is not None:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        if self._resource:
            form["resource"] = self._resource
        if self._oauth.scopes:
            form["scope"] = " ".join(self._oauth.scopes)
        if self._secret is not None and self._oauth.authentication == "basic":
            pair = f"{quote(self._oauth.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            secret = {} if self._secret is None else {"client_secret": self._secret}
            form |= {"client_id": self._oauth.client_id, **secret}
        return httpx2.Request("POST", self._token_url or "", data=form, headers=headers)

    def _take(self, response: httpx2.Response) -> None:
        told = _object(response)
        token, status = told.get("access_token"), response.status_code
        if not response.is_success or not isinstance(token, str) or not token:
            words = told.get("error_description") or told.get("error") or f"status {status}"
            message = f"no token for the MCP server {self._name!r}: {self._clean(str(words))}"
            is_passing = status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
            self._fail(OutOfReachError(message) if is_passing else PersonNeededError(message))
        lasts = told.get("expires_in")
        now = self._clock()
        self._token = cast("str", token)
        self._ends_at = now + float(lasts) if isinstance(lasts, int | float) else float("inf")
        renewed = told.get("refresh_token")
        if isinstance(renewed, str) and renewed and renewed != self._refresh_token:
            if self._refresh_token is not None:
                sys.stderr.write(_ROTATED.format(self._name))
            self._refresh_token = renewed

    def _clean(self, words: str) -> str:
        """Return what an issuer said, without the secrets that it may repeat."""
        for secret in (self._secret, self._refresh_token):
            if secret is not None and len(secret) >= SHORTEST_SECRET:
                words = words.replace(secret, "[secret]")
        return words

    def _fail(self, failure: Exception) -> None:
        self.failure = failure
        raise failure


def _next(
    renewal: Generator[httpx2.Request, httpx2.Response], told: httpx2.Response
) -> httpx2.Request | None:
    try:
        return renewal.send(told)
    except StopIteration:
        return None


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        found: object = response.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
