"""From a hit to a claim: the exact text of the cited lines, and never a secret."""

from __future__ import annotations

from flowrunner.dispatch.static.sources import Hit, Source
from flowrunner.evidence.quoting import quote_at
from flowrunner.evidence.severity import CONFIDENCE
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Claim


def to_claim(source: Source, hit: Hit) -> Claim | None:
    """Return the claim, or None if nothing at its place may or can be quoted."""
    quoted = quote_at(source.lines, hit.line, hit.end)
    if quoted is None:
        return None
    return Claim(
        rule=hit.rule.code,
        category=hit.rule.category,
        severity=hit.rule.severity,
        title=visible(hit.title)[:200],
        claim=visible(f"{hit.told} {hit.rule.why}".strip())[:4000],
        file=source.path,
        line_start=quoted.first,
        line_end=quoted.last,
        quote=quoted.text,
        suggestion=visible(hit.suggestion)[:2000],
        confidence=CONFIDENCE[hit.rule.severity],
    )
