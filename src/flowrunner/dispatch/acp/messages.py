"""JSON-RPC as values. What is no message is noise, and never an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from flowrunner.dispatch.acp.framing import Line
from flowrunner.wire.tasks import shortened, storable

METHOD_NOT_FOUND, INVALID_REQUEST = -32601, -32600
_NOISE_CHARACTERS = 500
_HEAD_BYTES = 4096
_MOST = 10**15

Json: TypeAlias = Mapping[str, Any]
Id: TypeAlias = int | str
NOTHING: Json = {}


@dataclass(frozen=True, slots=True)
class Request:
    """The agent asks for something, and waits."""

    id: Id
    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Notice:
    """The agent tells something."""

    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """What we asked for."""

    id: Id
    result: Json


@dataclass(frozen=True, slots=True)
class Refusal:
    """What we asked for failed; *detail* is everything the agent said of it."""

    id: Id
    code: int
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Noise:
    """Not a message: text on the wrong stream, half a line, a line that is too long."""

    text: str
    dropped_bytes: int = 0


Incoming: TypeAlias = Request | Notice | Reply | Refusal | Noise


def parse(line: Line) -> list[Incoming]:
    """Return the messages of a line: one, or those of a batch."""
    if line.dropped_bytes:
        return [_overlong(line)]
    try:
        found: object = json.loads(line.body)
    except (ValueError, RecursionError):
        return [_noise(line)]
    parts = cast("list[object]", found) if isinstance(found, list) else [found]
    return [_message(part, line) for part in parts] or [_noise(line)]


def encode(message: Json) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"


def written(value: object) -> str:
    """Return what was read from JSON as JSON again, storable."""
    try:
        return storable(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # It was just not too deep to be read.
        return "[flowrunner: nested too deeply to be shown]"


def section(value: object, *path: str) -> Json:
    """Return the object at *path* within *value*, empty where there is none."""
    for name in path:
        value = cast("Json", value).get(name) if isinstance(value, Mapping) else None
    return cast("Json", value) if isinstance(value, Mapping) else NOTHING


def text_at(value: Json, *names: str) -> str:
    """Return the first of the named values that is text, storable; else nothing."""
    for name in names:
        if isinstance(found := value.get(name), str) and found:
            return storable(found)
    return ""


def count_at(value: Json, *names: str) -> int | None:
    """Return the first of the named values that is a plausible count."""
    for name in names:
        found = value.get(name)
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _MOST:
            return int(found)
    return None


def parts_at(value: Json, name: str) -> list[Json]:
    """Return the objects of the list called *name*."""
    found = value.get(name)
    parts = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Json", part) for part in parts if isinstance(part, Mapping)]


def _message(found: object, line: Line) -> Incoming:
    given = section(found)
    number, method = given.get("id"), given.get("method")
    has_id = isinstance(number, int | str) and not isinstance(number, bool)
    if isinstance(method, str):
        params = section(given.get("params"))
        return Request(cast("Id", number), method, params) if has_id else Notice(method, params)
    if has_id and "error" in given:
        return _refusal(cast("Id", number), given["error"])
    if has_id and "result" in given:
        return Reply(cast("Id", number), section(given["result"]))
    return _noise(line)


def _refusal(number: Id, error: object) -> Refusal:
    told = section(error)
    code = told.get("code")
    message = text_at(told, "message") or written(error)
    detail = written(told["data"]) if told.get("data") is not None else ""
    return Refusal(number, code if isinstance(code, int) else 0, message, detail)


def _noise(line: Line) -> Noise:
    text = line.body.decode("utf-8", errors="replace")
    return Noise(shortened(text, _NOISE_CHARACTERS), line.dropped_bytes)


_ID = re.compile(rb'"id"\s*:\s*(?:(\d{1,15})|"([^"\\]{1,100})")')
_METHOD = re.compile(rb'"method"\s*:\s*"([^"\\]{1,100})"')


def _overlong(line: Line) -> Incoming:
    """Nobody must wait for ever because a line was too long: its head says who does."""
    head = line.body[:_HEAD_BYTES]
    found, method = _ID.search(head), _METHOD.search(head)
    if found is None:
        return _noise(line)
    number: Id = int(found[1]) if found[1] else found[2].decode("utf-8", errors="replace")
    if method is not None:
        return Request(number, "overlong/" + method[1].decode("utf-8", errors="replace"), NOTHING)
    told = f"a line was too long: {line.dropped_bytes} more bytes"
    return Refusal(number, INVALID_REQUEST, told)
