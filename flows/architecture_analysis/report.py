"""The report: the map, the risks with their remedies, what was found, and who did not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

import flowrunner
from flowrunner import Report, ReportContext
from flowrunner.evidence.sarif import FailedReviewer, sarif
from flowrunner.evidence.structure.survey import Part
from flowrunner.evidence.text import code_span, inline

from .._shared.header import header_of, plain
from .._shared.kinds import Kind, kind_section, kinds_of, kinds_table
from .._shared.page import (
    computing,
    header_table,
    joined,
    listing,
    roster,
    summaries,
    warnings,
)
from .._shared.parts import outputs_of
from .._shared.seats import Seat, seat_of
from . import picture, risk
from .decide import Judgement, counts
from .fold import CODE, Folded
from .inventory import Stock
from .picture import Picture
from .risk import Deferred, Risks
from .roster import ANALYSTS
from .weigh import Scales, Weighed

SCHEMA = "architecture-analysis/1"
PARTS, USES, LISTED = 40, 8, 30
_SENTENCES = {
    "sound": "Everybody who was called answered, and no risk above low stands.",
    "risks": "Risks stand that are worth a decision; the gravest come first.",
    "unproven": "No risk above low stands, but not everything was looked at.",
    "inconclusive": "This says nothing about the architecture, neither good nor bad.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at the end; each part may be missing."""

    stock: Stock | None
    judgement: Judgement
    pictures: tuple[Picture, ...]
    deferred: tuple[Deferred, ...]
    partial: bool


def render(ctx: ReportContext) -> Report:
    """Deterministic: no clock, no file is read (R2-43)."""
    facts = _facts(ctx)
    judgement = facts.judgement
    ground = facts.stock.ground if facts.stock else None
    quoted = (*judgement.findings, *(each.finding for each in judgement.risks))
    header = header_of(ctx, ground, judgement.seats, judgement, quoted)
    return Report(
        markdown=joined(_parts(facts, header)),
        data=plain(
            {
                "schema": SCHEMA,
                "outcome": judgement.outcome,
                "reasons": judgement.reasons,
                "header": header,
                "seats": judgement.seats,
                "inventory": facts.stock.inventory if facts.stock else None,
                "risks": [_plain_risk(each) for each in judgement.risks],
                "findings": judgement.findings,
                "pictures": facts.pictures,
                "deferred": facts.deferred,
                "unverified": judgement.checked.unruled if judgement.checked else {},
            }
        ),
        sarif=plain(sarif(judgement.findings, flowrunner.__version__, failed=_failures(facts))),
        outcome=judgement.outcome,
    )


def _plain_risk(each: Weighed) -> dict[str, JsonValue]:
    return {**each.model_dump(mode="json"), "level": each.level}


def _facts(ctx: ReportContext) -> Facts:
    judgement = ctx.result("decide", Judgement)
    if judgement is None:
        judgement = _no_judgement(ctx)
    elif ctx.partial and judgement.outcome == "sound":
        reasons = (*judgement.reasons, "the run did not complete")
        judgement = judgement.model_copy(update={"outcome": "unproven", "reasons": reasons})
    steps = (picture.ARCHITECT[0], picture.SYSTEM[0])
    pictures = tuple(p for step in steps for p in outputs_of(ctx, step, Picture) if p.model_asked)
    weighed = tuple(outputs_of(ctx, risk.STEP, Risks))
    deferred = tuple(each for said in (*weighed, *pictures) for each in said.deferred)
    return Facts(ctx.result("inventory", Stock), judgement, pictures, deferred, ctx.partial)


def _no_judgement(ctx: ReportContext) -> Judgement:
    folded, scales = ctx.result("fold", Folded), ctx.result("weigh", Scales)
    failed = [f"step '{key}' failed: {why}" for key, why in ctx.census.failed]
    seats = tuple(seat_of(a.key, a.persona, ctx) for a in ANALYSTS)
    return Judgement(
        outcome="inconclusive",
        reasons=(*failed, "the run did not come to a judgement"),
        seats=(*seats, risk.seat(ctx), *picture.seats(ctx)),
        risks=scales.risks if scales else (),
        findings=folded.findings if folded else (),
    )


def _parts(facts: Facts, header: Mapping[str, JsonValue]) -> Iterator[str]:
    judgement = facts.judgement
    drawn = picture.KEYS if facts.pictures else ()
    yield f"# Architecture analysis: {judgement.outcome}"
    what = "the design is a good one"
    yield from warnings(judgement.seats, partial=facts.partial, what=what)
    yield _SENTENCES[judgement.outcome]
    yield listing("Why it is not called sound", judgement.reasons)
    yield header_table(header)
    yield from _pictures(facts)
    yield from _risks(judgement)
    yield _map(facts.stock)
    yield _hot(facts.stock)
    yield from _findings(judgement)
    yield f"## Analysts\n\n{roster(judgement.seats, 'Analyst')}"
    yield summaries([s for s in judgement.seats if s.key not in drawn])
    told = [f"{each.what} (reopen when: {each.reopen_when})" for each in facts.deferred]
    yield listing("Deferred", [*told, *judgement.deferred])
    yield listing("Assumptions", judgement.assumptions)


