"""A result in a few words, for a table."""

from __future__ import annotations

import json
from typing import Any

from flowrunner.cli.text import clean

_MOST_PARTS = 3
_LONGEST = 60


def brief(text: str) -> str:
    """Count what a JSON result holds, or give the first line of a text."""
    text = text.strip()
    try:
        value: Any = json.loads(text)
    except ValueError:
        first = text.lstrip("#> ").partition("\n")[0]
        return clean(first.strip())
    return clean(_value(value))


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value.strip().partition("\n")[0]
    if isinstance(value, list):
        members: list[Any] = value
        return _count(len(members), "member")
    if isinstance(value, dict):
        fields: dict[str, Any] = value
        return _object(fields)
    return json.dumps(value)


def _object(value: dict[str, Any]) -> str:
    """The lists first, counted: they are what steps are about; then short texts and numbers."""
    lists = [f"{len(part)} {name}" for name, part in value.items() if isinstance(part, list)]
    plain = [
        f"{name} {json.dumps(part, ensure_ascii=False)}"
        for name, part in value.items()
        if isinstance(part, (int, float)) or (isinstance(part, str) and 0 < len(part) <= _LONGEST)
    ]
    parts = (lists + plain)[:_MOST_PARTS]
    return ", ".join(parts) or _count(len(value), "field")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
