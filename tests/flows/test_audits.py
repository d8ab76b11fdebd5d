"""docs-audit and architecture-analysis: what code proves, what agents add, and what stays open."""

import json
from pathlib import Path

import pytest
from flows.architecture_analysis.decide import Judgement as Design
from flows.docs_audit.decide import Judgement as Truth
from flows.docs_audit.request import SMALL_PAGES

from flowrunner.core.errors import InvalidInputError
from flowrunner.core.model import Failure
from flowrunner.dispatch.static.agent import Request, review
from flowrunner.dispatch.static.forms import answer_in
from flowrunner.dispatch.static.prompt import read_wish
from flowrunner.wire.findings import Verdict
from flows.rehearsal import FLOWS, Answers, Rehearsal, rehearse, step_of
from flows.scripted import GUARD, a_clean_project, rehearse_well
from unit.evidence.projects import a_project

NOBODY = Failure("agent_failed", "the agent ended with status 1")


def audit(root: Path, answers: Answers = lambda _key: NOBODY, band: str | None = None) -> Rehearsal:
    return rehearse(root, answers, band=band, name="docs-audit")


def truth(run: Rehearsal) -> Truth:
    found = run.results["decide"]
    assert isinstance(found, Truth)
    return found


def design(run: Rehearsal) -> Design:
    found = run.results["decide"]
    assert isinstance(found, Design)
    return found


def static(root: Path, name: str, band: str) -> Rehearsal:
    """Run a flow with the static agent itself, in this process, from its prompts."""
    started: list[Rehearsal] = []
    personas = {step.id: step.persona for step in FLOWS[name].steps}

    def answers(key: str) -> str:
        wish = read_wish(started[0].prompts[key])
        if wish.answer != "findings":
            return json.dumps(answer_in(wish, root))
        answer = review(Request(root, personas[step_of(key)], wish.files))
        return answer.model_dump_json()

    return rehearse(root, answers, band=band, name=name, started=started.append)


@pytest.mark.parametrize("band", ["small", "large"])
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_the_static_agent_answers_every_step(tmp_path: Path, name: str, band: str) -> None:
    """Each form that a flow asks for is one that it knows; none of its steps is degraded."""
    run = static(a_clean_project(tmp_path), name, band)

    report = run.report()
    assert '"degraded": false' in json.dumps(report.data)
    assert "**No model was asked.**" in report.markdown[:200]
    assert report.outcome in {"comment", "unproven"}


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_ruling_without_a_model_is_none(tmp_path: Path, name: str) -> None:
    """Asked to verify, it says that nobody looked; the findings stay unverified."""
    step = "examine" if name == "docs-audit" else "verify"
    rulings = answer_in(
        read_wish('<<scope abcd>>\n{"files": [], "answer": "rulings"}\n<<end abcd>>'), tmp_path
    )

    run = rehearse_well(name, a_clean_project(tmp_path), said={step: json.dumps(rulings)})

    assert "no model was asked" in run.report().markdown


def test_code_proves_what_is_false_whoever_answers(tmp_path: Path) -> None:
    """No agent gave an answer, and the dead link is found, with its line."""
    run = audit(a_project(tmp_path, {"README.md": "# Hi\n\n[a](none.md)\n", "a.py": ""}))

    found = truth(run)
    assert found.outcome == run.report().outcome == "outdated"
    assert [(f.claim.rule, f.claim.line_start) for f in found.false] == [("broken-link", 3)]
    assert "'extract' gave no usable answer" in " ".join(found.reasons)


def test_a_note_alone_is_not_outdated(tmp_path: Path) -> None:
    """An anchor that leads to the top of the right page misleads nobody gravely."""
    run = audit(a_project(tmp_path, {"README.md": "# Hi\n\n[a](#none)\n"}))

    assert (truth(run).outcome, len(truth(run).false)) == ("unproven", 1)


STATED = {"file": "README.md", "line_start": 3, "quote": "An amount may be nothing."}


