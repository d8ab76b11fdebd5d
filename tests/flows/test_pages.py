"""How reports read: each thing once, the gravest first, and nothing endless."""

import re
from pathlib import Path

import pytest
from flows._shared.kinds import PLACES, Kind, kind_section, kinds_of, kinds_table
from flows._shared.page import summaries
from flows._shared.seats import Seat, merged
from flows.code_review.decide import CAPS, Judgement
from flows.code_review.page import Page, page
from markdown_it import MarkdownIt
from pydantic import JsonValue

from flowrunner.evidence.folding import fold
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Claim, Finding, Verdict
from flows.rehearsal import FLOWS
from flows.scripted import a_clean_project, rehearse_well
from unit.evidence.projects import a_claim, an_answer

NOWHERE = Tree(Path("/nonexistent"), {})


def findings(*claims: Claim, source: str = "security") -> tuple[Finding, ...]:
    return fold([(source, an_answer(*claims))], NOWHERE)


def alike(count: int) -> tuple[Finding, ...]:
    """Return findings of one rule, each in a file of its own."""
    return findings(
        *(a_claim(f"f{n:02}.py", rule="R1", title="Same", claim="It breaks.") for n in range(count))
    )


def test_findings_of_one_kind_are_told_once() -> None:
    """Fifty times the same sentence is one sentence with fifty places, of which a few are shown."""
    (kind,) = kinds_of(alike(PLACES + 3))

    section = kind_section(1, kind)

    assert kind.title == f"Same, at {PLACES + 3} places"
    assert section.count("It breaks.") == 1
    assert re.findall(r"^- `f(\d\d)\.py:", section, re.MULTILINE) == [
        f"{n:02}" for n in range(PLACES)
    ]
    assert "- and 3 more, in the JSON report" in section


def test_a_kind_is_told_with_its_true_number() -> None:
    """The cap on what is listed does not make fifty of sixty."""
    found = alike(CAPS.per_severity + 7)
    shown = tuple(finding.id for finding in found[: CAPS.per_severity])
    judgement = Judgement(verdict="comment", reasons=(), findings=found, shown=shown)
    header: dict[str, JsonValue] = {
        "flow": "f", "band": "b", "project": "p", "census": {}, "input_tokens": None,
        "output_tokens": None, "cost_microusd": None, "seconds": None, "degraded": False, "run": "r",
    }  # fmt: skip

    text = page(Page(judgement, (), header, (), partial=False))

    assert f"Same, at {CAPS.per_severity + 7} places" in text
    assert "not listed here" not in text


def test_titles_that_differ_are_all_shown() -> None:
    """One rule may say another number at each place: the numbers stay readable."""
    (kind,) = kinds_of(
        findings(
            a_claim("a.py", rule="R1", title="9 lines"), a_claim("b.py", rule="R1", title="8 lines")
        )
    )

    assert kind.title == "9 lines, and 1 more of this kind"
    assert ("9 lines" in kind_section(1, kind), "8 lines" in kind_section(1, kind)) == (True, True)


@pytest.mark.parametrize(
    "own",
    [
        {"reach": "main"},
        {"rule": ""},
        {"claim": "Another consequence."},
        {"severity": "critical"},
        {"suggestion": "Do."},
    ],
    ids=lambda own: next(iter(own)),
)
def test_what_has_words_of_its_own_stands_alone(own: dict[str, str]) -> None:
    """Only what a reader would skip the second time is put together."""
    first = a_claim("a.py", rule="R1")
    other = Claim.model_validate({**a_claim("b.py", rule="R1").model_dump(), **own})

    assert [len(kind.findings) for kind in kinds_of(findings(first, other))] == [1, 1]


def test_what_became_of_a_finding_parts_it_from_its_kind() -> None:
    """A refuted finding is not hidden among those that stand, nor one that nobody verified."""
    one, other, third = alike(3)
    ruled = one.model_copy(update={"verdict": Verdict.CONFIRMED})

    kinds = kinds_of([ruled, other, third], {third.id: "no answer"})

    assert [len(kind.findings) for kind in kinds] == [1, 1, 1]
    assert "**not verified: no answer**" in kind_section(3, kinds[2])


def test_a_row_stays_one_row() -> None:
    """A title with pipes and line ends neither adds cells nor rows, and doubts are shown."""
    said = findings(a_claim("a|b.py", title="one | two\n| three <b>"), source="r|s")

    table = kinds_table(kinds_of(said))

    assert len(table.splitlines()) == 3
    assert "file missing" in table
    assert "<b>" not in table
    rows = MarkdownIt("commonmark").enable("table").parse(table)
    assert sum(token.type == "td_open" for token in rows) == 5


def test_what_a_program_computed_is_not_called_unverified() -> None:
    """Nobody was to verify it; what a model said and nobody looked into is."""
    kinds = [Kind(findings(a_claim()))]

    assert kinds_table(kinds, frozenset({"security"})).endswith("| security | computed |")
    assert kinds_table(kinds, frozenset({"other"})).endswith("| security | unverified |")


def test_what_parts_say_is_said_once() -> None:
    """A line that all parts say has no mark; any other says for which or how many it holds."""
    said = [("a", "All.\nMost."), ("b", "Most.\nAll."), ("c", "All.\nMine.\nToo.")]

    assert merged(said, 3).splitlines() == [
        "All.",
        "Most. (2 of 3 batches)",
        "Mine. Too. (batch c)",
    ]


def test_who_says_the_same_stands_in_one_line() -> None:
    """Eleven reviewers without a model are one line, not eleven."""
    seats = [Seat(key=key, persona="p", fate="answered", summary="No model.") for key in "ab"]
    other = Seat(key="c", persona="p", fate="answered", summary="No model.\nLost: x.py")

    assert summaries([*seats, other]).splitlines()[2:] == [
        "- a, b, c: No model.",
        "- c: Lost: x.py",
    ]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_what_is_wrong_comes_before_who_was_asked(tmp_path: Path, name: str) -> None:
    """The reader's order: the verdict, why, what was found, and only then the record."""
    text = rehearse_well(name, a_clean_project(tmp_path)).report().markdown

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    found = next(
        n for n, h in enumerate(headings) if h in {"Findings", "False statements", "Risks"}
    )
    asked = next(n for n, h in enumerate(headings) if h in {"Reviewers", "Readers", "Analysts"})
    assert found < asked
