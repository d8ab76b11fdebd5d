"""Many answers become one list without losing a word."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.evidence.folding import fold
from flowrunner.evidence.tree import Tree, pin_tree
from flowrunner.wire.findings import Citation, Claim, Finding, Severity, Verdict
from unit.evidence.projects import a_claim, a_project, an_answer

FOUND = {Citation.EXACT, Citation.MOVED}
TEXT = "def f():\n    a = eval(x)\n    b = 1\n    c = eval(x)\n\n\ndef g():\n    a = eval(x)\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return pin_tree(a_project(tmp_path, {"a.py": TEXT, "b.py": "x = 1\n"}))


def an_eval(line: int, quote: str = "eval(x)", **other: object) -> Claim:
    return a_claim("a.py", line, quote, rule="eval", category="security", **other)


def words(findings: tuple[Finding, ...]) -> list[str]:
    """Return every title that the findings still carry."""
    return sorted(claim.title for f in findings for claim in (f.claim, *f.others))


def test_two_reviewers_of_one_place_make_one_finding(tree: Tree) -> None:
    """The worse severity leads, the other wording stays, and both are named."""
    mild = an_eval(2, title="Evaluates input")
    harsh = an_eval(2, severity=Severity.CRITICAL, title="Runs any code")

    (finding,) = fold([("newcomer", an_answer(mild)), ("security", an_answer(harsh))], tree)

    assert finding.claim == harsh
    assert finding.others == (mild,)
    assert finding.sources == ("newcomer", "security")
    assert finding.verdict is Verdict.UNVERIFIED


def test_two_places_in_one_function_stay_two(tree: Tree) -> None:
    """Their fingerprints share a beginning in the code, not their identity."""
    found = fold([("a", an_answer(an_eval(4), an_eval(2)))], tree)

    assert [f.claim.line_start for f in found] == [2, 4]
    assert len({f.fingerprint for f in found}) == 2


def test_the_second_place_keeps_its_name_when_lines_move(tree: Tree, tmp_path: Path) -> None:
    """F-01: numbering goes by order in the file, so inserted lines rename nothing."""
    before = fold([("a", an_answer(an_eval(2), an_eval(4), an_eval(8)))], tree)
    later = pin_tree(a_project(tmp_path / "later", {"a.py": "import os\n\n" + TEXT}))

    after = fold([("a", an_answer(an_eval(10), an_eval(6), an_eval(4)))], later)

    assert [f.fingerprint for f in after] == [f.fingerprint for f in before]


def test_what_does_not_check_out_is_flagged_and_kept(tree: Tree) -> None:
    """F-02: an invented quote stays in the list, marked."""
    (finding,) = fold([("a", an_answer(an_eval(2, quote="exec(everything)")))], tree)

    assert finding.citation is Citation.QUOTE_MISMATCH


def test_a_moved_claim_is_put_where_its_quote_is(tree: Tree) -> None:
    """F-02: it then meets the claim of the reviewer who counted well."""
    moved = a_claim("./a.py", 5, "    b = 1\n    c = eval(x)")

    (finding,) = fold([("a", an_answer(moved))], tree)

    assert finding.citation is Citation.MOVED
    assert (finding.claim.file, finding.claim.line_start, finding.claim.line_end) == ("a.py", 3, 4)


def test_the_order_is_severity_file_line(tree: Tree) -> None:
    """A reader meets the worst first."""
    claims = [
        a_claim("b.py", 1, "x = 1", severity=Severity.NOTE),
        an_eval(8, severity=Severity.MINOR),
        an_eval(2, severity=Severity.MINOR),
        a_claim("b.py", 1, "x = 1", severity=Severity.CRITICAL, rule="other"),
    ]

    found = fold([("a", an_answer(*claims))], tree)

    assert [(f.claim.severity.value, f.claim.file, f.claim.line_start) for f in found] == [
        ("critical", "b.py", 1),
        ("minor", "a.py", 2),
        ("minor", "a.py", 8),
        ("note", "b.py", 1),
    ]


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    return a_claim(
        "a.py",
        draw(st.integers(1, 10)),
        draw(st.sampled_from(["a = eval(x)", "c = eval(x)", "eval(x)", "invented thing"])),
        rule=draw(st.sampled_from(["eval", "exec"])),
        title=draw(st.text(alphabet="xyz", min_size=1, max_size=4)),
        severity=draw(st.sampled_from(Severity)),
    )


SAID = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.lists(claims(), max_size=6)))


@given(SAID)
def test_folding_loses_no_word(said: list[tuple[str, list[Claim]]]) -> None:
    """F-03: every claim's own words are in some finding, and every speaker too."""
    folder = Tree(Path("/nonexistent"), {})

    found = fold([(source, an_answer(*told)) for source, told in said], folder)

    assert set(words(found)) == {claim.title for _, told in said for claim in told}
    assert {s for f in found for s in f.sources} == {source for source, told in said if told}
    assert len({f.fingerprint for f in found}) == len(found)


@given(st.permutations([an_eval(n, title=f"t{n}") for n in (2, 4, 8, 2)]))
def test_the_order_of_claims_does_not_rename_findings(said: list[Claim]) -> None:
    """F-01: who spoke first changes neither fingerprints nor their order."""
    folder = Tree(Path("/nonexistent"), {})

    found = fold([("a", an_answer(*said))], folder)

    assert [f.fingerprint for f in found] == [
        f.fingerprint for f in fold([("a", an_answer(*reversed(said)))], folder)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        a_claim("sub/../b.py", 1, "x = 1", severity=Severity.CRITICAL, title="By another way"),
        a_claim("b.py", 2, "x = 1", severity=Severity.CRITICAL, title="On another line"),
    ],
    ids=["path", "line"],
)
def test_what_was_not_found_does_not_hide_beside_what_was(tree: Tree, bad: Claim) -> None:
    """F-02: the same rule and the same words make no proof of somebody else's citation."""
    good = a_claim("b.py", 1, "x = 1", title="Found")

    found = fold([("a", an_answer(good)), ("b", an_answer(bad))], tree)

    assert {(f.claim.title, f.others, f.citation in FOUND) for f in found} == {
        (bad.title, (), False),
        (good.title, (), True),
    }
    assert len({f.id for f in found}) == 2
