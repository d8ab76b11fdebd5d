"""Severity is lowered and lists are cut by code, in the open, and never for security."""

from pathlib import Path

import pytest

from flowrunner.evidence.folding import fold
from flowrunner.evidence.severity import Caps, cap, demote, is_security
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Claim, Finding, Severity
from unit.evidence.projects import a_claim, an_answer


def findings(*claims: Claim) -> tuple[Finding, ...]:
    return fold([("r", an_answer(*claims))], Tree(Path("/nonexistent"), {}))


def many(count: int, severity: Severity, category: str = "style") -> list[Claim]:
    """Return claims that folding keeps apart."""
    rules = [f"{severity}-{n}" for n in range(count)]
    return [a_claim(rule=rule, severity=severity, category=category) for rule in rules]


@pytest.mark.parametrize(
    ("reach", "severity", "expected"),
    [
        ("unreachable: the caller checks first", Severity.CRITICAL, Severity.MAJOR),
        ("Never called from outside", Severity.MINOR, Severity.NOTE),
        ("dead code", Severity.NOTE, Severity.NOTE),
        ("reachable from the public API, never mind the guard", Severity.MAJOR, Severity.MAJOR),
        ("", Severity.MAJOR, Severity.MAJOR),
    ],
)
def test_what_is_not_reached_is_one_level_milder(
    reach: str, severity: Severity, expected: Severity
) -> None:
    """F-04: the reviewer's own word on reachability lowers its severity by one, once."""
    (after,) = demote(demote(findings(a_claim(reach=reach, severity=severity))))

    assert after.claim.severity is expected
    assert (after.demoted_from, bool(after.demotion)) == (
        (severity, True) if severity is not expected else (None, False)
    )


def test_security_is_not_demoted() -> None:
    """F-04: whether an attacker reaches it is not settled by one word."""
    claim = a_claim(reach="unreachable", severity=Severity.MAJOR, category="Security")

    assert demote(findings(claim)) == findings(claim)


def test_each_severity_is_capped_and_the_rest_is_kept_apart() -> None:
    """F-04: what does not fit is counted and handed back, never lost."""
    told = findings(*many(5, Severity.MAJOR), *many(2, Severity.NOTE))

    result = cap(told, Caps(per_severity=3))

    assert [f.claim.severity for f in result.shown] == [Severity.MAJOR] * 3 + [Severity.NOTE] * 2
    assert sorted(f.id for f in result.shown + result.hidden) == sorted(f.id for f in told)
    assert len(result.hidden) == 2


def test_security_is_never_cut() -> None:
    """F-04: the hundredth hole is shown too, and takes nobody's place."""
    told = findings(*many(9, Severity.MAJOR, "security"), *many(1, Severity.MAJOR))

    assert cap(told, Caps(per_severity=1)).shown == told


def test_a_tiny_change_is_not_buried_in_notes() -> None:
    """F-04: three changed lines do not earn fifty notes, but every major finding."""
    told = findings(*many(9, Severity.NOTE), *many(9, Severity.MAJOR))

    result = cap(told, Caps(notes_when_tiny=2), tiny_change=True)

    assert [f.claim.severity for f in result.shown].count(Severity.NOTE) == 2
    assert [f.claim.severity for f in result.shown].count(Severity.MAJOR) == 9


@pytest.mark.parametrize(
    ("category", "expected"),
    [("security", True), ("Security: injection", True), ("authn", True), ("correctness", False)],
)
def test_security_is_known_by_its_words(category: str, *, expected: bool) -> None:
    """F-03: models name sub-categories; an author's page is not an auth problem."""
    assert is_security(a_claim(category=category)) is expected
    assert not is_security(a_claim(category="authors"))
