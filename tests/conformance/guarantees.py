"""docs/guarantees.md, taken apart: its rows, the tests it names, the numbers it quotes."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from conformance import ids
from flowrunner.settings import PREFIX, Settings

PAGE = ids.ROOT / "docs" / "guarantees.md"
TESTS = ids.ROOT / "tests"
NOT_SHOWN = "not shown"
_CELLS = ("number", "happens", "seen", "lost", "takes", "do")
_NEEDED = ("happens", "seen", "lost", "do")
_ROW = re.compile(r"^\| (\d+) \|(.*)\|$", re.MULTILINE)
_SHOWN = re.compile(r"^- (\d+): (.*)$", re.MULTILINE)
_PROMISE = re.compile(r"^\| (P\d+) \|(.*)\|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
_SETTING = re.compile(rf"\b{PREFIX}([A-Z_]+)\b")
_QUOTED = re.compile(r"^\| `([\w.]+)` \| ([\d.]+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """What happens when one thing dies, and what is said about who shows it."""

    number: int
    cells: tuple[str, ...]
    shown: str | None


def rows(page: str) -> tuple[Row, ...]:
    """The numbered rows of the page, each with its line under "Shown by"."""
    shown = dict(_SHOWN.findall(page))
    return tuple(
        Row(int(number), (number, *map(str.strip, rest.split("|"))), shown.get(number))
        for number, rest in _ROW.findall(page)
    )


def complaints(page: str) -> Iterator[str]:
    """What is wrong with the page, a line each."""
    yield from _rows_that_do_not_tell(rows(page))
    yield from _promises_that_are_not_told(page)
    for path, name in _TEST.findall(page):
        if name not in _tests_in(TESTS / path):
            yield f"there is no test {path}::{name}"
    for name in sorted(set(_SETTING.findall(page))):
        if name.lower() not in Settings.model_fields:
            yield f"there is no setting {PREFIX}{name}"
    for name, told in _QUOTED.findall(page):
        if (real := _value(name)) not in {None, float(told)}:
            yield f"{name} is {real}, not {told}"


def _rows_that_do_not_tell(found: tuple[Row, ...]) -> Iterator[str]:
    numbers = [row.number for row in found]
    if numbers != list(range(1, len(found) + 1)):
        yield f"rows are numbered {numbers}"
    for row in found:
        if len(row.cells) != len(_CELLS):
            yield f"row {row.number} has {len(row.cells)} cells"
            continue
        told = dict(zip(_CELLS, row.cells, strict=True))
        for name in _NEEDED:
            if not told[name]:
                yield f"row {row.number} does not say: {name}"
        if not _is_shown(row.shown):
            yield f"row {row.number} names no test, and does not say so"


def _promises_that_are_not_told(page: str) -> Iterator[str]:
    told = dict(_PROMISE.findall(page))
    (promises,) = (each for each in ids.load_pages() if each.title == "Promises")
    for rule in promises.rules:
        if rule.id not in told:
            yield f"{rule.id} is not on the page"
        elif not _is_shown(told[rule.id]):
            yield f"{rule.id} names no test, and does not say so"


def _is_shown(text: str | None) -> bool:
    return text is not None and (NOT_SHOWN in text or _TEST.search(text) is not None)


@cache
def _tests_in(file: Path) -> frozenset[str]:
    """Names of the tests that pytest finds in *file*; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    defined = ast.parse(file.read_text(encoding="utf-8")).body
    functions = [
        node for node in defined if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def _value(name: str) -> float | None:
    """The default of a setting, of a module's number, or of a dataclass's field.

    None for a setting that is none, which is complained of elsewhere.
    """
    if name.startswith(PREFIX):
        setting = Settings.model_fields.get(name.removeprefix(PREFIX).lower())
        return None if setting is None else float(setting.default)
    owner, _, last = name.rpartition(".")
    if owner.rpartition(".")[2][:1].islower():
        return float(getattr(importlib.import_module(owner), last))
    module, _, kind = owner.rpartition(".")
    defaults: dict[str, Any] = {
        field.name: field.default
        for field in dataclasses.fields(getattr(importlib.import_module(module), kind))
    }
    return float(defaults[last])
