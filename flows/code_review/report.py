"""The report: one set of facts, told to people, to programs and to code scanning pages.

It renders whatever there is. A run that broke off has no judgement, and then the verdict is
`inconclusive`, whatever the reviewers had said by then.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

import flowrunner
from flowrunner import Report, ReportContext
from flowrunner.evidence.sarif import FailedReviewer, sarif
from flowrunner.wire.findings import Answer, Claim, Finding

from .._shared.ground import Ground
from .._shared.header import header_of, plain
from .._shared.parts import outputs_of
from .._shared.seats import Seat
from .decide import Judgement
from .fold import Folded, seats_of
from .page import Page, page
from .roster import REVIEWERS

SCHEMA = "code-review/1"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at the end; each part may be missing."""

    ground: Ground | None
    folded: Folded | None
    judgement: Judgement
    seats: tuple[Seat, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.judgement.findings


def render(ctx: ReportContext) -> Report:
    """Deterministic: no clock, no file is read (R2-43)."""
    facts = _facts(ctx)
    header = header_of(ctx, facts.ground, facts.seats, facts.judgement, facts.findings)
    return Report(
        markdown=page(
            Page(
                judgement=facts.judgement,
                seats=facts.seats,
                header=header,
                unchecked=() if facts.folded else _unchecked(ctx),
                partial=ctx.partial,
            )
        ),
        data=plain(
            {
                "schema": SCHEMA,
                "verdict": facts.judgement.verdict,
                "reasons": facts.judgement.reasons,
                "header": header,
                "seats": facts.seats,
                "findings": facts.findings,
                "shown": facts.judgement.shown,
                "verification": _verification(facts.judgement),
                "dropped": facts.judgement.dropped,
            }
        ),
        sarif=plain(sarif(facts.findings, flowrunner.__version__, failed=_failures(ctx, facts))),
        outcome=facts.judgement.verdict,
    )


def _facts(ctx: ReportContext) -> Facts:
    ground, folded = ctx.result("scope", Ground), ctx.result("fold", Folded)
    judgement = ctx.result("conclude", Judgement)
    if judgement is None:
        judgement = _no_judgement(ctx, folded)
    elif ctx.partial and judgement.verdict == "approve":
        reasons = (*judgement.reasons, "the run did not complete")
        judgement = judgement.model_copy(update={"verdict": "comment", "reasons": reasons})
    seats = folded.seats if folded else seats_of(ctx)
    return Facts(ground, folded, judgement, seats)


def _no_judgement(ctx: ReportContext, folded: Folded | None) -> Judgement:
    failed = dict(ctx.census.failed)
    decided = ctx.result("decide", Judgement)
    broken = [f"step '{key}' failed: {failed[key]}" for key in _CODE_STEPS if key in failed]
    if decided is not None:
        reasons = (*decided.reasons, *broken, "the run did not come to a conclusion")
        return decided.model_copy(update={"verdict": "inconclusive", "reasons": reasons})
    return Judgement(
        verdict="inconclusive",
        reasons=(*broken, "the run did not come to a judgement"),
        findings=folded.findings if folded else (),
        shown=tuple(finding.id for finding in folded.findings) if folded else (),
    )


_CODE_STEPS = ("scope", "fold", "decide", "approve", "conclude")


def _verification(judgement: Judgement) -> dict[str, JsonValue]:
    checked = judgement.checked
    if checked is None:
        return {}
    unverified: dict[str, JsonValue] = dict(checked.unruled)
    counts = {"asked": checked.asked, "ruled": checked.ruled, "beyond": checked.beyond}
    return {**counts, "unverified": unverified}


def _unchecked(ctx: ReportContext) -> tuple[tuple[str, Claim], ...]:
    """Return what reviewers had said when the run broke off before it could be checked."""
    said: list[tuple[str, Claim]] = []
    for reviewer in REVIEWERS:
        for answer in outputs_of(ctx, reviewer.key, Answer):
            said += [(reviewer.key, claim) for claim in answer.findings]
    return tuple(said)


def _failures(ctx: ReportContext, facts: Facts) -> list[FailedReviewer]:
    failures = [
        FailedReviewer(seat.key, seat.detail)
        for seat in facts.seats
        if seat.fate in {"failed", "empty", "partial"}
    ]
    if facts.judgement.checked and facts.judgement.checked.unruled:
        count = len(facts.judgement.checked.unruled)
        failures.append(FailedReviewer("verify", f"{count} findings stay unverified"))
    if facts.judgement.verdict == "inconclusive" or ctx.partial:
        failures.append(FailedReviewer("review", "; ".join(facts.judgement.reasons)))
    return failures
