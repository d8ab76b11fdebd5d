"""The verdict table: what blocks, what only comments, and the one way to an approval."""

import pytest
from flows._shared.ground import BEYOND, BINARY, Ground, LeftOut
from flows._shared.seats import Seat
from flows.code_review.decide import CAPS, Judgement, judge
from flows.code_review.fold import Folded

from flowrunner.evidence.scope import Scope, ScopedFile
from flowrunner.wire.findings import Citation, Finding, Severity, Verdict
from unit.evidence.projects import a_claim

SEAT = Seat(key="security", persona="p", fate="answered", file_count=1, model_asked=True)


def a_ground(**other: object) -> Ground:
    file = ScopedFile(
        path="a.py", status="modified", language="python", is_source=True, is_test=False,
        is_docs=False,
    )  # fmt: skip
    scope = {"files": (file,), "signals": (), "commit": "c0", **other}
    return Ground(scope=Scope.model_validate(scope), pins={"a.py": "0" * 64})


def without(reason: str) -> Ground:
    left = LeftOut(reason=reason, count=1, examples=("x",))
    return a_ground().model_copy(update={"left_out": (left,)})


def a_finding(
    severity: Severity = Severity.MAJOR,
    number: int = 1,
    *,
    category: str = "correctness",
    reach: str = "",
    **other: object,
) -> Finding:
    fields: dict[str, object] = {
        "id": f"id{number}",
        "fingerprint": f"f{number}",
        "sources": ("security",),
        "citation": Citation.EXACT,
        "claim": a_claim(severity=severity, category=category, reach=reach),
    }
    return Finding.model_validate(fields | other)


def judged(*findings: Finding, seat: Seat = SEAT, ground: Ground | None = None) -> Judgement:
    return judge(ground or a_ground(), Folded(seats=(seat,), findings=findings))


def seated(**other: object) -> Seat:
    return SEAT.model_copy(update=other)


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (a_finding(Severity.NOTE), "approve"),
        (a_finding(Severity.MINOR), "comment"),
        (a_finding(Severity.MAJOR), "comment"),
        (a_finding(Severity.CRITICAL), "block"),
        (a_finding(Severity.MAJOR, verdict=Verdict.CONFIRMED), "block"),
        (a_finding(Severity.MINOR, verdict=Verdict.CONFIRMED), "comment"),
        (a_finding(Severity.CRITICAL, verdict=Verdict.PARTIALLY_REFUTED), "comment"),
        (a_finding(Severity.CRITICAL, verdict=Verdict.REFUTED), "approve"),
        (a_finding(Severity.CRITICAL, verdict=Verdict.REFUTED, category="security"), "comment"),
        (a_finding(Severity.CRITICAL, citation=Citation.MOVED), "block"),
        (a_finding(Severity.CRITICAL, citation=Citation.QUOTE_MISMATCH), "comment"),
        (a_finding(Severity.CRITICAL, citation=Citation.FILE_MISSING), "comment"),
        (a_finding(Severity.NOTE, citation=Citation.TREE_CHANGED), "comment"),
        (a_finding(Severity.NOTE, citation=Citation.QUOTE_MISMATCH), "comment"),
        (a_finding(Severity.NOTE, citation=Citation.MOVED), "approve"),
        (a_finding(Severity.CRITICAL, reach="Unreachable: dead code"), "comment"),
        (a_finding(Severity.CRITICAL, reach="unreachable", category="security"), "block"),
    ],
)  # fmt: skip
def test_what_one_finding_does(finding: Finding, verdict: str) -> None:
    """F-02, F-03, F-04: severity, quotation and verification decide, and never for security."""
    assert judged(finding).verdict == verdict


@pytest.mark.parametrize(
    ("seat", "verdict"),
    [
        (SEAT, "approve"),
        (seated(fate="failed", model_asked=False), "inconclusive"),
        (seated(fate="empty", model_asked=False), "inconclusive"),
        (seated(fate="skipped", model_asked=False), "inconclusive"),
        (seated(fate="excluded", model_asked=False), "inconclusive"),
        (seated(model_asked=False), "comment"),
        (seated(truncated=True), "comment"),
    ],
)
def test_what_one_reviewer_does(seat: Seat, verdict: str) -> None:
    """P9: silence, absence and half an answer never approve."""
    assert judged(seat=seat).verdict == verdict


@pytest.mark.parametrize(
    ("ground", "verdict"),
    [
        (a_ground(), "approve"),
        (a_ground(base="b0", head="c0"), "approve"),
        (a_ground(base="b0", head="elsewhere"), "comment"),
        (a_ground(files=()), "comment"),
        (without(BINARY), "approve"),
        (without(BEYOND), "comment"),
    ],
)  # fmt: skip
def test_what_the_ground_does(ground: Ground, verdict: str) -> None:
    """What was not looked at was not approved."""
    assert judged(ground=ground).verdict == verdict


def test_one_silent_reviewer_among_many_keeps_from_approving() -> None:
    """P9: others do not stand in for the one that is missing; a block still blocks."""
    silent = seated(key="tests", fate="failed", detail="timeout")
    folded = Folded(seats=(SEAT, silent), findings=())
    grave = folded.model_copy(update={"findings": (a_finding(Severity.CRITICAL),)})

    assert judge(a_ground(), folded).verdict == "comment"
    assert judge(a_ground(), folded).reasons == ("reviewer 'tests' gave no usable answer: timeout",)
    assert judge(a_ground(), grave).verdict == "block"


def test_one_reviewer_without_a_model_is_named() -> None:
    """A mixed roster says which part was only static."""
    folded = Folded(seats=(SEAT, seated(key="data", model_asked=False)), findings=())

    (reason,) = judge(a_ground(), folded).reasons

    assert reason == "without a model, by static checks only: data"


def test_the_report_is_capped_but_never_for_security() -> None:
    """F-04: so many per severity; the rest stays in the data, and security is always shown."""
    many = [a_finding(Severity.MINOR, number) for number in range(CAPS.per_severity + 5)]
    secure = [a_finding(Severity.MINOR, n, category="security") for n in range(1000, 1100)]

    judgement = judged(*many, *secure)

    assert len(judgement.findings) == len(many) + len(secure)
    assert len(judgement.shown) == CAPS.per_severity + len(secure)
