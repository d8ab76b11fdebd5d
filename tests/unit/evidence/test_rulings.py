"""Verifiers may doubt, but only evidence counts, and nothing disappears."""

from pathlib import Path

import pytest

from flowrunner.evidence.folding import fold
from flowrunner.evidence.rulings import apply_rulings
from flowrunner.evidence.severity import stands
from flowrunner.evidence.tree import Tree, pin_tree
from flowrunner.wire.findings import Finding, Quotation, Ruling, Verdict
from unit.evidence.projects import a_claim, a_project, an_answer

PROOF = Quotation(file="a.py", line_start=2, quote="assert value")
TRIFLE = Quotation(file="a.py", line_start=3, quote=")")
EMPTY = Quotation(file="a.py", line_start=2, quote=" ")
INVENTED = Quotation(file="a.py", line_start=2, quote="this is not there")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return pin_tree(a_project(tmp_path, {"a.py": "value = 1\nassert value\n)\n"}))


def a_finding(tree: Tree, category: str = "correctness") -> Finding:
    (finding,) = fold([("reviewer", an_answer(a_claim(category=category)))], tree)
    return finding


def ruled(tree: Tree, *said: tuple[Verdict, Quotation | None], category: str = "bug") -> Finding:
    finding = a_finding(tree, category)
    rulings = [
        (f"verifier-{n}", Ruling(finding=finding.id, verdict=verdict, counter=counter))
        for n, (verdict, counter) in enumerate(said)
    ]
    (after,) = apply_rulings([finding], rulings, tree).findings
    return after


@pytest.mark.parametrize("counter", [None, INVENTED, TRIFLE, EMPTY])
def test_a_refutation_without_evidence_changes_no_verdict(
    tree: Tree, counter: Quotation | None
) -> None:
    """F-03: it stays unverified, and that somebody doubted it is said."""
    after = ruled(tree, (Verdict.REFUTED, counter))

    assert after.verdict is Verdict.UNVERIFIED
    assert "without evidence" in after.counter_evidence


def test_a_refutation_with_evidence_is_kept_with_it(tree: Tree) -> None:
    """F-03: the finding no longer stands, and the reader sees why."""
    after = ruled(tree, (Verdict.REFUTED, PROOF))

    assert (after.verdict, stands(after)) == (Verdict.REFUTED, False)
    assert "a.py:2: assert value" in after.counter_evidence


def test_a_security_finding_is_annotated_and_still_stands(tree: Tree) -> None:
    """F-03: no verifier can talk a security finding away."""
    after = ruled(tree, (Verdict.REFUTED, PROOF), category="security/injection")

    assert (after.verdict, stands(after)) == (Verdict.REFUTED, True)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(Verdict.CONFIRMED, None)], Verdict.CONFIRMED),
        ([(Verdict.CONFIRMED, PROOF)], Verdict.CONFIRMED),
        ([(Verdict.CONFIRMED, TRIFLE)], Verdict.CONFIRMED),
        ([(Verdict.CONFIRMED, INVENTED)], Verdict.UNVERIFIED),
        ([(Verdict.CONFIRMED, INVENTED), (Verdict.REFUTED, PROOF)], Verdict.REFUTED),
        ([(Verdict.CONFIRMED, None), (Verdict.UNVERIFIED, None)], Verdict.CONFIRMED),
        ([(Verdict.CONFIRMED, None), (Verdict.REFUTED, PROOF)], Verdict.PARTIALLY_REFUTED),
        ([(Verdict.CONFIRMED, None), (Verdict.REFUTED, None)], Verdict.CONFIRMED),
        ([(Verdict.REFUTED, PROOF), (Verdict.REFUTED, PROOF)], Verdict.REFUTED),
        ([(Verdict.PARTIALLY_REFUTED, PROOF)], Verdict.PARTIALLY_REFUTED),
        ([], Verdict.UNVERIFIED),
    ],
)
def test_verifiers_who_disagree_leave_a_doubt(
    tree: Tree, said: list[tuple[Verdict, Quotation | None]], expected: Verdict
) -> None:
    """F-03: only what every verifier with evidence says becomes the verdict."""
    assert ruled(tree, *said).verdict is expected


def test_a_ruling_on_nothing_is_noted(tree: Tree) -> None:
    """F-03: a verifier that misnames a finding is told about, not ignored."""
    finding = a_finding(tree)

    result = apply_rulings(
        [finding], [("v", Ruling(finding="f9", verdict=Verdict.CONFIRMED))], tree
    )

    assert result.findings == (finding,)
    assert result.notes == ("v ruled on 'f9', which is no finding",)
