"""What follows `run FLOW`: `KEY=VALUE`, `KEY:=JSON`, `KEY=@file`, `KEY=-`, and a band's name."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from flowrunner.cli.exits import CommandError, Exit

_PAIR = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)(?P<sign>:=|=)(?P<value>.*)\Z", re.DOTALL)
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_BAND = "band"


@dataclass(frozen=True, slots=True)
class Given:
    """The flow's input, and the band if one was named."""

    input: dict[str, Any] = field(default_factory=dict[str, Any])
    band: str | None = None


def read_arguments(words: Iterable[str], input_file: str | None = None) -> Given:
    """Read everything, or raise CommandError with all that is wrong. Reads files and stdin."""
    problems: list[str] = []
    values = _from_file(input_file, problems) if input_file else {}
    seen: set[str] = set()
    bands: list[str] = []
    stdin = [input_file] if input_file == "-" else []
    for word in words:
        pair = _PAIR.match(word)
        if pair is None and _WORD.match(word):
            bands.append(word)
        elif pair is None:
            problems.append(f"{word!r} is neither KEY=VALUE nor a band's name")
        elif pair["key"] in seen:
            problems.append(f"{pair['key']} is given twice")
        else:
            seen.add(pair["key"])
            stdin += ["-"] if pair["value"] == "-" else []
            values[pair["key"]] = _value(pair, problems)
    if len(stdin) > 1:
        problems.append("stdin can be read only once")
    if isinstance(values.get(_BAND), str):
        # The band has one home, beside the input (D2-30); people write it like the rest.
        bands.append(values.pop(_BAND))
    if len(bands) > 1:
        problems.append(f"one band is wanted, not {len(bands)}: {', '.join(bands)}")
    if problems:
        raise CommandError("the input cannot be read", Exit.USAGE, code="usage", problems=problems)
    return Given(values, bands[0] if bands else None)


def read_labels(pairs: Iterable[str]) -> dict[str, str]:
    """Read `name=value` labels. Raises CommandError."""
    bad = [pair for pair in pairs if "=" not in pair]
    if bad:
        told = [f"{pair!r} is not NAME=VALUE" for pair in bad]
        raise CommandError("the labels cannot be read", Exit.USAGE, code="usage", problems=told)
    split = [pair.partition("=") for pair in pairs]
    return {name: value for name, _, value in split}


def _value(pair: re.Match[str], problems: list[str]) -> Any:
    key, text = pair["key"], pair["value"]
    if text == "-":
        text = _checked(key, sys.stdin.buffer.read(), problems)
    elif text.startswith("@"):
        text = _file(key, text[1:], problems)
    else:
        text = _checked(key, text.encode("utf-8", "surrogateescape"), problems)
    if pair["sign"] == "=":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        problems.append(f"{key}: not JSON: {error}")
        return None


def _file(key: str, name: str, problems: list[str]) -> str:
    try:
        return _checked(key, Path(name).read_bytes(), problems)
    except OSError as error:
        problems.append(f"{key}: {name}: {error.strerror}")
        return "null"


def _checked(key: str, body: bytes, problems: list[str]) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        problems.append(f"{key}: not UTF-8 text")
        return "null"


def _from_file(name: str, problems: list[str]) -> dict[str, Any]:
    text = (
        _checked("stdin", sys.stdin.buffer.read(), problems)
        if name == "-"
        else _file("--input", name, problems)
    )
    try:
        values = json.loads(text)
    except ValueError as error:
        problems.append(f"{name}: not JSON: {error}")
        return {}
    if not isinstance(values, dict):
        problems.append(f"{name}: the input is a JSON object")
        return {}
    return cast("dict[str, Any]", values)
