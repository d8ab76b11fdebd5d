"""From findings and from who answered to a verdict: by code, so that no model grades itself.

- `block`: something critical stands: its quotation was found, and nobody has refuted it. A major
  finding blocks only once a verifier has confirmed it.
- `approve`: every reviewer that was called answered, each was a model that was not cut short,
  every file was read, every quotation is there, and there is nothing worse than a note.
- `inconclusive`: nobody gave a usable answer, or there was nothing to review.
- `rejected`: a person was asked, and said no.
- `comment`: everything else.

A finding whose verifier gave no answer counts as nobody's having looked: it stays, it is named, and
it keeps from approving, however mild it is.

A static pass never approves. Its checks find what has a shape: a leaked key, a swallowed error, a
mutable default. That nothing of the kind is there says little about whether the code does what it
should, and `approve` would be read as if somebody had thought about that. It may block, though: a
leaked key needs no judgement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.severity import Caps, cap, demote, stands
from flowrunner.wire.findings import Citation, Finding, Severity, Verdict

from .._shared.gaps import holes, silence, some, untrue
from .._shared.ground import Ground
from .._shared.verifying import Checked
from .fold import Folded
from .verify import verified

CAPS = Caps()

Word = Literal["approve", "comment", "block", "inconclusive", "rejected"]


class Judgement(BaseModel):
    """*reasons* say what stands between this and an approval; *shown* are ids in report order.

    *checked* is what verifiers did to the findings, *dropped* are those that a person set aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Word
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    shown: tuple[str, ...]
    deferred: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    checked: Checked | None = None
    dropped: tuple[Finding, ...] = ()


def decide(ctx: Context) -> Judgement:
    """The step: repeatable, and without a look at anything but what was folded and ruled."""
    ground, folded = ctx.result("scope", Ground), ctx.result("fold", Folded)
    if ground is None or folded is None:
        raise ValueError("there is nothing to decide on")
    return judge(ground, folded, verified(ctx, ground, folded))


def judge(ground: Ground, folded: Folded, checked: Checked | None = None) -> Judgement:
    """Lower what code can see is milder, then count: findings for it, gaps against it."""
    checked = checked or Checked(findings=folded.findings)
    findings = demote(checked.findings)
    shown = cap(findings, CAPS, tiny_change=ground.scope.is_tiny).shown
    reasons = (*_reasons(ground, folded, findings), *_unverified(checked))
    return Judgement(
        verdict=_verdict(folded, findings, reasons),
        reasons=reasons,
        findings=findings,
        shown=tuple(finding.id for finding in shown),
        deferred=tuple(_deferred(ground, folded, checked)),
        assumptions=(*_assumptions(ground), *checked.notes),
        checked=checked,
    )


def blocks(finding: Finding) -> bool:
    """Return whether this finding alone decides."""
    if not is_supported(finding.citation):
        return False
    match finding.claim.severity, finding.verdict:
        case Severity.CRITICAL, Verdict.UNVERIFIED | Verdict.CONFIRMED:
            return True
        case Severity.MAJOR, Verdict.CONFIRMED:
            return True
        case _:
            return False


def _verdict(folded: Folded, findings: Sequence[Finding], reasons: Sequence[str]) -> Word:
    if not any(seat.has_said for seat in folded.seats):
        return "inconclusive"
    if any(blocks(finding) for finding in findings):
        return "block"
    return "comment" if reasons else "approve"


def _reasons(ground: Ground, folded: Folded, findings: Sequence[Finding]) -> Iterator[str]:
    called = [seat for seat in folded.seats if seat.fate not in {"skipped", "excluded"}]
    if not ground.scope.files:
        yield "there was nothing to review"
    elif not called:
        yield "no reviewer was called"
    static = "only static checks were made"
    yield from silence(called, who="reviewer ", static=static)
    if ground.is_elsewhere:
        yield "the head is not checked out: reviewers read other files than those it has"
    yield from holes(ground, "reviewed")
    if folded.unread and any(seat.has_said for seat in called):
        yield f"no answer says that it read {some(folded.unread, len(folded.unread))}"
    yield from _faults(findings)


def _faults(findings: Sequence[Finding]) -> Iterator[str]:
    counts = {s: 0 for s in Severity if s is not Severity.NOTE}
    for finding in findings:
        if finding.claim.severity in counts and stands(finding):
            counts[finding.claim.severity] += 1
    told = [f"{count} {severity.value}" for severity, count in counts.items() if count]
    if told:
        yield f"findings: {', '.join(told)}"
    yield from untrue(findings)
    if any(finding.citation is Citation.TREE_CHANGED for finding in findings):
        yield "files changed while they were reviewed"


def _unverified(checked: Checked) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, why in checked.unruled.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in sorted(by_reason.items()):
        yield f"'verify': not verified, {why}: {some(names, len(names))}"


def _deferred(ground: Ground, folded: Folded, checked: Checked) -> Iterator[str]:
    """Tell what was put off, and what would bring it back."""
    for gap in ground.gaps:
        files = some(gap.examples, gap.count)
        yield f"{files} ({gap.reason}): review again with paths that name them"
    if any(seat.model_asked for seat in folded.seats) and folded.findings and not checked.ruled:
        yield "no verifier has tried to refute the findings: read each one's quotation yourself"
    if checked.beyond:
        yield f"{checked.beyond} findings were beyond what is verified in one run: narrow the paths"


def _assumptions(ground: Ground) -> Iterator[str]:
    for left in ground.left_out:
        if left not in ground.gaps:
            yield f"not handed to reviewers, {left.reason}: {some(left.examples, left.count)}"
    if ground.diff_cut:
        yield f"reviewers saw the difference without its last {ground.diff_cut} characters"
    yield from ground.scope.notes
