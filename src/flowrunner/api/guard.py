"""Who may knock: Host, Origin, fetch metadata, content type and token, before anything else.

A page of another site, or a name that was rebound to this machine, must not get past here (S1-S3):
not even to read, not even on loopback.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from flowrunner.api.errors import problem
from flowrunner.core.errors import InvalidInputError, Problem

LOCAL = "local"
"""The principal of a server that only this machine's user can reach."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_.-]{1,253}))(?::(?P<port>[0-9]{1,5}))?\Z"
)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>.+)\Z")
_PORTS = {"http": 80, "https": 443}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TRUSTED_SITES = frozenset({"same-origin", "none"})
_OPEN_PATHS = frozenset(
    f"{prefix}/healthz/{probe}" for prefix in ("", "/api/v1") for probe in ("live", "ready")
)
"""What a probe asks: it has no token, and learns nothing else."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A name or address in lower case, and a port if one was given."""

    name: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What is let in: further *hosts* (`name` or `name:port`), and *tokens*, if there are any.

    *bound* is an address that Host may name; an Origin must still be the very same place.
    *is_local*: nobody beyond this machine can connect.
    """

    hosts: tuple[Authority, ...] = ()
    tokens: tuple[str, ...] = ()
    bound: str | None = None
    is_local: bool = False

    @classmethod
    def of(cls, hosts: Sequence[str], tokens: Sequence[str], bound: str = "") -> Gate:
        """Raise InvalidInputError for a host that is none. *bound*: the address served, if one."""
        named = [(text, parse_authority(text)) for text in hosts]
        bad = [text for text, authority in named if authority is None]
        if bad:
            problems = [
                Problem("bad-host", f"'{text}' is no host", hint="name, or name:port")
                for text in bad
            ]
            raise InvalidInputError("FLOWRUNNER_HOSTS cannot be used", problems)
        found = tuple(authority for _text, authority in named if authority is not None)
        own = parse_authority(f"[{bound}]" if ":" in bound else bound)
        name = own.name if own is not None and not _is_wildcard(own.name) else None
        return cls(found, tuple(tokens), name, is_local=is_loopback(bound))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of itself; a header that came twice has two values."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = ()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    status: int
    detail: str
    hint: str | None = None


def judge(asked: Asked, gate: Gate) -> Refusal | None:
    """Return why the request is refused, or None. Pure: the table of cases is its test."""
    if not asked.path.startswith("/"):
        return Refusal("bad-request", 400, "the request target must be a path")
    return (
        _judge_host(asked, gate)
        or _judge_origin(asked, gate)
        or _judge_content(asked)
        or _judge_token(asked, gate)
    )


def parse_authority(text: str) -> Authority | None:
    """Read `host`, `host:port`, `[ipv6]` or `[ipv6]:port`; None for anything else."""
    match = _AUTHORITY.match(text.lower())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        return None
    if match["six"] is None:
        return Authority(match["name"], port)
    try:
        return Authority(str(ipaddress.IPv6Address(match["six"])), port)
    except ValueError:
        return None


def check_bind(host: str, tokens: Sequence[str]) -> None:
    """Raise InvalidInputError if serving on *host* lets others in without a token (S2)."""
    if is_loopback(host) or tokens:
        return
    hint = "set FLOWRUNNER_TOKENS to one or more secrets, or bind 127.0.0.1"
    told = Problem(
        "token-needed", f"binding {host} lets others in, and there is no token", hint=hint
    )
    raise InvalidInputError(
        "refusing to listen beyond this machine without a token", [told], hint=hint
    )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def principal_of(asked: Asked, gate: Gate) -> str:
    """Name the caller for the record: never the token itself."""
    if gate.is_local or not gate.tokens:
        return LOCAL
    return f"token-{sha256(_bearer(asked).encode()).hexdigest()[:8]}"


def _judge_host(asked: Asked, gate: Gate) -> Refusal | None:
    hosts = asked.all("host")
    if len(hosts) != 1:
        return Refusal("bad-host", 400, "exactly one Host header is needed")
    host = parse_authority(hosts[0])
    if host is not None and (host.name in {*_LOOPBACK, gate.bound} or _is_listed(host, gate)):
        return None
    hint = "set FLOWRUNNER_HOSTS to the names this server is reached by"
    return Refusal(
        "bad-host", HTTPStatus.MISDIRECTED_REQUEST, "the Host header names another server", hint
    )


def _judge_origin(asked: Asked, gate: Gate) -> Refusal | None:
    origins = asked.all("origin")
    listed = bool(origins) and all(_is_origin_listed(origin, gate) for origin in origins)
    own = all(_is_own(origin, asked.all("host")[0]) for origin in origins)
    if len(origins) > 1 or not (own or listed):
        return Refusal("bad-origin", 403, "the request comes from a page of another site")
    site = asked.all("sec-fetch-site")
    if not listed and not _TRUSTED_SITES.issuperset(site):
        return Refusal("bad-origin", 403, "the browser says that another site asks")
    return None


def _judge_content(asked: Asked) -> Refusal | None:
    """A body that is not JSON can be sent by a form of any page, without a preflight."""
    lengths = asked.all("content-length")
    has_body = bool(asked.all("transfer-encoding")) or any(each.strip("0") for each in lengths)
    if asked.method in _SAFE or (asked.method == "DELETE" and not has_body):
        return None
    types = asked.all("content-type")
    if len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json":
        return None
    return Refusal("unsupported-media-type", 415, "send Content-Type: application/json")


def _judge_token(asked: Asked, gate: Gate) -> Refusal | None:
    if not gate.tokens or asked.path in _OPEN_PATHS:
        return None
    given = sha256(_bearer(asked).encode()).digest()
    # Every token is compared, in constant time: the answer's delay tells nothing.
    matches = [hmac.compare_digest(given, sha256(token.encode()).digest()) for token in gate.tokens]
    if any(matches):
        return None
    return Refusal("unauthorized", 401, "send Authorization: Bearer with a token of this server")


def _bearer(asked: Asked) -> str:
    given = asked.all("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_listed(host: Authority, gate: Gate) -> bool:
    return any(host.name == each.name and each.port in {None, host.port} for each in gate.hosts)


def _is_origin_listed(origin: str, gate: Gate) -> bool:
    match = _ORIGIN.match(origin.lower())
    authority = parse_authority(match["authority"]) if match else None
    if match is None or authority is None:
        return False
    port = authority.port or _PORTS[match["scheme"]]
    return any(
        authority.name == each.name and (each.port or _PORTS[match["scheme"]]) == port
        for each in gate.hosts
    )


def _is_own(origin: str, host: str) -> bool:
    match = _ORIGIN.match(origin.lower())
    asked = parse_authority(match["authority"]) if match else None
    own = parse_authority(host)
    if match is None or asked is None or own is None:
        return False
    default = _PORTS[match["scheme"]]
    return (asked.name, asked.port or default) == (own.name, own.port or default)


def _is_wildcard(name: str) -> bool:
    return name in {"0.0.0.0", "::"}  # noqa: S104  # to recognise it


class Guard:
    """First in the stack: what it refuses, nothing else has seen."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
        asked = Asked(scope.get("method", "GET"), scope["path"], headers)
        refusal = judge(asked, self._gate)
        if refusal is None:
            scope["principal"] = principal_of(asked, self._gate)
            await self._app(scope, receive, send)
            return
        bearer = {"WWW-Authenticate": "Bearer"} if refusal.code == "unauthorized" else None
        response = problem(
            refusal.code,
            refusal.status,
            refusal.detail,
            hint=refusal.hint,
            headers=bearer,
            request_id=str(scope.get("request_id", "")),
        )
        await response(scope, receive, send)
