"""MCP servers of the operator's choice: their tools become tools of the model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import httpx2
from mcp import types
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.tools import Tool

from flowrunner.dispatch.apiagent.failing import OutOfReachError, PersonNeededError, SettingsError
from flowrunner.dispatch.apiagent.model import Web
from flowrunner.dispatch.apiagent.options import HttpServer, McpServer, Secret, StdioServer
from flowrunner.dispatch.apiagent.settings import private_home, revealed
from flowrunner.dispatch.apiagent.tokens import Bearer
from flowrunner.wire.tasks import shortened

RESULT_CHARACTERS = 60_000
CONNECT_SECONDS = 30.0
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NAME_CHARACTERS = 64
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Server:
    """One of them. It lives in a task of its own, so that its end is not everybody's."""

    def __init__(self, name: str, wish: McpServer, web: Web) -> None:
        self._name = name
        self._wish = wish
        self._web = web
        self._bearer: Bearer | None = None
        self._refused: Exception | None = None

    async def live(self, ready: asyncio.Future[list[Tool[None]]]) -> None:
        """Connect, tell *ready* which tools there are, and hold the line until cancelled."""
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_SECONDS):
                    session = await self._connect(stack)
                    tools = [self._tool(session, tool) for tool in await self._offered(session)]
                ready.set_result(tools)
                await asyncio.Event().wait()
        except Exception as exc:  # noqa: BLE001  # whatever it is, who waits has to hear it
            if not ready.done():
                ready.set_exception(self._why(exc))
        finally:
            ready.cancel()  # Nobody waits for ever, however it ended.

    async def _connect(self, stack: AsyncExitStack) -> ClientSession:
        match self._wish:
            case HttpServer() as wish:
                client = await stack.enter_async_context(self._client(wish))
                transport = streamable_http_client(wish.url, http_client=client)
            case StdioServer() as wish:
                parameters = StdioServerParameters(
                    command=wish.command,
                    args=list(wish.args),
                    env={name: self._secret(value) for name, value in wish.env.items()},
                    cwd=private_home(),
                )
                transport = stdio_client(parameters)
        streams = await stack.enter_async_context(transport)
        session = ClientSession(*streams, read_timeout_seconds=self._wish.call_seconds)
        await stack.enter_async_context(session)
        await session.initialize()
        return session

    def _client(self, wish: HttpServer) -> httpx2.AsyncClient:
        try:
            self._bearer = wish.oauth and Bearer(self._name, wish.url, wish.oauth)
        except (OSError, UnicodeError) as exc:
            raise self._unreadable(exc) from exc
        headers = {name: self._secret(value) for name, value in wish.headers.items()}
        hooks = {"response": [self._look]}
        return httpx2.AsyncClient(
            **self._web, auth=self._bearer, headers=headers, event_hooks=hooks
        )

    async def _look(self, response: httpx2.Response) -> None:
        """A login that is not enough is none that a model could do anything about."""
        is_final = self._bearer is None or response.status_code == HTTPStatus.FORBIDDEN
        if response.status_code in _REFUSED and is_final:
            status = response.status_code
            told = f"the MCP server {self._name!r} refuses this login: status {status}"
            self._refused = PersonNeededError(told)

    async def _offered(self, session: ClientSession) -> list[types.Tool]:
        found = [tool async for tool in _pages(session)]
        wanted = self._wish.tools
        if wanted is None:
            return found
        if missing := set(wanted) - {tool.name for tool in found}:
            told = f"the MCP server {self._name!r} has no tool {', '.join(sorted(missing))}"
            raise SettingsError(told)
        return [tool for tool in found if tool.name in wanted]

    def _tool(self, session: ClientSession, tool: types.Tool) -> Tool[None]:
        async def call(**arguments: Any) -> str:
            return await self._call(session, tool.name, arguments)

        name = _NOT_A_NAME.sub("_", f"{self._name}_{tool.name}")[:_NAME_CHARACTERS]
        return Tool.from_schema(call, name, tool.description, dict(tool.input_schema))

    async def _call(self, session: ClientSession, tool: str, arguments: dict[str, Any]) -> str:
        try:
            result = await session.call_tool(tool, arguments)
        except Exception as exc:
            if (failure := self._failure()) is not None:
                raise failure from exc
            told = exc.message if isinstance(exc, MCPError) else f"{type(exc).__name__}: {exc}"
            raise ToolFailed(f"{self._name}: {told}") from exc
        text = shortened("\n".join(_texts(result)), RESULT_CHARACTERS)
        if result.is_error:
            raise ToolFailed(text or f"{self._name}: {tool} failed, and does not say why")
        return text

    def _failure(self) -> Exception | None:
        return self._refused or (self._bearer and self._bearer.failure)

    def _why(self, exc: Exception) -> Exception:
        if (failure := self._failure()) is not None:
            return failure
        causes = list(_leaves(exc))
        for cause in causes:
            if isinstance(cause, PersonNeededError | SettingsError | OutOfReachError):
                return cause
        told = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
        return OutOfReachError(f"the MCP server {self._name!r} cannot be used: {told}")

    def _secret(self, secret: Secret) -> str:
        try:
            return revealed(secret)
        except (OSError, UnicodeError) as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> PersonNeededError:
        return PersonNeededError(f"a secret of the MCP server {self._name!r} cannot be read: {exc}")


@asynccontextmanager
async def all_of(servers: Mapping[str, McpServer], web: Web) -> AsyncGenerator[list[Tool[None]]]:
    """Connect to all at once. Raise what keeps the first of them from being used."""
    tasks: list[asyncio.Task[None]] = []
    waiting: list[asyncio.Future[list[Tool[None]]]] = []
    try:
        for name, wish in servers.items():
            waiting.append(asyncio.get_running_loop().create_future())
            tasks.append(asyncio.create_task(Server(name, wish, web).live(waiting[-1])))
        found = [tool for tools in await asyncio.gather(*waiting) for tool in tools]
        names = [tool.name for tool in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SettingsError(f"several MCP tools are called {', '.join(twice)}")
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pages(session: ClientSession) -> AsyncGenerator[types.Tool]:
    cursor: str | None = None
    while True:
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            yield tool
        cursor = page.next_cursor
        if cursor is None:
            return


def _texts(result: types.CallToolResult) -> Iterator[str]:
    for block in result.content:
        if isinstance(block, types.TextContent):
            yield block.text
        else:
            yield f"[flowrunner: {block.type} left out]"


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for part in cast("BaseExceptionGroup[BaseException]", exc).exceptions:
            yield from _leaves(part)
    else:
        yield exc
