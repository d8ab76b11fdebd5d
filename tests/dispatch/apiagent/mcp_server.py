"""A real MCP server on loopback, by the SDK, and an issuer of tokens whose answers a test writes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

Grant = tuple[int, dict[str, Any]]


def a_grant(token: str, **more: Any) -> Grant:
    return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more}


def no_grant(status: int, error: str) -> Grant:
    return status, {"error": error, "error_description": f"{error}, in words"}


@dataclass
class Issuer:
    """Gives *grants*, one to a request, the last one again and again."""

    grants: Sequence[Grant]
    address: str = ""
    name: str = ""
    """Who it says it is, if not who it is."""
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    logins: list[str] = field(default_factory=list[str])

    def app(self) -> Starlette:
        app = Starlette()
        app.add_route("/token", self._token, methods=["POST"])
        app.add_route("/.well-known/openid-configuration", self._about)
        return app

    async def _token(self, request: Request) -> Response:
        self.asked.append(dict(parse_qsl((await request.body()).decode())))
        self.logins.append(request.headers.get("authorization", ""))
        status, told = self.grants[min(len(self.asked), len(self.grants)) - 1]
        return JSONResponse(told, status)

    async def _about(self, _request: Request) -> Response:
        name = self.name or self.address
        return JSONResponse({"issuer": name, "token_endpoint": f"{self.address}/token"})


@dataclass
class Docs:
    """An MCP server with two tools. *accepts* says which tokens are good; None asks for none."""

    accepts: Callable[[str], bool] | None = None
    address: str = ""
    twin: str | None = None
    """Another name of the first tool."""
    tokens: list[str] = field(default_factory=list[str])
    called: list[str] = field(default_factory=list[str])

    async def verify_token(self, token: str) -> AccessToken | None:
        self.tokens.append(token)
        is_good = self.accepts is not None and self.accepts(token)
        return AccessToken(token=token, client_id="flow", scopes=["read"]) if is_good else None

    def app(self, address: str) -> Starlette:
        self.address = f"{address}/mcp"
        server = MCPServer("docs", token_verifier=self.accepts and self, auth=self._auth(address))

        def look_up(word: str) -> str:
            """Look up a word."""
            self.called.append(word)
            return f"{word} is sweet"

        def fail(word: str) -> str:
            raise ValueError(word)

        server.add_tool(look_up)
        server.add_tool(fail)
        if self.twin is not None:
            server.add_tool(look_up, name=self.twin)
        return server.streamable_http_app()

    def _auth(self, address: str) -> AuthSettings | None:
        if self.accepts is None:
            return None
        return AuthSettings(
            issuer_url=AnyHttpUrl(address),
            resource_server_url=AnyHttpUrl(f"{address}/mcp"),
            required_scopes=["read"],
            validate_token_resource=False,
        )


@contextmanager
def docs(
    accepts: Callable[[str], bool] | None = None, *, twin: str | None = None
) -> Generator[Docs]:
    """Run the MCP server."""
    found = Docs(accepts, twin=twin)
    with served(found.app):
        yield found


@contextmanager
def an_issuer(*grants: Grant) -> Generator[Issuer]:
    """Run the issuer."""
    found = Issuer(grants)

    def app(address: str) -> Starlette:
        found.address = address
        return found.app()

    with served(app):
        yield found


@contextmanager
def served(app: Callable[[str], ASGIApp]) -> Generator[None]:
    """Serve *app* on a port of its own; it is told its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(app(address), log_level="critical", ws="none")
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
