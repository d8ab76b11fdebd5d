"""SQL files: statements that change every row."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.wire.findings import Severity

EVERY_ROW = Rule(
    "change-of-every-row",
    Severity.NOTE,
    "data",
    "Without WHERE the statement touches the whole table, and locks it while it does.",
)

# Comments, texts and function bodies become blanks of the same length, so that places stay right.
_QUIET = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:''|[^'])*'|(\$\w*\$).*?\1", re.DOTALL)
_CHANGE = re.compile(r"^\s*(DELETE\s+FROM|UPDATE)\s+(?:ONLY\s+)?([\w.\"]+)", re.IGNORECASE)
_BOUND = re.compile(r"\b(?:WHERE|USING|RETURNING|JOIN|LIMIT)\b", re.IGNORECASE)


def find_changes_of_every_row(source: Source, _project: Project) -> Iterator[Hit]:
    text = _QUIET.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source.text)
    place = 0
    for statement in text.split(";"):
        change = _CHANGE.match(statement)
        if change and not _BOUND.search(statement):
            line = text.count("\n", 0, place + change.start(1)) + 1
            yield Hit(EVERY_ROW, line, f"{change[1].upper()} {change[2]} has no WHERE")
        place += len(statement) + 1


def _is_sql(source: Source) -> bool:
    return source.language == "sql" and not source.is_test


CHANGES = Check("changes of every row", _is_sql, find_changes_of_every_row)
