"""Any text file: merge conflicts left in, characters that deceive, bytes that are no text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.evidence.languages import is_source
from flowrunner.wire.findings import Severity

CONFLICT = Rule(
    "merge-conflict",
    Severity.MAJOR,
    "correctness",
    "Both sides of a merge are still in the file, with git's marks between them.",
    in_tests=True,
)
BIDI = Rule(
    "bidirectional-control",
    Severity.MAJOR,
    "security",
    "An invisible character reorders the line on screen: it reads otherwise than it runs.",
)
ENCODING = Rule(
    "not-utf8",
    Severity.NOTE,
    "correctness",
    "The file is not UTF-8: tools that expect it show or write something else.",
)

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*(?!utf-?8)[-\w.]+", re.IGNORECASE)
_MARKS = ("<<<<<<< ", "=======", ">>>>>>> ")
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_TRANSLATED = ("/locale/", "/locales/", "/i18n/", "/translations/", "/l10n/")


def find_conflicts(source: Source, _project: Project) -> Iterator[Hit]:
    """Want all three marks in their order, at line beginnings, outside fenced examples."""
    stage, start, fenced = 0, 0, False
    for number, line in enumerate(source.lines, start=1):
        if source.is_docs and _FENCE.match(line):
            fenced = not fenced
        if fenced or not (line == _MARKS[1] if stage == 1 else line.startswith(_MARKS[stage])):
            continue
        start = number if stage == 0 else start
        stage += 1
        if stage == len(_MARKS):
            yield Hit(CONFLICT, start, "Unresolved merge conflict")
            stage = 0


def find_bidi(source: Source, _project: Project) -> Iterator[Hit]:
    if _BIDI.search(source.text) is None:
        return
    for number, line in enumerate(source.lines, start=1):
        if found := _BIDI.search(line):
            code = f"U+{ord(found[0]):04X}"
            yield Hit(BIDI, number, f"Bidirectional control character {code} in the source")


def find_other_bytes(source: Source, _project: Project) -> Iterator[Hit]:
    if source.is_utf8 or any(_COOKIE.match(line) for line in source.lines[:2]):
        return
    for number, line in enumerate(source.lines, start=1):
        if "\ufffd" in line:
            yield Hit(ENCODING, number, "Bytes that are not UTF-8")
            return


def _is_any(_source: Source) -> bool:
    return True


def _is_code(source: Source) -> bool:
    translated = any(folder in f"/{source.path}" for folder in _TRANSLATED)
    return is_source(source.path) and not translated


def _is_ours(source: Source) -> bool:
    known = source.language not in {"other", "lock", "html"}
    return known and not source.is_generated and not source.is_test


CONFLICTS = Check("merge conflicts", _is_any, find_conflicts)
DECEIVING = Check("bidirectional characters", _is_code, find_bidi)
BYTES = Check("encoding", _is_ours, find_other_bytes)
