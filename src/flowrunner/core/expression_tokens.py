"""The words of an expression: numbers, names, quoted texts and signs, each with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowrunner.core.expressions import NAME, Fault

_TOKEN = re.compile(
    rf"""(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<name>{NAME.pattern})"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>[=!<>]=|[<>().,\[\]])""",
    re.DOTALL,
)
_QUOTED = re.compile(r"\\.|\"", re.DOTALL)
_BLANK = re.compile(r"\s*")
_FOREIGN = {"&&": "and", "||": "or", "=": "==", "!": "not"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


class UnreadableError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def fault(message: str, at: int = 0, hint: str | None = None) -> UnreadableError:
    return UnreadableError(Fault("bad-expression", message, at, hint))


def tokens(text: str) -> Iterator[Token]:
    at = _skip(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise UnreadableError(_unreadable(text, at))
        yield Token(found.lastgroup or "", found[0], at)
        at = _skip(text, found.end())


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _unreadable(text: str, at: int) -> Fault:
    if text[at] in "'\"":
        return Fault("bad-expression", "a text has no closing quote", at)
    wrong = text[at : at + 2] if text[at : at + 2] in _FOREIGN else text[at]
    hint = f"write {_FOREIGN[wrong]}" if wrong in _FOREIGN else None
    return Fault("bad-expression", f"{wrong!r} has no meaning here", at, hint)


def number(token: Token) -> int | float:
    is_whole = not set(token.text) & set(".eE")
    value = int(token.text) if is_whole and len(token.text) < 20 else float(token.text)  # noqa: PLR2004
    if abs(value) == float("inf"):
        raise fault("the number is too large", token.at)
    return value


def unquoted(token: Token) -> str:
    body = token.text
    if body[0] == "'":
        body = f'"{_QUOTED.sub(_requoted, body[1:-1])}"'
    try:
        return str(json.loads(body, strict=False))
    except ValueError:
        message = f"{token.text} holds an escape that is none"
        raise fault(message, token.at) from None


def _requoted(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])
