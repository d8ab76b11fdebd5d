"""The agent's side of the protocol: hear requests, answer each, and stop when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from flowrunner.dispatch.acp.framing import Lines
from flowrunner.dispatch.acp.messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Id,
    Incoming,
    Json,
    Notice,
    Request,
    encode,
    parse,
    parts_at,
    section,
    text_at,
)
from flowrunner.dispatch.apiagent.asking import Asker
from flowrunner.dispatch.apiagent.failing import SettingsError, error_of
from flowrunner.dispatch.apiagent.options import Settings

LINE_CAP = 256 * 1024 * 1024
_PROTOCOL = 1
_SESSION = "the-only-one"
_CANCEL_SECONDS, _END_SECONDS = 1.0, 2.0
_PIECE_BYTES = 65536
_PARTS = ("pydantic-ai-slim", "openai", "mcp")

Send = Callable[[bytes], None]


class Serving:
    """One client, one session, one prompt at a time. Settings that are wrong are told to it."""

    def __init__(self, settings: Settings | SettingsError, key: str, send: Send) -> None:
        self._settings = settings
        self._key = key
        self._send = send
        self._asker: Asker | None = None
        self._asked: Id | None = None
        self._asking: asyncio.Task[None] | None = None

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Return when the client hangs up; what was being answered has been given up then."""
        lines = Lines(LINE_CAP)
        while piece := await reader.read(_PIECE_BYTES):
            for line in lines.feed(piece):
                for message in parse(line):
                    self._take(message)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking}, timeout=_END_SECONDS)

    def _take(self, message: Incoming) -> None:
        match message:
            case Request(id=number, method="initialize"):
                self._greet(number)
            case Request(id=number, method="session/new", params=params):
                self._open(number, params)
            case Request(id=number, method="session/prompt", params=params):
                self._prompt(number, params)
            case Request(id=number, method=method):
                self._refuse(number, METHOD_NOT_FOUND, f"not offered, or too long: {method}")
            case Notice(method="session/cancel"):
                self._cancel()
            case _:
                pass  # Nothing that is owed an answer.

    def _greet(self, number: Id) -> None:
        if isinstance(self._settings, SettingsError):
            self._tell(id=number, error=error_of(self._settings, self._key))
            return
        parts = ", ".join(f"{name} {version(name)}" for name in _PARTS)
        result: Json = {
            "protocolVersion": _PROTOCOL,
            "agentCapabilities": {"loadSession": False},
            "agentInfo": {
                "name": "flowrunner-api",
                "version": f"{version('flowrunner')} ({parts})",
            },
            "authMethods": [],
        }
        self._tell(id=number, result=result)

    def _open(self, number: Id, params: Json) -> None:
        root = Path(text_at(params, "cwd"))
        if isinstance(self._settings, SettingsError) or self._asker is not None:
            self._refuse(number, INVALID_REQUEST, "there is one session, after a greeting")
        elif not (root.is_absolute() and root.is_dir()):
            self._refuse(number, INVALID_REQUEST, f"cwd is no absolute path of a folder: {root}")
        else:
            self._asker = Asker(self._settings, self._key, root, self._update)
            self._tell(id=number, result={"sessionId": _SESSION})

    def _prompt(self, number: Id, params: Json) -> None:
        if self._asker is None or self._asked is not None:
            self._refuse(number, INVALID_REQUEST, "a session takes one prompt at a time")
            return
        parts = parts_at(params, "prompt")
        prompt = "\n".join(
            text_at(part, "text") or text_at(section(part, "resource"), "text") for part in parts
        )
        self._asked = number
        self._asking = asyncio.create_task(self._answer(number, self._asker, prompt))

    async def _answer(self, number: Id, asker: Asker, prompt: str) -> None:
        try:
            reason = await asker.ask(prompt)
        except asyncio.CancelledError:
            self._end(number, result={"stopReason": "cancelled", "usage": asker.usage})
        except Exception as exc:  # noqa: BLE001  # whatever it is, the client has to hear it
            self._end(number, error=error_of(exc, self._key))
        else:
            self._end(number, result={"stopReason": reason, "usage": asker.usage})

    def _cancel(self) -> None:
        """Give up, and say so soon: what has to be tidied up is nothing to wait for."""
        if self._asking is None or self._asked is None or self._asker is None:
            return
        self._asking.cancel()
        result = {"stopReason": "cancelled", "usage": self._asker.usage}
        late = partial(self._end, self._asked, result=result)
        asyncio.get_running_loop().call_later(_CANCEL_SECONDS, late)

    def _end(self, number: Id, **answer: Json) -> None:
        if self._asked == number:
            self._asked = None
            self._tell(id=number, **answer)

    def _update(self, update: Json) -> None:
        if self._asked is not None:
            params = {"sessionId": _SESSION, "update": update}
            self._tell(method="session/update", params=params)

    def _refuse(self, number: Id, code: int, message: str) -> None:
        self._tell(id=number, error={"code": code, "message": message})

    def _tell(self, **message: object) -> None:
        with suppress(BrokenPipeError):  # Its stdin says that it is gone, if it is.
            self._send(encode(message))
