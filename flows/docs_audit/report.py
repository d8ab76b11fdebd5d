"""The report: what is false, with its proof; what nobody could judge; what was not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

import flowrunner
from flowrunner import Report, ReportContext
from flowrunner.evidence.docs.statements import Kind
from flowrunner.evidence.sarif import FailedReviewer, sarif
from flowrunner.evidence.text import code_span, inline
from flowrunner.wire.findings import Finding

from .._shared.header import header_of, plain
from .._shared.kinds import Kind as Alike
from .._shared.kinds import kind_section, kinds_of
from .._shared.page import header_table, joined, listing, roster, summaries, warnings
from .._shared.seats import Seat
from .compare import Compared, reader_seat
from .decide import Judgement
from .survey import Ledger

SCHEMA = "docs-audit/1"
LISTED, UNDECIDED = 100, 40
_SENTENCES = {
    "accurate": "Every page was read, and every statement that was found is borne out.",
    "outdated": "Readers are told things that are not so.",
    "unproven": "Nothing graver than a note was found false, but not everything was looked at.",
    "inconclusive": "This says nothing about the documentation, neither good nor bad.",
}

_TALLIED = {
    Kind.LINK: "links lead to something",
    Kind.ANCHOR: "anchors are there",
    Kind.FILE: "files in commands are there",
    Kind.TARGET: "make targets are there",
    Kind.OPTION: "programs know the options",
    Kind.COMMAND: "programs know the commands",
    Kind.VARIABLE: "variables are read",
    Kind.PATH: "paths are there",
    Kind.NAME: "names are defined",
    Kind.IMPORT: "imports in examples work",
    Kind.CODE: "examples parse",
    Kind.VERSION: "versions are those required",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at the end; each part may be missing."""

    ledger: Ledger | None
    judgement: Judgement
    seat: Seat
    partial: bool


def render(ctx: ReportContext) -> Report:
    """Deterministic: no clock, no file is read (R2-43)."""
    facts = _facts(ctx)
    ground = facts.ledger.ground if facts.ledger else None
    judgement = facts.judgement
    header = header_of(ctx, ground, (facts.seat,), judgement, _quoted(judgement))
    return Report(
        markdown=joined(_parts(facts, header)),
        data=plain(
            {
                "schema": SCHEMA,
                "outcome": judgement.outcome,
                "reasons": judgement.reasons,
                "header": header,
                "seats": (facts.seat,),
                "tallies": facts.ledger.tallies if facts.ledger else {},
                "confirmed": judgement.confirmed,
                "findings": judgement.false,
                "undecided": judgement.undecided,
                "invented": judgement.invented,
                "unverified": judgement.checked.unruled if judgement.checked else {},
            }
        ),
        sarif=plain(sarif(judgement.false, flowrunner.__version__, failed=_failures(facts))),
        outcome=judgement.outcome,
    )


def _quoted(judgement: Judgement) -> tuple[Finding, ...]:
    looked_into = judgement.checked.findings if judgement.checked else judgement.undecided
    return (*judgement.false, *looked_into, *judgement.invented)


def _facts(ctx: ReportContext) -> Facts:
    compared, judgement = ctx.result("compare", Compared), ctx.result("decide", Judgement)
    seat = compared.seat if compared else reader_seat(ctx)
    ledger = ctx.result("survey", Ledger)
    if judgement is None:
        failed = [f"step '{key}' failed: {why}" for key, why in ctx.census.failed]
        judgement = Judgement(
            outcome="inconclusive",
            reasons=(*failed, "the run did not come to a judgement"),
            false=compared.faults if compared else (),
            undecided=compared.open if compared else (),
        )
    elif ctx.partial and judgement.outcome == "accurate":
        reasons = (*judgement.reasons, "the run did not complete")
        judgement = judgement.model_copy(update={"outcome": "unproven", "reasons": reasons})
    return Facts(ledger, judgement, seat, ctx.partial)


def _parts(facts: Facts, header: Mapping[str, JsonValue]) -> Iterator[str]:
    judgement = facts.judgement
    yield f"# Documentation audit: {judgement.outcome}"
    what = "what the sentences say is so"
    yield from warnings((facts.seat,), partial=facts.partial, what=what)
    yield _SENTENCES[judgement.outcome]
    yield listing("Why it is not called accurate", judgement.reasons)
    yield header_table(header)
    yield from _false(judgement)
    yield _undecided(judgement)
    yield _tallies(facts.ledger)
    yield f"## Readers\n\n{roster((facts.seat,), 'Step', 'Statements')}"
    yield summaries((facts.seat,))
    yield listing("Deferred", judgement.deferred)
    yield listing("Assumptions", judgement.assumptions)


def _tallies(ledger: Ledger | None) -> str:
    if ledger is None or not ledger.tallies:
        return ""
    lines = [
        "## Checked by code",
        "",
        "| What pages say | True | False | Open |",
        "|---|---|---|---|",
    ]
    for kind, tally in ledger.tallies.items():
        lines.append(f"| {_TALLIED[Kind(kind)]} | {tally.true} | {tally.false} | {tally.unknown} |")
    return "\n".join(lines)


def _false(judgement: Judgement) -> Iterator[str]:
    if not judgement.false:
        yield "## False statements\n\nNone."
        return
    head = ["## False statements", "", "| | What is so | Place | Found by |", "|---|---|---|---|"]
    kinds = kinds_of(judgement.false[:LISTED])
    yield "\n".join([*head, *map(_row, kinds)])
    if len(judgement.false) > LISTED:
        yield f"{len(judgement.false) - LISTED} more are in the JSON report."
    yield from (kind_section(number, kind) for number, kind in enumerate(kinds, start=1))


def _row(kind: Alike) -> str:
    claim = kind.first.claim
    place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
    return f"| {claim.severity.value} | {inline(kind.title)} | {place} | {kind.sources[0]} |"


def _undecided(judgement: Judgement) -> str:
    if not judgement.undecided:
        return ""
    unruled = judgement.checked.unruled if judgement.checked else {}
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in judgement.undecided:
        why = unruled.get(finding.id, "nobody could decide it")
        alike.setdefault((finding.claim.title, why), []).append(finding)
    lines = ["## Not decided", "", "| Statement | Place | Why |", "|---|---|---|"]
    for (title, why), same in list(alike.items())[:UNDECIDED]:
        claim = same[0].claim
        others = f" and {len(same) - 1} more" if len(same) > 1 else ""
        place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
        lines.append(f"| {inline(title)} | {place}{others} | {inline(why)} |")
    more = sum(map(len, list(alike.values())[UNDECIDED:]))
    return "\n".join([*lines, *(["", f"{more} more are in the JSON report."] if more > 0 else [])])


def _failures(facts: Facts) -> list[FailedReviewer]:
    failures: list[FailedReviewer] = []
    if facts.seat.fate in {"failed", "empty", "partial"}:
        failures.append(FailedReviewer(facts.seat.key, facts.seat.detail))
    if facts.judgement.outcome == "inconclusive" or facts.partial:
        failures.append(FailedReviewer("audit", "; ".join(facts.judgement.reasons)))
    return failures
