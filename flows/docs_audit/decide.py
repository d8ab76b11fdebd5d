"""From statements to an outcome: by code, so that nobody grades itself.

- `outdated`: something is false, and its proof is there: code has seen it, or an agent has refuted
  it with a quotation. Mere notes do not count.
- `accurate`: a model has read every page, every statement was looked into and borne out.
- `inconclusive`: there were no pages, or nobody has read any and code had nothing to check.
- `unproven`: everything else. Nothing false was found, but not everything was looked at.

A static pass is never `accurate`: that links and names exist says little about the sentences around
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import is_supported
from flowrunner.wire.findings import Finding, Severity, Verdict

from .._shared.gaps import holes, some
from .._shared.verifying import Checked, check
from .compare import Compared
from .examine import STEP, cases
from .survey import Ledger

Word = Literal["accurate", "outdated", "unproven", "inconclusive"]
_FALSE = frozenset({Verdict.REFUTED, Verdict.PARTIALLY_REFUTED})


class Judgement(BaseModel):
    """*false* are findings with proof; *undecided* are statements that nobody could judge.

    *invented* are statements with a quotation that no page has: nobody is asked about them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Word
    reasons: tuple[str, ...]
    false: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()
    invented: tuple[Finding, ...] = ()
    confirmed: int = 0
    checked: Checked | None = None
    deferred: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def decide(ctx: Context) -> Judgement:
    """The step: repeatable, over what was surveyed, compared and ruled."""
    ledger, compared = ctx.result("survey", Ledger), ctx.result("compare", Compared)
    if ledger is None or compared is None:
        raise ValueError("there is nothing to decide on")
    asked = tuple(cases(ctx.band, compared))
    checked = check(ctx, STEP, asked, compared.open, ledger.ground)
    return judge(ledger, compared, checked)


def judge(ledger: Ledger, compared: Compared, checked: Checked) -> Judgement:
    """Count what is false, and what nobody has looked at."""
    refuted = tuple(f for f in checked.findings if f.verdict in _FALSE)
    undecided = tuple(f for f in checked.findings if f.verdict is Verdict.UNVERIFIED)
    false = (*compared.faults, *refuted)
    reasons = tuple(_reasons(ledger, compared, checked, undecided))
    return Judgement(
        outcome=_outcome(ledger, compared, false, reasons),
        reasons=reasons,
        false=false,
        undecided=undecided,
        invented=compared.invented,
        confirmed=sum(f.verdict is Verdict.CONFIRMED for f in checked.findings),
        checked=checked,
        deferred=tuple(_deferred(ledger, compared)),
        assumptions=(*_assumptions(ledger, compared), *checked.notes),
    )


def _outcome(
    ledger: Ledger, compared: Compared, false: tuple[Finding, ...], reasons: tuple[str, ...]
) -> Word:
    if not ledger.ground.files or not (ledger.tallies or compared.seat.has_said):
        return "inconclusive"
    if any(f.claim.severity is not Severity.NOTE and is_supported(f.citation) for f in false):
        return "outdated"
    return "unproven" if reasons else "accurate"


def _reasons(
    ledger: Ledger, compared: Compared, checked: Checked, undecided: tuple[Finding, ...]
) -> Iterator[str]:
    seat = compared.seat
    if not ledger.ground.files:
        yield "there are no pages to audit"
    elif not seat.has_said:
        yield f"'extract' gave no usable answer: {seat.detail or seat.fate}"
    elif seat.fate != "answered":
        yield f"'extract' gave no usable answer for {seat.detail}"
    if seat.has_said and not seat.model_asked:
        yield "no model was asked: only what code can check was checked"
    if seat.truncated:
        yield "a reader stopped before the end"
    pages = (*ledger.unread, *compared.unread)
    if pages:
        yield f"no agent has read {some(pages)}"
    yield from holes(ledger.ground, "audited")
    yield from _unexamined(compared, checked, undecided)
    false = [f for f in (*compared.faults, *checked.findings) if _is_false(f, compared)]
    if false:
        yield f"statements that are false: {len(false)}"


def _is_false(finding: Finding, compared: Compared) -> bool:
    return finding in compared.faults or finding.verdict in _FALSE


def _unexamined(
    compared: Compared, checked: Checked, undecided: tuple[Finding, ...]
) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, why in checked.unruled.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in sorted(by_reason.items()):
        yield f"'{STEP}': not verified, {why}: {some(names)}"
    rest = len(undecided) - len(checked.unruled)
    if rest > 0:
        yield f"statements that could not be decided: {rest}"
    if compared.invented:
        yield f"{len(compared.invented)} statements of 'extract' have a quotation that no page has"


def _deferred(ledger: Ledger, compared: Compared) -> Iterator[str]:
    if ledger.unread:
        yield f"{some(ledger.unread)}: audit with band=medium, or with paths that name them"
    if compared.beyond:
        yield f"{compared.beyond} statements were beyond what one run examines: narrow the paths"
    if ledger.unlisted:
        yield f"{ledger.unlisted} more false statements are counted and not listed"


def _assumptions(ledger: Ledger, compared: Compared) -> Iterator[str]:
    yield "changelogs, decisions and plans tell of other times: of them only links were checked"
    for left in ledger.ground.left_out:
        if left not in ledger.ground.gaps:
            yield f"not audited, {left.reason}: {some(left.examples, left.count)}"
    yield from ledger.ground.scope.notes
    if compared.covered and compared.seat.model_asked:
        yield f"{compared.covered} statements of agents were such as code had judged already"