def _pictures(facts: Facts) -> Iterator[str]:
    for each in facts.pictures:
        yield inline(each.summary, 4000)
        yield listing("Advice", each.advice)
        roles = [f"{part.name}: {part.role}" for part in each.components]
        yield listing("Parts, as an architect sees them", roles)


def _map(stock: Stock | None) -> str:
    if stock is None or not stock.inventory.parts:
        return ""
    seen = stock.inventory
    told = f"{seen.files} files, {seen.lines} lines, {seen.imports} imports between them."
    head = ["## Components", "", told, "", "| Component | Files | Lines | Used by | Uses |"]
    rows = [*head, "|---|---|---|---|---|"]
    for part in sorted(seen.parts, key=lambda p: (-p.used_by, -p.lines, p.name))[:PARTS]:
        uses = _uses(part)
        name = code_span(part.name, in_table=True)
        rows.append(f"| {name} | {part.files} | {part.lines} | {part.used_by} | {uses} |")
    more = len(seen.parts) - PARTS
    return "\n".join([*rows, *(["", f"{more} more are in the JSON report."] if more > 0 else [])])


def _uses(part: Part) -> str:
    """Return whom a component uses, most first, and how often."""
    ranked = sorted(part.uses.items(), key=lambda each: (-each[1], each[0]))
    told = [f"{inline(name)} {count}" for name, count in ranked[:USES]]
    return ", ".join(told) + (f" and {len(ranked) - USES} more" if len(ranked) > USES else "")


def _hot(stock: Stock | None) -> str:
    if stock is None or not stock.inventory.hot:
        return ""
    rows = ["## Files that stand out", "", "| File | Lines | Used by | Uses | Changes |"]
    rows.append("|---|---|---|---|---|")
    for each in stock.inventory.hot:
        changes = "" if each.churn is None else each.churn
        name = code_span(each.path, in_table=True)
        rows.append(f"| {name} | {each.lines} | {each.fan_in} | {each.fan_out} | {changes} |")
    return "\n".join(rows)


def _risks(judgement: Judgement) -> Iterator[str]:
    if not judgement.risks:
        yield "## Risks\n\nNone was named."
        return
    rows = ["## Risks", "", "| Level | Risk | Likelihood | Impact | Place | By | Verdict |"]
    rows.append("|---|---|---|---|---|---|---|")
    rows += [_risk_row(each) for each in judgement.risks[:LISTED]]
    yield "\n".join(rows)
    if len(judgement.risks) > LISTED:
        yield f"{len(judgement.risks) - LISTED} more, none graver, are in the JSON report."
    unruled = judgement.checked.unruled if judgement.checked else {}
    graver = [each for each in judgement.risks if counts(each)]
    for number, each in enumerate(graver[:LISTED], start=1):
        yield kind_section(number, Kind((each.finding,), unruled.get(each.finding.id, "")))
        if each.source == risk.STEP and each.option:
            yield f"Option: {inline(each.option, 2000)}"
        if each.simpler:
            yield f"Simpler: {inline(each.simpler, 2000)}"


def _risk_row(each: Weighed) -> str:
    claim = each.finding.claim
    place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
    level = f"**{each.level}**" if counts(each) else each.level
    verdict = "computed" if each.source != risk.STEP else each.finding.verdict.replace("_", " ")
    cells = (level, inline(claim.title), each.likelihood, each.impact, place, each.source, verdict)
    return f"| {' | '.join(cells)} |"


def _findings(judgement: Judgement) -> Iterator[str]:
    listed = {each.finding.id for each in judgement.risks}
    rest = [finding for finding in judgement.findings if finding.id not in listed]
    if not rest:
        yield "## Other findings\n\nNone."
        return
    kinds = kinds_of(rest)
    computed = computing(judgement.seats) | {CODE}
    yield f"## Other findings\n\n{kinds_table(kinds[:LISTED], computed)}"
    if len(kinds) > LISTED:
        yield f"{len(kinds) - LISTED} more kinds are in the JSON report."


def _failures(facts: Facts) -> list[FailedReviewer]:
    silent: list[Seat] = [
        seat for seat in facts.judgement.seats if seat.fate in {"failed", "empty", "partial"}
    ]
    failures = [FailedReviewer(seat.key, seat.detail) for seat in silent]
    if facts.judgement.outcome == "inconclusive" or facts.partial:
        failures.append(FailedReviewer("analysis", "; ".join(facts.judgement.reasons)))
    return failures
