"""Who is let in: the table of cases for Host, Origin, fetch metadata, content type and token."""

from __future__ import annotations

import pytest

from flowrunner.api.guard import (
    Asked,
    Gate,
    judge,
)

LOCAL = Gate()
NAMED = Gate.of(["flows.example.org", "other.example.org:8443", "[2001:db8::1]"], ())
GUARDED = Gate.of((), ("secret-a", "secret-b"))
JSON = ("content-type", "application/json")
IN = None
EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing is bound here


def asked(*headers: tuple[str, str], method: str = "GET", path: str = "/api/v1/runs") -> Asked:
    return Asked(method, path, headers)


def host(value: str) -> Asked:
    return asked(("host", value))


def verdict(request: Asked, gate: Gate) -> str | None:
    refusal = judge(request, gate)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("localhost", IN),
        ("localhost:8700", IN),
        ("LOCALHOST:8700", IN),
        ("127.0.0.1:8700", IN),
        ("[::1]", IN),
        ("[::1]:8700", IN),
        ("[0:0:0:0:0:0:0:1]:8700", IN),
        ("localhost.", "bad-host"),
        ("localhost:", "bad-host"),
        ("localhost:0", "bad-host"),
        ("localhost:99999", "bad-host"),
        ("localhost:8700:1", "bad-host"),
        ("localhost@evil.example", "bad-host"),
        ("evil.example", "bad-host"),
        ("evil.example:8700", "bad-host"),
        ("localhost.evil.example", "bad-host"),
        ("127.0.0.1.evil.example", "bad-host"),
        ("127.0.0.2", "bad-host"),
        (EVERYWHERE, "bad-host"),
        ("2130706433", "bad-host"),
        ("::1", "bad-host"),
        ("[::1", "bad-host"),
        ("[::1]evil", "bad-host"),
        ("[::ffff:127.0.0.1]", "bad-host"),
        ("", "bad-host"),
        ("local host", "bad-host"),
        ("http://localhost", "bad-host"),
    ],
)
def test_a_host_is_one_of_ours_or_refused(value: str, expected: str | None) -> None:
    """S1: a name that was rebound to this machine is not answered, however it is written."""
    assert verdict(host(value), LOCAL) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("flows.example.org", IN),
        ("Flows.Example.ORG:443", IN),
        ("other.example.org:8443", IN),
        ("other.example.org", "bad-host"),
        ("other.example.org:1", "bad-host"),
        ("[2001:0db8::0001]:8700", IN),
        ("evil.example.org", "bad-host"),
    ],
)
def test_further_names_are_the_operators(value: str, expected: str | None) -> None:
    """A configured name is answered; one with a port, on that port only."""
    assert verdict(host(value), NAMED) == expected


@pytest.mark.parametrize("headers", [(), (("host", "localhost"), ("host", "localhost"))])
def test_exactly_one_host_is_needed(headers: tuple[tuple[str, str], ...]) -> None:
    """Two Host headers could be read differently by a proxy and by us."""
    assert verdict(asked(*headers), LOCAL) == "bad-host"


def test_an_absolute_target_is_refused() -> None:
    """A request line that names a whole URL is a proxy's, and we are none."""
    request = asked(("host", "localhost"), path="http://localhost/api/v1/runs")

    assert verdict(request, LOCAL) == "bad-request"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8700", IN),
        ("HTTP://LOCALHOST:8700", IN),
        ("http://localhost", "bad-origin"),
        ("http://localhost:3000", "bad-origin"),
        ("http://127.0.0.1:8700", "bad-origin"),
        ("https://localhost:8700", IN),
        ("https://evil.example", "bad-origin"),
        ("http://localhost:8700.evil.example", "bad-origin"),
        ("null", "bad-origin"),
        ("", "bad-origin"),
        ("file://", "bad-origin"),
        ("chrome-extension://abc", "bad-origin"),
    ],
)
def test_an_origin_is_our_own_or_refused(origin: str, expected: str | None) -> None:
    """S1: another local site is another site: host and port must both be ours."""
    request = asked(("host", "localhost:8700"), ("origin", origin))

    assert verdict(request, LOCAL) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("origin", "https://flows.example.org"),), IN),
        ((("origin", "https://flows.example.org"), ("sec-fetch-site", "cross-site")), IN),
        ((("origin", "https://flows.example.org:444"),), "bad-origin"),
        ((("origin", "https://other.example.org:8443"),), IN),
        ((("origin", "https://other.example.org"),), "bad-origin"),
        (
            (("origin", "https://flows.example.org"), ("origin", "https://evil.example")),
            "bad-origin",
        ),
    ],
)
def test_an_origin_may_be_configured(
    headers: tuple[tuple[str, str], ...], expected: str | None
) -> None:
    """Behind a proxy, the page's address is the operator's name and not our Host."""
    assert verdict(asked(("host", "localhost:8700"), *headers), NAMED) == expected


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", "192.168.1.5"])
def test_the_bound_address_is_no_origin_by_itself(bound: str) -> None:
    """S1: another server on the same address, on port 80 say, is another site."""
    name = f"[{bound}]" if ":" in bound else bound
    gate = Gate.of((), (), bound=bound)
    other = asked(("host", f"{name}:8700"), ("origin", f"http://{name}"))
    own = asked(("host", f"{name}:8700"), ("origin", f"http://{name}:8700"))

    assert (verdict(other, gate), verdict(own, gate)) == ("bad-origin", None)


