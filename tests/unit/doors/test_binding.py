"""Where a server may listen, who it then is, and how its callers are named."""

from __future__ import annotations

from typing import Any

import pytest

from flowrunner.api.guard import (
    Asked,
    Authority,
    Gate,
    check_bind,
    judge,
    parse_authority,
    principal_of,
)
from flowrunner.core.errors import InvalidInputError

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
    ("address", "tokens", "is_allowed"),
    [
        ("127.0.0.1", (), True),
        ("127.8.8.8", (), True),
        ("localhost", (), True),
        ("::1", (), True),
        ("[::1]", (), True),
        (EVERYWHERE, (), False),
        ("::", (), False),
        ("", (), False),
        ("192.168.1.5", (), False),
        ("flows.example.org", (), False),
        (EVERYWHERE, ("secret",), True),
    ],
)
def test_only_a_token_opens_the_machine(
    address: str, tokens: tuple[str, ...], *, is_allowed: bool
) -> None:
    """S2: listening beyond loopback without a token is refused before anything is bound."""
    if is_allowed:
        check_bind(address, tokens)
        return
    with pytest.raises(InvalidInputError) as refused:
        check_bind(address, tokens)
    assert [problem.code for problem in refused.value.problems] == ["token-needed"]


@pytest.mark.parametrize(
    ("bound", "asked_for", "expected"),
    [
        ("192.168.1.5", "192.168.1.5:8700", IN),
        ("2001:db8::5", "[2001:db8::5]:8700", IN),
        (EVERYWHERE, f"{EVERYWHERE}:8700", "bad-host"),
        (EVERYWHERE, "192.168.1.5:8700", "bad-host"),
    ],
)
def test_the_bound_address_is_ours(bound: str, asked_for: str, expected: str | None) -> None:
    """An address that was bound by name is answered; a wildcard names nobody."""
    assert verdict(host(asked_for), Gate.of((), (), bound=bound)) == expected


def test_all_hosts_that_are_none_are_told() -> None:
    """A misspelt host is found at the start, with the others."""
    with pytest.raises(InvalidInputError) as refused:
        Gate.of(["fine.example", "http://no", "a b"], ())

    assert [problem.code for problem in refused.value.problems] == ["bad-host", "bad-host"]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (LOCAL, "local"),
        (Gate.of((), ("secret-a",), bound="127.0.0.1"), "local"),
        (Gate.of((), ("secret-a",), bound=EVERYWHERE), "token-"),
    ],
)
def test_a_caller_is_named_without_its_secret(gate: Gate, expected: str) -> None:
    """The record tells tokens apart and never holds one."""
    name = principal_of(asked(("authorization", "Bearer secret-a")), gate)

    assert name.startswith(expected)
    assert "secret" not in name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A:1", Authority("a", 1)),
        ("[::1]:65535", Authority("::1", 65535)),
        ("a:65536", None),
        ("a\n", None),
        ("\u0661", None),
        ("a:\u0661", None),
    ],
)
def test_authorities_are_read_exactly(text: str, expected: Any) -> None:
    """Nothing but ASCII letters, digits and the right brackets makes an authority."""
    assert parse_authority(text) == expected
