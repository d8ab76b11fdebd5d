"""Reads JSON bodies once and refuses, with its place, what could not be stored (S8, S9)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowrunner.api.errors import pointer, problem
from flowrunner.wire.problems import ProblemEntry

MOST_BYTES = 1_000_000
MOST_RESULT_BYTES = 12_000_000
MOST_DEPTH = 32
MOST_VALUES = 200_000
# What agents said is kept whatever it holds: there, wire.tasks replaces characters and marks it.
_RESULTS = re.compile(r"/api/v1/tasks/[^/]+/(?:result|transcript)\Z")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LARGEST = (1 << 63) - 1
_MOST_DIGITS = 100

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """*lenient*: texts are repaired by whoever takes them, not refused here."""

    most_bytes: int = MOST_BYTES
    lenient: bool = False


class _TooLargeError(Exception):
    pass


class _GoneError(Exception):
    """The client hung up before its body was whole: what came of it may mean something else."""


class Intake:
    """Between the guard and the routes: the body is read here, and handed on whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(scope.get("request_id", ""))
        entries = list(_check_address(scope))
        if entries:
            refusal = problem(
                "invalid-input", 422, entries[0].message, entries=entries, request_id=request_id
            )
            await refusal(scope, receive, send)
            return
        if scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        bounds = bounds_of(scope["path"])
        try:
            body = await _read(scope, receive, bounds.most_bytes)
        except _TooLargeError:
            told = f"at most {bounds.most_bytes} bytes are taken here"
            headers = {"Connection": "close"}
            refusal = problem(
                "payload-too-large", 413, told, headers=headers, request_id=request_id
            )
            await refusal(scope, receive, send)
            return
        except _GoneError:
            return
        refusal = check_body(body, bounds) if body else None
        if refusal is not None:
            await refusal.response(request_id)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


@dataclass(frozen=True, slots=True)
class BodyRefusal:
    """Why a body is not taken: it is no JSON at all, or these values in it are not acceptable."""

    detail: str
    entries: tuple[ProblemEntry, ...] = ()

    def response(self, request_id: str) -> Any:
        code, status = ("invalid-input", 422) if self.entries else ("invalid-json", 400)
        return problem(code, status, self.detail, entries=self.entries, request_id=request_id)


def bounds_of(path: str) -> Bounds:
    return Bounds(MOST_RESULT_BYTES, lenient=True) if _RESULTS.match(path) else Bounds()


def check_body(body: bytes, bounds: Bounds = Bounds()) -> BodyRefusal | None:
    """Return everything wrong with *body* at once, or None."""
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _value in pairs]
            repeated.extend(key for key in found if keys.count(key) > 1)
        return found

    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=collect,
            parse_constant=_refuse,
            parse_int=_number,
        )
    except RecursionError:
        return _refused([_too_deep(())])
    except ValueError as error:
        return BodyRefusal(str(error))
    entries = [
        ProblemEntry(code="repeated-key", message=f"the key {key!r:.80} is given twice")
        for key in repeated
    ]
    entries += _walk(value, lenient=bounds.lenient)
    return _refused(entries) if entries else None


def _refused(entries: Sequence[ProblemEntry]) -> BodyRefusal:
    detail = entries[0].message if len(entries) == 1 else f"{len(entries)} problems"
    return BodyRefusal(detail, tuple(entries))


def _refuse(constant: str) -> float:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


def _number(digits: str) -> int | float:
    """One with more digits than Python reads is as large as can be: it is refused as too large."""
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf


def _walk(value: Any, *, lenient: bool) -> Iterator[ProblemEntry]:
    todo: list[tuple[Path, Any]] = [((), value)]
    seen = 0
    while todo:
        path, at = todo.pop()
        seen += 1
        if seen > MOST_VALUES:
            yield ProblemEntry(code="too-many-values", message=f"more than {MOST_VALUES} values")
            return
        if isinstance(at, dict | list) and len(path) >= MOST_DEPTH:
            yield _too_deep(path)
        elif isinstance(at, dict):
            named = cast("dict[str, Any]", at)
            if not lenient and any(_UNSTORABLE.search(key) for key in named):
                yield _unstorable(path, "a key of this object")
            todo.extend(((*path, key), each) for key, each in reversed(named.items()))
        elif isinstance(at, list):
            numbered = list(enumerate(cast("list[Any]", at)))
            todo.extend(((*path, number), each) for number, each in reversed(numbered))
        elif isinstance(at, str) and not lenient:
            yield from _check_text(path, at)
        elif isinstance(at, int | float):
            yield from _check_number(path, at)


def _check_text(path: Path, text: str) -> Iterator[ProblemEntry]:
    if _UNSTORABLE.search(text):
        yield _unstorable(path, "the text")


def _check_number(path: Path, number: float) -> Iterator[ProblemEntry]:
    too_large = isinstance(number, int) and not -_LARGEST <= number <= _LARGEST
    if too_large or not math.isfinite(number):
        yield ProblemEntry(
            code="number-too-large", message="the number cannot be stored", pointer=pointer(path)
        )


def _unstorable(path: Path, what: str) -> ProblemEntry:
    message = f"{what} holds a NUL or half a surrogate pair"
    safe = [_UNSTORABLE.sub("\ufffd", part) if isinstance(part, str) else part for part in path]
    return ProblemEntry(code="unstorable-text", message=message, pointer=pointer(safe))


def _too_deep(path: Path) -> ProblemEntry:
    message = f"the body is nested more than {MOST_DEPTH} deep"
    return ProblemEntry(code="too-deep", message=message, pointer=pointer(path))


def _check_address(scope: Scope) -> Iterator[ProblemEntry]:
    """Path and query reach the database as text too."""
    if "\0" in scope["path"]:
        yield ProblemEntry(code="unstorable-text", message="the path holds a NUL", parameter="path")
    query = scope.get("query_string", b"").decode("latin-1")
    if "\0" in unquote(query):
        yield ProblemEntry(
            code="unstorable-text", message="the query holds a NUL", parameter="query"
        )


async def _read(scope: Scope, receive: Receive, most: int) -> bytes:
    declared = [value for key, value in scope["headers"] if key == b"content-length"]
    if declared and declared[0].isdigit() and int(declared[0]) > most:
        raise _TooLargeError
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _TooLargeError
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
