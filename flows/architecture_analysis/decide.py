"""From risks to an outcome: by code, so that nobody grades itself.

- `risks`: a risk of medium level or above stands: its quotation is there, and nobody refuted it.
- `sound`: everybody who was called answered, each was a model that was not cut short, every risk at
  the top was looked into, and none above low stands.
- `inconclusive`: there is no source, or nobody gave a usable answer and code found nothing.
- `unproven`: everything else.

A static pass is never `sound`: that imports do not go in circles says little about the design.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.severity import demote, stands
from flowrunner.wire.findings import Finding, Severity

from .._shared.gaps import holes, silence, some, untrue
from .._shared.seats import Seat
from .._shared.verifying import Checked, check
from . import picture, risk
from .fold import Folded
from .instructions import stock_of
from .inventory import Stock
from .verify import STEP, candidates, cases
from .weigh import Scales, Weighed

Word = Literal["sound", "risks", "unproven", "inconclusive"]


class Judgement(BaseModel):
    """*risks* are in their order, with what verifiers made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Word
    reasons: tuple[str, ...]
    seats: tuple[Seat, ...] = ()
    risks: tuple[Weighed, ...] = ()
    findings: tuple[Finding, ...] = ()
    checked: Checked | None = None
    deferred: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def decide(ctx: Context) -> Judgement:
    """The step: repeatable, over what was folded, weighed and ruled."""
    stock, folded, scales = stock_of(ctx), ctx.result("fold", Folded), ctx.result("weigh", Scales)
    if folded is None or scales is None:
        raise ValueError("there is nothing to decide on")
    given = [each.finding for each in scales.risks]
    checked = check(ctx, STEP, tuple(cases(ctx.band, scales)), given, stock.ground)
    ruled = {finding.id: finding for finding in checked.findings}
    risks = [e.model_copy(update={"finding": ruled[e.finding.id]}) for e in scales.risks]
    seats = (*folded.seats, risk.seat(ctx), *picture.seats(ctx))
    return judge(stock, folded, (seats, risks), checked)


def judge(
    stock: Stock,
    folded: Folded,
    said: tuple[Sequence[Seat], Sequence[Weighed]],
    checked: Checked,
) -> Judgement:
    """Count what stands, and who has not answered."""
    seats, risks = said
    findings = demote(folded.findings)
    reasons = tuple(_reasons(stock, said, findings, checked))
    return Judgement(
        outcome=_outcome(stock, said, reasons),
        reasons=reasons,
        seats=tuple(seats),
        risks=tuple(risks),
        findings=findings,
        checked=checked,
        deferred=tuple(_deferred(stock, risks, checked)),
        assumptions=(*_assumptions(stock), *checked.notes),
    )


def counts(each: Weighed) -> bool:
    """Return whether a risk stands: quoted rightly, not refuted, and more than low."""
    held = is_supported(each.finding.citation) and stands(each.finding)
    return held and each.level != "low"


def _outcome(
    stock: Stock, said: tuple[Sequence[Seat], Sequence[Weighed]], reasons: Sequence[str]
) -> Word:
    seats, risks = said
    if not stock.inventory.files:
        return "inconclusive"
    if any(counts(each) for each in risks):
        return "risks"
    if not any(seat.has_said for seat in seats):
        return "inconclusive"
    return "unproven" if reasons else "sound"


def _reasons(
    stock: Stock,
    said: tuple[Sequence[Seat], Sequence[Weighed]],
    findings: Sequence[Finding],
    checked: Checked,
) -> Iterator[str]:
    seats, risks = said
    if not stock.inventory.files:
        yield "there is no source to analyse"
    called = [seat for seat in seats if seat.fate not in {"skipped", "excluded"}]
    yield from silence(called, static="only what code can see was looked at")
    yield from holes(stock.ground, "analysed")
    if stock.inventory.unread:
        yield f"files that do not parse: {some(stock.inventory.unread)}"
    by_reason: dict[str, list[str]] = {}
    for name, why in checked.unruled.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in sorted(by_reason.items()):
        yield f"'{STEP}': not verified, {why}: {some(names)}"
    standing = sum(counts(each) for each in risks)
    if standing:
        yield f"risks of medium level or above that stand: {standing}"
    unproved = [each for each in risks if not is_supported(each.finding.citation)]
    if unproved:
        yield f"risks with a quotation that is not there: {len(unproved)}"
    grave = [f for f in findings if f.claim.severity in {Severity.CRITICAL, Severity.MAJOR}]
    if grave:
        yield f"findings that are major or critical: {len(grave)}"
    yield from untrue(findings)


def _deferred(stock: Stock, risks: Sequence[Weighed], checked: Checked) -> Iterator[str]:
    unasked = len(candidates(Scales(risks=tuple(risks)))) - checked.asked
    if unasked > 0:
        yield f"{unasked} risks further down were not given to a verifier: ask for a deeper band"
    if stock.unlisted:
        yield f"{stock.unlisted} more of what code found are not listed"


def _assumptions(stock: Stock) -> Iterator[str]:
    yield "imports are what is counted: use by text, by reflection or over a network is not seen"
    yield "tests, examples, generated and vendored files are not part of the structure"
    if not stock.inventory.has_history:
        yield "there is no git history: nothing is said of how often files change"
    yield from stock.ground.scope.notes