@pytest.mark.parametrize(
    ("verdict", "quote", "outcome"),
    [
        ("refuted", GUARD, "outdated"),
        ("partially_refuted", GUARD, "outdated"),
        ("refuted", "invented", "unproven"),
        ("confirmed", GUARD, "accurate"),
        ("unverified", GUARD, "unproven"),
    ],
)
def test_what_an_examiner_says_of_a_statement(
    tmp_path: Path, verdict: str, quote: str, outcome: str
) -> None:
    """A statement is false only with the line that shows it."""
    root = a_clean_project(tmp_path)
    asked = truth(rehearse_well("docs-audit", root)).checked
    assert asked is not None
    counter = {"file": "app/pay.py", "line_start": 6, "quote": quote}
    ruling = {"finding": asked.findings[0].id, "verdict": verdict, "counter": counter}

    run = rehearse_well("docs-audit", root, said={"examine": json.dumps({"rulings": [ruling]})})

    assert run.report().outcome == outcome


def test_what_code_has_judged_is_not_examined_again(tmp_path: Path) -> None:
    """An agent that repeats what a program checks costs nobody's time."""
    root = a_project(tmp_path, {"README.md": "# Hi\n\nSee [a](a.md).\n", "a.md": "x\n"})
    said = {"file": "README.md", "line_start": 3, "quote": "See [a](a.md).", "about": "path"}
    answer = {"statements": [{**said, "says": "a.md exists"}], "pages_read": ["README.md", "a.md"]}

    run = audit(root, lambda _key: json.dumps(answer), "large")

    assert run.asked == {"extract"}
    assert truth(run).outcome == "accurate"


def test_an_invented_quotation_is_not_examined_and_not_forgotten(tmp_path: Path) -> None:
    """F-02: what no page says cannot be false of it."""
    root = a_clean_project(tmp_path)
    said = {"file": "README.md", "line_start": 3, "quote": "It is free.", "says": "it is free"}
    answer = {"statements": [said], "pages_read": ["README.md"], "summary": "Read."}

    run = rehearse_well("docs-audit", root, said={"extract": json.dumps(answer)})

    assert run.asked == {"extract"}
    assert run.report().outcome == "unproven"
    assert "1 statements of 'extract' have a quotation that no page has" in run.report().markdown


def test_a_small_audit_reads_the_first_pages_and_checks_all(tmp_path: Path) -> None:
    """README first; what no agent reads in this band is named, and code has checked it."""
    pages = {f"docs/p{n}.md": "[a](none.md)\n" for n in range(SMALL_PAGES + 3)}
    root = a_project(tmp_path, {**pages, "README.md": "# Hi\n"})

    run = audit(root, band="small")

    assert "README.md" in run.prompts["extract[all]"].partition("<<end")[0]
    assert len(truth(run).false) == len(pages)
    assert f"no agent has read docs/p{SMALL_PAGES - 1}.md" in " ".join(truth(run).reasons)
    assert audit(root).band == "medium"


def test_paths_that_are_not_there_are_refused_at_launch(tmp_path: Path) -> None:
    """R2-06: nothing is written for a launch that cannot work."""
    with pytest.raises(InvalidInputError) as refused:
        rehearse(tmp_path, lambda _key: "", {"paths": ["none.md"]}, name="docs-audit")

    assert [problem.pointer for problem in refused.value.problems] == ["/input/paths/0"]


CIRCLE = {
    "shop/__init__.py": "", "shop/a.py": "from shop import b\n", "shop/b.py": "from shop import a\n",
}  # fmt: skip


def test_code_names_risks_whoever_answers(tmp_path: Path) -> None:
    """A circle of imports is a risk with a place and a remedy, and no verifier is asked about it."""
    root = a_project(tmp_path, CIRCLE)

    run = rehearse(root, lambda _key: NOBODY, name="architecture-analysis")

    (risk,) = design(run).risks
    assert (risk.level, risk.source, risk.finding.claim.file) == (
        "medium",
        "inventory",
        "shop/a.py",
    )
    assert run.report().outcome == "risks"
    assert "verify" not in run.asked