def test_a_default_port_is_the_schemes() -> None:
    """`http://localhost` and `Host: localhost` are the same place; `https` is another."""
    plain = asked(("host", "localhost"), ("origin", "http://localhost:80"))
    safe = asked(("host", "localhost"), ("origin", "https://localhost:80"))

    assert (verdict(plain, LOCAL), verdict(safe, LOCAL)) == (None, "bad-origin")


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("same-origin", IN),
        ("none", IN),
        ("same-site", "bad-origin"),
        ("cross-site", "bad-origin"),
        ("anything", "bad-origin"),
    ],
)
def test_the_browser_says_who_asks(site: str, expected: str | None) -> None:
    """S1: a page elsewhere cannot even have a picture loaded from here."""
    request = asked(("host", "localhost"), ("sec-fetch-site", site))

    assert verdict(request, LOCAL) == expected


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", (JSON,), IN),
        ("POST", (("content-type", "Application/JSON; charset=utf-8"),), IN),
        ("POST", (), "unsupported-media-type"),
        ("POST", (("content-length", "0"),), "unsupported-media-type"),
        ("POST", (("content-type", "text/plain"),), "unsupported-media-type"),
        (
            "POST",
            (("content-type", "application/x-www-form-urlencoded"),),
            "unsupported-media-type",
        ),
        ("POST", (("content-type", "text/plain; application/json"),), "unsupported-media-type"),
        ("POST", (JSON, ("content-type", "text/plain")), "unsupported-media-type"),
        ("PATCH", (), "unsupported-media-type"),
        ("DELETE", (), IN),
        ("DELETE", (("content-length", "00"),), IN),
        ("DELETE", (("content-length", "2"),), "unsupported-media-type"),
        ("DELETE", (("transfer-encoding", "chunked"),), "unsupported-media-type"),
        ("GET", (), IN),
    ],
)
def test_what_changes_things_is_json(
    method: str, headers: tuple[tuple[str, str], ...], expected: str | None
) -> None:
    """S3: what a plain form of any page can send is not accepted."""
    assert verdict(asked(("host", "localhost"), *headers, method=method), LOCAL) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), "unauthorized"),
        ((("authorization", "Bearer secret-a"),), IN),
        ((("authorization", "bearer  secret-b "),), IN),
        ((("authorization", "Bearer secret-"),), "unauthorized"),
        ((("authorization", "Bearer secret-ab"),), "unauthorized"),
        ((("authorization", "Bearer "),), "unauthorized"),
        ((("authorization", "Basic secret-a"),), "unauthorized"),
        ((("authorization", "secret-a"),), "unauthorized"),
        ((("authorization", "Bearer secret-a"), ("authorization", "Bearer no")), "unauthorized"),
        ((("authorization", "Bearer \u00e9"),), "unauthorized"),
    ],
)
def test_a_token_opens_if_tokens_are_set(
    headers: tuple[tuple[str, str], ...], expected: str | None
) -> None:
    """S2: with tokens set, every request needs one of them, also on this machine."""
    assert verdict(asked(("host", "localhost"), *headers), GUARDED) == expected


def test_probes_need_no_token() -> None:
    """An orchestrator's probe has no secret, and learns nothing but yes or no."""
    probe = asked(("host", "localhost"), path="/healthz/ready")
    version = asked(("host", "localhost"), path="/version")

    assert (verdict(probe, GUARDED), verdict(version, GUARDED)) == (None, "unauthorized")
