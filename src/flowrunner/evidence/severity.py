"""What code decides about severity and length (F-04); a security finding is never touched here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowrunner.evidence.fingerprints import slug
from flowrunner.wire.findings import Claim, Finding, Severity, Verdict

ORDER = tuple(Severity)
"""From worst to mildest."""

CONFIDENCE = {
    Severity.CRITICAL: 0.9,
    Severity.MAJOR: 0.9,
    Severity.MINOR: 0.8,
    Severity.NOTE: 0.6,
}
"""Of what a program has found, not judged."""

_SECURITY = frozenset(
    {"security", "injection", "secrets", "secret", "crypto", "cryptography", "auth", "authn"}
    | {"authz", "authentication", "authorization", "vulnerability", "xss", "ssrf", "csrf", "rce"}
)
_UNREACHABLE = re.compile(
    r"\s*(?:unreachable|not\s+reach(?:able|ed)|never\s+(?:called|reached|executed|run)|dead\s+code"
    r"|cannot\s+be\s+reached)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Caps:
    """How many findings a report lists per severity; *notes_when_tiny* for a few changed lines."""

    per_severity: int = 50
    notes_when_tiny: int = 3


@dataclass(frozen=True, slots=True)
class Capped:
    """*hidden* did not fit: still in the data of the report, and counted in its text."""

    shown: tuple[Finding, ...]
    hidden: tuple[Finding, ...]


def rank(severity: Severity) -> int:
    """Return 0 for the worst."""
    return ORDER.index(severity)


def is_security(claim: Claim) -> bool:
    """Judge by the words of the category, so that `security/injection` counts too."""
    return not _SECURITY.isdisjoint(slug(claim.category).split("-"))


def demote(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Lower by one level what its own reviewer calls unreachable; repeatable without effect."""
    return tuple(_demoted(finding) for finding in findings)


def stands(finding: Finding) -> bool:
    """Return whether a finding still counts: a refuted one does not, unless it is security."""
    return finding.verdict is not Verdict.REFUTED or is_security(finding.claim)


def cap(findings: Sequence[Finding], caps: Caps, *, tiny_change: bool = False) -> Capped:
    """Show the first of each severity, in the order given; security is never hidden."""
    limits = dict.fromkeys(ORDER, caps.per_severity)
    if tiny_change:
        limits[Severity.NOTE] = min(caps.notes_when_tiny, caps.per_severity)
    seen: Counter[Severity] = Counter()
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in findings:
        if is_security(finding.claim):
            shown.append(finding)
            continue
        severity = finding.claim.severity
        seen[severity] += 1
        (shown if seen[severity] <= limits[severity] else hidden).append(finding)
    return Capped(tuple(shown), tuple(hidden))


def _demoted(finding: Finding) -> Finding:
    claim = finding.claim
    milder = ORDER[min(rank(claim.severity) + 1, len(ORDER) - 1)]
    exempt = is_security(claim) or finding.demoted_from is not None or milder is claim.severity
    if exempt or not _UNREACHABLE.match(claim.reach):
        return finding
    return finding.model_copy(
        update={
            "claim": claim.model_copy(update={"severity": milder}),
            "demoted_from": claim.severity,
            "demotion": "the reviewer says that the code is not reached",
        }
    )
