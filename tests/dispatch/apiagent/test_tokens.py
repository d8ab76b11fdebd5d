"""Tokens over time: when they are renewed, where credentials go, and who waits for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from dispatch.apiagent.mcp_server import Issuer, a_grant, an_issuer, no_grant
from flowrunner.dispatch.apiagent.failing import OutOfReachError, PersonNeededError
from flowrunner.dispatch.apiagent.options import OAuth
from flowrunner.dispatch.apiagent.tokens import SKEW_SECONDS, Bearer

pytestmark = pytest.mark.anyio

FIRST, SECOND = "refresh-1", "refresh-2"


class Clock:
    """Time that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_bearer(at: Issuer, clock: Clock | None = None, **given: Any) -> Bearer:
    place = {} if "issuer" in given else {"token_url": f"{at.address}/token"}
    told = {"client_id": "flow", "client_secret": "s", **place, **given}
    return Bearer("docs", "http://docs/mcp", OAuth.model_validate(told), clock or Clock())


async def used(bearer: Bearer, issuer: Issuer, times: int = 1) -> list[str]:
    """Use it at once so often; any address will do. Return the tokens that were sent."""
    address = f"{issuer.address}/.well-known/openid-configuration"
    async with httpx2.AsyncClient(auth=bearer, trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(address) for _ in range(times)))
    return [answer.request.headers["authorization"] for answer in answers]


async def test_it_is_renewed_before_it_ends() -> None:
    """R3-24: thirty seconds before, and not sooner."""
    clock = Clock()
    with an_issuer(a_grant("one", expires_in=100), a_grant("two")) as issuer:
        bearer = a_bearer(issuer, clock)
        assert await used(bearer, issuer) == ["Bearer one"]
        clock.now += 100 - SKEW_SECONDS - 1
        assert await used(bearer, issuer) == ["Bearer one"]
        clock.now += 1
        assert await used(bearer, issuer) == ["Bearer two"]

    assert len(issuer.asked) == 2


async def test_one_renewal_for_all() -> None:
    """R3-24: who comes meanwhile waits for it."""
    with an_issuer(a_grant("one"), a_grant("two")) as issuer:
        tokens = await used(a_bearer(issuer), issuer, times=5)

    assert (tokens, len(issuer.asked)) == (["Bearer one"] * 5, 1)


async def test_a_refresh_token_that_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """R3-24, P11: the new one is used, and it is said that it will not last."""
    first = a_grant("one", expires_in=1, refresh_token=SECOND)
    with an_issuer(first, a_grant("two")) as issuer:
        bearer = a_bearer(issuer, refresh_token=FIRST, authentication="post")
        await used(bearer, issuer)
        await used(bearer, issuer)

    assert [asked["refresh_token"] for asked in issuer.asked] == [FIRST, SECOND]
    assert [asked["client_secret"] for asked in issuer.asked] == ["s", "s"]
    assert "replaces the refresh token" in capsys.readouterr().err


async def test_an_issuer_that_is_another() -> None:
    """R3-24: credentials do not go where somebody else says."""
    with an_issuer(a_grant("one")) as issuer:
        bearer = a_bearer(issuer, issuer=issuer.address)
        issuer.name = "https://elsewhere"
        with pytest.raises(PersonNeededError, match="another issuer"):
            await used(bearer, issuer)

    assert issuer.asked == []
    assert isinstance(bearer.failure, PersonNeededError)


async def test_an_issuer_that_says_nothing() -> None:
    """F30: it may later."""
    with an_issuer(a_grant("one")) as issuer:
        bearer = a_bearer(issuer, issuer=f"{issuer.address}/deeper")
        with pytest.raises(OutOfReachError, match="does not say where"):
            await used(bearer, issuer)


@pytest.mark.parametrize("resource", [None, "", "urn:docs"], ids=["address", "unsaid", "said"])
async def test_what_a_token_is_for(resource: str | None) -> None:
    """R3-24: for this server, so that no other can use it."""
    with an_issuer(a_grant("one")) as issuer:
        await used(a_bearer(issuer, resource=resource), issuer)

    expected = {None: "http://docs/mcp", "": None, "urn:docs": "urn:docs"}[resource]
    assert issuer.asked[0].get("resource") == expected


async def test_secrets_that_are_repeated() -> None:
    """P8: an issuer's words are shown to people, and what it was told is not among them."""
    with an_issuer(no_grant(400, f"unknown: {FIRST} of {SECOND}")) as issuer:
        bearer = a_bearer(issuer, refresh_token=FIRST, client_secret=SECOND)
        with pytest.raises(PersonNeededError, match=r"unknown: \[secret\] of \[secret\]"):
            await used(bearer, issuer)