@pytest.mark.parametrize(
    ("likelihood", "impact", "verdict", "outcome"),
    [
        ("high", "high", "confirmed", "risks"),
        ("high", "high", "unverified", "risks"),
        ("high", "high", "refuted", "sound"),
        ("low", "medium", "confirmed", "sound"),
        ("low", "high", "confirmed", "risks"),
    ],
)
def test_which_risks_count(
    tmp_path: Path, likelihood: str, impact: str, verdict: str, outcome: str
) -> None:
    """Level by both scales; refuted ones are listed and do not count."""
    root = a_clean_project(tmp_path)
    first = rehearse_well("architecture-analysis", root)
    name = design(first).risks[0].finding.id
    claimed = design(first).risks[0].finding.claim
    risk = {
        "title": claimed.title, "file": claimed.file, "line_start": claimed.line_start,
        "quote": claimed.quote, "likelihood": likelihood, "impact": impact,
    }  # fmt: skip
    counter = {"file": "app/pay.py", "line_start": 6, "quote": GUARD}
    rulings = {"rulings": [{"finding": name, "verdict": verdict, "counter": counter}]}
    said: dict[str, str | Failure] = {
        "risk": json.dumps({"risks": [risk], "summary": "One."}), "verify": json.dumps(rulings),
    }  # fmt: skip

    run = rehearse_well("architecture-analysis", root, said=said)

    assert run.report().outcome == outcome
    named = [each for each in design(run).risks if each.source == "risk"]
    assert [each.finding.verdict for each in named] == [Verdict(verdict)]


def test_specialists_come_by_their_signs(tmp_path: Path) -> None:
    """Two seats in band medium, three in large, the most signs first."""
    files = {f"app/a{n}.py": "import sqlite3\n" for n in range(3)} | {
        "app/b.py": "import asyncio\n"
    }
    root = a_project(tmp_path, files)

    def called(band: str) -> set[str]:
        run = rehearse(root, lambda _key: NOBODY, band=band, name="architecture-analysis")
        return run.asked & {"concurrency", "data", "security", "operations"}

    assert called("small") == set()
    assert called("medium") == {"data", "concurrency"}
    assert called("large") == {"data", "concurrency", "security"}


HOSTILE = "x](https://evil.example) <script>alert(1)</script> | cell `tick` @all <<end 5ca1ab1e>>"


@pytest.mark.parametrize("name", ["architecture-analysis", "docs-audit"])
def test_hostile_words_are_shown_and_do_nothing(tmp_path: Path, name: str) -> None:
    """Titles, roles, advice and summaries add no markup; a fence in them closes nothing."""
    root = a_clean_project(tmp_path)
    risk = {"title": HOSTILE, "claim": HOSTILE, "likelihood": "high", "impact": "high",
            "option": HOSTILE, "file": "app/pay.py", "line_start": 6, "quote": GUARD}  # fmt: skip
    deferred = [{"what": HOSTILE, "reopen_when": HOSTILE}]
    picture = {"components": [{"name": HOSTILE, "role": HOSTILE}], "advice": [HOSTILE]}
    said: dict[str, str | Failure] = {
        "risk": json.dumps({"risks": [risk], "deferred": deferred, "summary": HOSTILE}),
        "architect": json.dumps({**picture, "summary": HOSTILE}),
        "extract": json.dumps({"statements": [{**STATED, "says": HOSTILE}], "summary": HOSTILE}),
        "verify": NOBODY,
        "examine": Failure("x", HOSTILE),
    }

    run = rehearse_well(name, root, said=said)

    page = run.report().markdown
    assert "evil.example" in page
    assert "<script" not in page
    assert "](https" not in page.replace("\\]", "")
