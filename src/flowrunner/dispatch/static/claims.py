"""From a hit to a claim: the exact text of the cited lines, and never a secret."""

from __future__ import annotations

from flowrunner.dispatch.static.redaction import find_secrets, unquotable_lines
from flowrunner.dispatch.static.sources import Hit, Source
from flowrunner.evidence.citations import MIN_QUOTE
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Claim, Severity

LINES_QUOTED = 3
LINE_LENGTH = 600
"""Of a longer line its beginning is quoted, which the citation check accepts."""

_CONFIDENCE = {
    Severity.CRITICAL: 0.9,
    Severity.MAJOR: 0.9,
    Severity.MINOR: 0.8,
    Severity.NOTE: 0.6,
}


def to_claim(source: Source, hit: Hit) -> Claim | None:
    """Return the claim, or None if nothing at its place may or can be quoted."""
    first = _filled_line(source, hit.line)
    if first is None:
        return None
    quoted = _quote(source, first, max(hit.end or first, first))
    quote = "\n".join(quoted)
    whole = quote.strip() == source.lines[first - 1].strip()
    if not quote.strip() or (not whole and len("".join(quote.split())) < MIN_QUOTE):
        return None
    return Claim(
        rule=hit.rule.code,
        category=hit.rule.category,
        severity=hit.rule.severity,
        title=visible(hit.title)[:200],
        claim=hit.rule.why,
        file=source.path,
        line_start=first,
        line_end=first + len(quoted) - 1,
        quote=quote,
        suggestion=visible(hit.suggestion)[:2000],
        confidence=_CONFIDENCE[hit.rule.severity],
    )


def _filled_line(source: Source, line: int) -> int | None:
    # A tool may point behind the end or at a blank line: the last text before it is meant.
    for number in range(min(line, len(source.lines)), 0, -1):
        if source.lines[number - 1].strip():
            return number
    return None


def _quote(source: Source, first: int, last: int) -> list[str]:
    secrets = {secret.line: secret.shown for secret in find_secrets(source.lines)}
    hidden = unquotable_lines(source.lines)
    quoted: list[str] = []
    for number in range(first, min(last, first + LINES_QUOTED - 1, len(source.lines)) + 1):
        line = source.lines[number - 1]
        if number in hidden:
            break
        shown = min(secrets.get(number, LINE_LENGTH), LINE_LENGTH)
        quoted.append(line[:shown])
        if shown < len(line):
            break
    while quoted and not quoted[-1].strip():
        quoted.pop()
    return quoted
