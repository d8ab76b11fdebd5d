"""The report: one set of facts, told to people, to programs and to code scanning pages.

It renders whatever there is. A run that broke off has no judgement, and then the verdict is
`inconclusive`, whatever the reviewers had said by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue, TypeAdapter

import flowrunner
from flowrunner import Report, ReportContext
from flowrunner.evidence.sarif import FailedReviewer, sarif
from flowrunner.wire.findings import Answer, Claim, Finding

from .decide import Judgement
from .fold import Folded, Seat, seat_of
from .page import Page, page
from .roster import REVIEWERS
from .scope import Ground

SCHEMA = "code-review/1"

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


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
    header = _header(ctx, facts)
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
        data=_plain(
            {
                "schema": SCHEMA,
                "verdict": facts.judgement.verdict,
                "reasons": facts.judgement.reasons,
                "header": header,
                "seats": facts.seats,
                "findings": facts.findings,
                "shown": facts.judgement.shown,
            }
        ),
        sarif=_plain(sarif(facts.findings, flowrunner.__version__, failed=_failures(ctx, facts))),
        outcome=facts.judgement.verdict,
    )


def _facts(ctx: ReportContext) -> Facts:
    ground, folded = ctx.result("scope", Ground), ctx.result("fold", Folded)
    judgement = ctx.result("decide", Judgement)
    if judgement is None:
        judgement = _no_judgement(ctx, folded)
    elif ctx.partial and judgement.verdict == "approve":
        reasons = (*judgement.reasons, "the run did not complete")
        judgement = judgement.model_copy(update={"verdict": "comment", "reasons": reasons})
    seats = folded.seats if folded else tuple(seat_of(reviewer, ctx) for reviewer in REVIEWERS)
    return Facts(ground, folded, judgement, seats)


def _no_judgement(ctx: ReportContext, folded: Folded | None) -> Judgement:
    failed = dict(ctx.census.failed)
    broken = [f"step '{key}' failed: {failed[key]}" for key in _CODE_STEPS if key in failed]
    return Judgement(
        verdict="inconclusive",
        reasons=(*broken, "the run did not come to a judgement"),
        findings=folded.findings if folded else (),
        shown=tuple(finding.id for finding in folded.findings) if folded else (),
    )


_CODE_STEPS = ("scope", "fold", "decide")


def _header(ctx: ReportContext, facts: Facts) -> dict[str, JsonValue]:
    scope = facts.ground.scope if facts.ground else None
    seconds = (ctx.finished_at - ctx.started_at).total_seconds() if ctx.finished_at else None
    usage = ctx.usage
    return {
        "flow": ctx.flow,
        "band": ctx.band,
        "project": ctx.project.name,
        "run": str(ctx.run_id),
        "definition": ctx.definition,
        "commit": ctx.commit or (scope.commit if scope else None),
        "base": scope.base if scope else None,
        "head": scope.head if scope else None,
        "files": len(facts.ground.files) if facts.ground else None,
        "model": ctx.model,
        "model_asked": any(seat.model_asked for seat in facts.seats),
        "started_at": ctx.started_at.isoformat(),
        "seconds": seconds,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_microusd": usage.cost_microusd if usage else None,
        "roster": [seat.key for seat in facts.seats if seat.fate != "excluded"],
        "census": _census(ctx),
        "degraded": ctx.partial or bool(ctx.census.failed) or _is_silent(facts.seats),
        "deferred": list(facts.judgement.deferred),
        "assumptions": list(facts.judgement.assumptions),
    }


def _census(ctx: ReportContext) -> dict[str, JsonValue]:
    census = ctx.census
    return {
        "ok": list(census.ok),
        "failed": dict(census.failed),
        "skipped": list(census.skipped),
        "excluded": dict(census.excluded),
        "retried": dict(census.retried),
        "cancelled": list(census.cancelled),
    }


def _is_silent(seats: Sequence[Seat]) -> bool:
    return any(seat.fate in {"failed", "empty"} for seat in seats)


def _unchecked(ctx: ReportContext) -> tuple[tuple[str, Claim], ...]:
    """Return what reviewers had said when the run broke off before it could be checked."""
    said: list[tuple[str, Claim]] = []
    for reviewer in REVIEWERS:
        answer = ctx.result(reviewer.key, Answer)
        if answer is not None:
            said += [(reviewer.key, claim) for claim in answer.findings]
    return tuple(said)


def _failures(ctx: ReportContext, facts: Facts) -> list[FailedReviewer]:
    failures = [
        FailedReviewer(seat.key, seat.detail)
        for seat in facts.seats
        if seat.fate in {"failed", "empty"}
    ]
    if facts.judgement.verdict == "inconclusive" or ctx.partial:
        failures.append(FailedReviewer("review", "; ".join(facts.judgement.reasons)))
    return failures


def _plain(value: object) -> JsonValue:
    return _JSON.validate_python(_ANY.dump_python(value, mode="json"))


_ANY: TypeAdapter[object] = TypeAdapter(object)
