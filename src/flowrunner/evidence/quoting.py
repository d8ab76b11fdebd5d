"""What may be quoted of a place: its own words, not too many, and never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.evidence.citations import MIN_QUOTE
from flowrunner.evidence.redaction import find_secrets, unquotable_lines

LINES_QUOTED = 3
LINE_LENGTH = 600
"""Of a longer line its beginning is quoted, which the citation check accepts."""


@dataclass(frozen=True, slots=True)
class Quoted:
    first: int
    last: int
    text: str


def quote_at(lines: Sequence[str], line: int, end: int | None = None) -> Quoted | None:
    """Return what stands at *line*, or None if nothing there may or can be quoted.

    *lines* must be hashable. The citation check calls such a quotation exact.
    """
    first = _filled_line(lines, line)
    if first is None:
        return None
    quoted = _quote(lines, first, max(end or first, first))
    text = "\n".join(quoted)
    whole = text.strip() == lines[first - 1].strip()
    if not text.strip() or (not whole and len("".join(text.split())) < MIN_QUOTE):
        return None
    return Quoted(first, first + len(quoted) - 1, text)


def _filled_line(lines: Sequence[str], line: int) -> int | None:
    # A tool may point behind the end or at a blank line: the last text before it is meant.
    for number in range(min(line, len(lines)), 0, -1):
        if lines[number - 1].strip():
            return number
    return None


def _quote(lines: Sequence[str], first: int, last: int) -> list[str]:
    secrets = {secret.line: secret.shown for secret in find_secrets(lines)}
    hidden = unquotable_lines(lines)
    quoted: list[str] = []
    for number in range(first, min(last, first + LINES_QUOTED - 1, len(lines)) + 1):
        line = lines[number - 1]
        if number in hidden:
            break
        shown = min(secrets.get(number, LINE_LENGTH), LINE_LENGTH)
        quoted.append(line[:shown])
        if shown < len(line):
            break
    while quoted and not quoted[-1].strip():
        quoted.pop()
    return quoted
