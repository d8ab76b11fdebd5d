"""What verifiers said, applied to the findings: nothing is dropped, little is believed (F-03)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.evidence.citations import MIN_QUOTE, is_supported, locate
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Finding, Ruling, Verdict

_AGAINST = frozenset({Verdict.REFUTED, Verdict.PARTIALLY_REFUTED})


@dataclass(frozen=True, slots=True)
class Ruled:
    """All findings in their order, and *notes* on rulings that could not be applied."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def apply_rulings(
    findings: Sequence[Finding], rulings: Sequence[tuple[str, Ruling]], tree: Tree
) -> Ruled:
    """Set each finding's verdict from (verifier, ruling) pairs.

    A refutation counts only if its own quotation is found in the tree, and whoever confirms by a
    quotation that is not there has confirmed nothing. Verifiers who disagree make a finding
    partially refuted.
    """
    known = {finding.id for finding in findings}
    notes = [
        f"{source} ruled on {ruling.finding!r}, which is no finding"
        for source, ruling in rulings
        if ruling.finding not in known
    ]
    ruled: list[Finding] = []
    for finding in findings:
        own = [(source, ruling) for source, ruling in rulings if ruling.finding == finding.id]
        ruled.append(_rule(finding, own, tree))
    return Ruled(tuple(ruled), tuple(notes))


def _rule(finding: Finding, rulings: Sequence[tuple[str, Ruling]], tree: Tree) -> Finding:
    verdicts: set[Verdict] = set()
    evidence: list[str] = []
    for source, ruling in rulings:
        proof = _proof(ruling, tree)
        if proof is None and (ruling.verdict in _AGAINST or _has_quoted(ruling)):
            evidence.append(f"{source} says {ruling.verdict} without evidence that checks out")
            continue
        verdicts.add(ruling.verdict)
        if ruling.verdict in _AGAINST:
            evidence.append(f"{source}: {proof}")
    if not rulings:
        return finding
    update = {"verdict": _combine(verdicts), "counter_evidence": "\n".join(evidence)}
    return finding.model_copy(update=update)


def _has_quoted(ruling: Ruling) -> bool:
    # A bracket on a line of its own is really there, and is no reason for anything.
    return ruling.counter is not None and len("".join(ruling.counter.quote.split())) >= MIN_QUOTE


def _proof(ruling: Ruling, tree: Tree) -> str | None:
    if ruling.counter is None or not _has_quoted(ruling):
        return None
    found = locate(ruling.counter, tree)
    if not is_supported(found.citation):
        return None
    place = f"{found.file}:{found.first}: {ruling.counter.quote}"
    return f"{place} ({ruling.reason})" if ruling.reason else place


def _combine(verdicts: set[Verdict]) -> Verdict:
    said = verdicts - {Verdict.UNVERIFIED}
    if len(said) > 1:
        return Verdict.PARTIALLY_REFUTED
    return next(iter(said), Verdict.UNVERIFIED)
