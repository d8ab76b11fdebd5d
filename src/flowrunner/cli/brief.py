"""A result in a few words, for a table."""

from __future__ import annotations

import json
from typing import Any, cast

from flowrunner.cli.text import clean, fit

_MOST_PARTS = 3
_LONGEST = 60
_MOST_CELLS = 100


def brief(text: str) -> str:
    """Count what a JSON result holds, or give the first line of a text."""
    text = text.strip()
    try:
        told = _value(json.loads(text))
    except ValueError:
        told = text.lstrip("#> ").partition("\n")[0].strip()
    return fit(clean(told), _MOST_CELLS)


def _value(value: Any) -> str:
    match value:
        case str():
            return value.strip().partition("\n")[0]
        case list():
            return _count(len(cast("list[Any]", value)), "member", "members")
        case dict():
            return _object(cast("dict[str, Any]", value))
        case _:
            return json.dumps(value)


def _object(value: dict[str, Any]) -> str:
    """The lists first, counted: they are what steps are about; then short texts and numbers."""
    if len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        return _object(cast("dict[str, Any]", inner))
    lists = [
        _count(len(cast("list[Any]", part)), name.removesuffix("s"), name)
        for name, part in value.items()
        if isinstance(part, list)
    ]
    plain = [
        f"{name} {json.dumps(part, ensure_ascii=False)}"
        for name, part in value.items()
        if isinstance(part, (int, float)) or (isinstance(part, str) and 0 < len(part) <= _LONGEST)
    ]
    return ", ".join((lists + plain)[:_MOST_PARTS]) or _count(len(value), "field", "fields")


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
