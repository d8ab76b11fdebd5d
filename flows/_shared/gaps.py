"""What keeps a run from its clean outcome: who did not answer, and what nobody looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.evidence.citations import is_supported
from flowrunner.wire.findings import Citation, Finding

from .ground import Ground
from .seats import Seat

_NAMED = 5


def silence(called: Sequence[Seat], *, who: str = "", static: str) -> Iterator[str]:
    """Yield a reason per agent without a usable answer, and for answers without a model.

    *static* says what was done where no model was asked at all.
    """
    for seat in called:
        if seat.fate != "answered":
            yield f"{who}'{seat.key}' gave no usable answer: {seat.detail or seat.fate}"
    answered = [seat for seat in called if seat.has_said]
    unasked = [seat.key for seat in answered if not seat.model_asked]
    if unasked and len(unasked) == len(answered):
        yield f"no model was asked: {static}"
    elif unasked:
        yield f"without a model, by static checks only: {', '.join(unasked)}"
    short = [seat.key for seat in answered if seat.truncated]
    if short:
        yield f"stopped before the end: {', '.join(short)}"


def holes(ground: Ground, done: str) -> Iterator[str]:
    """Yield a reason per kind of files that were not *done*, and that somebody should have."""
    for gap in ground.gaps:
        yield f"not {done}, {gap.reason}: {some(gap.examples, gap.count)}"
    if ground.scope.nameless:
        yield f"not {done}, their names are not UTF-8: {ground.scope.nameless} files"


def untrue(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a reason where quotations are not there: who invents one cannot clear the rest."""
    count = sum(is_untrue(finding) for finding in findings)
    if count:
        yield f"findings whose quotation is not in the files: {count} of {len(findings)}"


def is_untrue(finding: Finding) -> bool:
    """Return whether the quotation was looked for, and is not there."""
    return not is_supported(finding.citation) and finding.citation is not Citation.TREE_CHANGED


def some(names: Sequence[str], count: int | None = None) -> str:
    """Return the first of *names*, and how many there are beyond, of *count* in all."""
    more = (len(names) if count is None else count) - len(names[:_NAMED])
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
