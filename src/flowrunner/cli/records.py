"""What is kept of how an attempt was run, for people: one line each, whatever a worker wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

from pydantic import JsonValue

from flowrunner.cli.text import cells, pad

Part: TypeAlias = tuple[str, ...]

# First what a person asks first: behind which gate, which program, what it did and was denied.
_FIRST: tuple[Part, ...] = (
    ("wall", "gate"),
    ("wall", "policy"),
    ("wall", "proved"),
    ("wall", "claimed_untried"),
    ("wall", "uncovered"),
    ("wall", "probe"),
    ("agent", "agent"),
    ("agent", "version"),
    ("agent", "stop_reason"),
    ("agent", "tools"),
    ("agent", "denials"),
    ("rates",),
)
_NOT_SHOWN: frozenset[Part] = frozenset({("wall", "probe_seconds"), ("agent", "stage")})


def told(record: JsonValue) -> Iterator[str]:
    """Tell a record; nothing for one that says nothing. Newer workers may keep more in it."""
    parts = dict(_parts(record if isinstance(record, dict) else {"record": record}))
    known = [part for part in _FIRST if part in parts]
    others = [part for part in parts if part not in known and part not in _NOT_SHOWN]
    shown = [(part[-1].replace("_", " "), _words(parts[part])) for part in (*known, *others)]
    width = max((cells(name) for name, _ in shown), default=0)
    for name, words in shown:
        yield f"{pad(name, width)}  {words}"


def _parts(record: dict[str, JsonValue]) -> Iterator[tuple[Part, JsonValue]]:
    """Take it apart, two levels deep, without what says nothing."""
    for key, value in record.items():
        if isinstance(value, dict) and (key,) not in _FIRST:
            yield from (((key, name), inner) for name, inner in value.items() if inner)
        elif value:
            yield (key,), value


def _words(value: JsonValue) -> str:
    match value:
        case str():
            return value
        case list():
            return ", ".join(_words(each) for each in value)
        case dict():
            return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
        case _:
            return json.dumps(value)
