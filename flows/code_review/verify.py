"""Which findings a verifier looks into, by band, and what its rulings make of them.

| small | medium | large |
|---|---|---|
| all above notes, by one verifier | each that is major or critical | each, critical ones twice |

Only what a model said, with a quotation that is there, is verified: a static check is computed, and
would be computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner import Context
from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.severity import rank
from flowrunner.wire.findings import Finding, Severity

from .._shared.ground import Ground
from .._shared.verifying import Case, Checked, check, one_case, single_cases, verifier_prompt
from .fold import Folded

STEP = "verify"
MAX_CASES = 200
_LEAST = {"small": Severity.MINOR, "medium": Severity.MAJOR, "large": Severity.NOTE}


def members(ctx: Context) -> Sequence[dict[str, object]]:
    """Return the cases; none where nothing was said that a model could have got wrong."""
    folded = ctx.result("fold", Folded)
    return [case.model_dump(mode="json") for case in _cases(ctx, folded)] if folded else []


def case_key(member: dict[str, object]) -> str:
    return Case.model_validate(member).key


def prompt(ctx: Context) -> str:
    folded = ctx.result("fold", Folded)
    if folded is None:
        raise ValueError("there is nothing to verify")
    return verifier_prompt(ctx, folded.findings)


def verified(ctx: Context, ground: Ground, folded: Folded) -> Checked:
    """Return the findings with what the verifiers made of them."""
    cases = tuple(_cases(ctx, folded))
    found = check(ctx, STEP, cases, folded.findings, ground)
    named = {name for case in cases for name in case.findings}
    beyond = sum(f.id not in named for f in _candidates(ctx.band, folded))
    return found.model_copy(update={"beyond": beyond})


def _cases(ctx: Context, folded: Folded) -> Iterator[Case]:
    candidates = _candidates(ctx.band, folded)
    if ctx.band == "small":
        yield from one_case(candidates)
        return
    grave = [f for f in candidates if f.claim.severity is Severity.CRITICAL]
    doubled = [f.id for f in grave] if ctx.band == "large" else []
    yield from single_cases(candidates[: MAX_CASES - len(doubled)], doubled)


def _candidates(band: str, folded: Folded) -> list[Finding]:
    thought = {seat.key for seat in folded.seats if seat.model_asked}
    least = rank(_LEAST.get(band, Severity.NOTE))
    return [
        finding
        for finding in folded.findings
        if rank(finding.claim.severity) <= least
        and is_supported(finding.citation)
        and not thought.isdisjoint(finding.sources)
    ]
