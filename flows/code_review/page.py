"""The report for people. All words of agents, and all names from the project, are untrusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from flowrunner.wire.findings import Claim

from .._shared.kinds import kind_section, kinds_of, kinds_table
from .._shared.page import (
    claims_table,
    computing,
    header_table,
    joined,
    listing,
    roster,
    summaries,
    warnings,
)
from .._shared.seats import Seat
from .decide import Judgement

_SENTENCES = {
    "approve": "Every reviewer answered, every file was read, and only notes are left.",
    "comment": "Read the points below before this goes on.",
    "block": "Something critical stands: this should not go on as it is.",
    "inconclusive": "This says nothing about the code, neither good nor bad.",
    "rejected": "A person has looked at this review and does not stand by it.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the page tells; *unchecked* are claims of a run that broke off before the fold."""

    judgement: Judgement
    seats: Sequence[Seat]
    header: Mapping[str, JsonValue]
    unchecked: Sequence[tuple[str, Claim]]
    partial: bool


def page(told: Page) -> str:
    """Return Markdown; whatever is untrusted in it can only be read, not rendered."""
    return joined(_parts(told))


def _parts(told: Page) -> Iterator[str]:
    judgement = told.judgement
    yield f"# Code review: {judgement.verdict}"
    yield from warnings(told.seats, partial=told.partial, what="the code does what it should")
    yield _SENTENCES[judgement.verdict]
    yield listing("Why not approved", judgement.reasons)
    yield header_table(told.header)
    yield _verification(judgement)
    yield from _findings(judgement, computing(told.seats))
    yield claims_table(told.unchecked)
    yield f"## Reviewers\n\n{roster(told.seats)}"
    yield summaries(told.seats)
    yield listing("Set aside", [f"{f.id}: {f.claim.title}" for f in judgement.dropped])
    yield listing("Deferred", judgement.deferred)
    yield listing("Assumptions", judgement.assumptions)


def _verification(judgement: Judgement) -> str:
    checked = judgement.checked
    if checked is None or not (checked.asked or checked.beyond):
        return ""
    lost = len(checked.unruled)
    told = f"Verifiers ruled on {checked.ruled} of {checked.asked} findings that they were given."
    return told if not lost else f"{told} **{lost} stay unverified**, each says below why."


def _findings(judgement: Judgement, computed: frozenset[str]) -> Iterator[str]:
    notes = judgement.checked.unruled if judgement.checked else None
    # A kind of which anything is shown is told with all its places, so that its number is true.
    shown = frozenset(judgement.shown)
    kinds = [
        kind
        for kind in kinds_of(judgement.findings, notes)
        if any(finding.id in shown for finding in kind.findings)
    ]
    hidden = len(judgement.findings) - sum(len(kind.findings) for kind in kinds)
    if not judgement.findings:
        yield "## Findings\n\nNone."
        return
    yield f"## Findings\n\n{kinds_table(kinds, computed)}"
    if hidden:
        yield f"{hidden} more of the same severities are not listed here; the JSON report has them."
    yield from (kind_section(number, kind) for number, kind in enumerate(kinds, start=1))
