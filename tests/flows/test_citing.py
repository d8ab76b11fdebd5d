"""What a citation does in the flows that are no review: docs-audit and architecture-analysis."""

import json
from pathlib import Path

import pytest
from flows.architecture_analysis.decide import Judgement as Design
from flows.docs_audit.decide import Judgement as Truth

from flowrunner.core.model import Failure
from flows.rehearsal import rehearse
from flows.scripted import FILES, GUARD, a_clean_project, rehearse_well
from unit.evidence.projects import a_project

NOBODY = Failure("agent_failed", "the agent ended with status 1")


@pytest.mark.parametrize(
    ("quote", "invented", "outcome"), [("See [a](a.md).", 0, "accurate"), ("Read b.md.", 1, "unproven")]
)  # fmt: skip
def test_only_what_a_page_says_was_judged_by_code(
    tmp_path: Path, quote: str, invented: int, outcome: str
) -> None:
    """F-02, P9: that code has judged a link on that line makes no invented quotation true."""
    root = a_project(tmp_path, {"README.md": "# Hi\n\nSee [a](a.md).\n", "a.md": "x\n"})
    said = {"file": "README.md", "line_start": 3, "quote": quote, "says": "b", "about": "path"}
    answer = {"statements": [said], "pages_read": ["README.md", "a.md"], "summary": "Read."}

    run = rehearse(root, lambda _key: json.dumps(answer), name="docs-audit")

    found = run.results["decide"]
    assert isinstance(found, Truth)
    assert (len(found.invented), run.report().outcome) == (invented, outcome)


def test_of_two_risks_with_one_title_the_graver_counts(tmp_path: Path) -> None:
    """P9: nobody's mild words about one place hide what was said about another."""
    root = a_clean_project(tmp_path)
    place = {"file": "app/pay.py", "line_start": 7, "quote": "return 1 / amount"}
    mild = {**place, "title": "It divides", "likelihood": "low", "impact": "low"}
    grave = {**mild, "file": "README.md", "line_start": 1, "quote": "# Pay", "impact": "high"}
    answer = json.dumps({"risks": [mild, grave], "summary": "Two."})

    run = rehearse_well("architecture-analysis", root, said={"risk": answer, "verify": NOBODY})

    assert run.report().outcome == "risks"


@pytest.mark.parametrize(
    "file", ["./app/pay.py", "app//pay.py", "{root}/app/pay.py", "./vendor/pay.py"]
)
def test_a_risk_may_name_its_file_in_any_way(tmp_path: Path, file: str) -> None:
    """F-02: the same place is found as for reviewers, also outside of what was handed out."""
    root = a_project(a_clean_project(tmp_path), {"vendor/pay.py": FILES["app/pay.py"]})
    risk = {"title": "It divides", "likelihood": "high", "impact": "high", "line_start": 7}
    risk |= {"file": file.format(root=root), "quote": "return 1 / amount"}
    answer = json.dumps({"risks": [risk], "summary": "One."})

    run = rehearse_well("architecture-analysis", root, said={"risk": answer})

    found = run.results["decide"]
    assert isinstance(found, Design)
    (named,) = [each for each in found.risks if each.source == "risk"]
    assert named.finding.citation.value == "exact"


@pytest.mark.parametrize(("quote", "outcome"), [(GUARD, "sound"), ("assert False", "unproven")])
def test_an_analyst_who_invents_clears_nothing(tmp_path: Path, quote: str, outcome: str) -> None:
    """F-02, P9: however mild the finding is, its quotation must be there."""
    place = {"file": "app/pay.py", "line_start": 6, "quote": quote}
    claim = {**place, "category": "structure", "severity": "note", "title": "It guards"}
    answer = {"findings": [claim], "reviewed_files": ["app/pay.py"], "summary": "One."}

    run = rehearse_well(
        "architecture-analysis", a_clean_project(tmp_path), said={"structural": json.dumps(answer)}
    )

    assert run.report().outcome == outcome
