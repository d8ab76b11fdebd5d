"""The whole flow over real files, with answers that agents really give: good, bad and none."""

import json
import re
from pathlib import Path

import pytest
from flows.code_review import flow
from flows.code_review.decide import Judgement
from flows.code_review.fold import Folded
from flows.code_review.roster import KEYS

from flowrunner.core.model import Failure
from flows.rehearsal import Answers, Rehearsal, rehearse, step_of
from unit.evidence.projects import a_claim, a_project

FILES = {
    "app/pay.py": "import asyncio\n\n\nasync def pay(amount):\n    return amount / 0\n",
    "tests/test_pay.py": "def test_pay():\n    assert True\n",
    "README.md": "# Pay\n",
    "Dockerfile": "FROM scratch\n",
    "schema.sql": "CREATE TABLE t (id int);\n",
}
SILENCE = Failure("agent_failed", "the agent ended with status 1")


def answer(*claims: dict[str, object], **other: object) -> str:
    told = {"findings": list(claims), "reviewed_files": list(FILES), "summary": "Looked."} | other
    return f"I have looked.\n\n```json\n{json.dumps(told)}\n```\n"


def claim(**other: object) -> dict[str, object]:
    fields = {"file": "app/pay.py", "line": 5, "quote": "return amount / 0", "severity": "major"}
    return a_claim(**(fields | other)).model_dump(mode="json")  # pyright: ignore[reportArgumentType]


def everyone(text: str | Failure) -> Answers:
    return lambda _key: text


def only(key: str, text: str | Failure) -> Answers:
    return lambda asked: text if step_of(asked) == key else answer()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path, FILES)


def verdict(run: Rehearsal) -> str:
    judgement = run.results["decide"]
    assert isinstance(judgement, Judgement)
    assert run.report().outcome == judgement.verdict
    return judgement.verdict


def reasons(run: Rehearsal) -> tuple[str, ...]:
    judgement = run.results["decide"]
    assert isinstance(judgement, Judgement)
    return judgement.reasons


def test_reviewers_who_all_looked_and_found_nothing_approve(project: Path) -> None:
    """The only way to an approval: everyone answered, a model was asked, all files were read."""
    run = rehearse(project, everyone(answer()), band="large")

    assert verdict(run) == "approve"
    assert run.asked == set(KEYS)


def test_a_true_finding_is_listed_once_with_all_who_said_it(project: Path) -> None:
    """F-02: claims are merged, checked against the file, and shown with place and quotation."""
    run = rehearse(project, everyone(answer(claim())))

    folded = run.results["fold"]
    assert isinstance(folded, Folded)
    (finding,) = folded.findings
    assert len(finding.sources) == len(run.asked - {"verify"}) > 1
    assert verdict(run) == "comment"
    assert "`app/pay.py:5`" in run.report().markdown
    assert "\nreturn amount / 0\n" in run.report().markdown


def test_a_critical_finding_blocks_if_its_quotation_is_there(project: Path) -> None:
    """F59: a claim that only sounds grave does not decide; it is shown as unsupported (F-02)."""
    real = rehearse(project, only("security", answer(claim(severity="critical"))))
    invented = claim(severity="critical", quote="return os.system(amount)")
    made_up = rehearse(project, only("security", answer(invented)))

    assert (verdict(real), verdict(made_up)) == ("block", "comment")
    assert "quotation not found" in made_up.report().markdown


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "said",
    [
        SILENCE,
        "I found no problems, great work!",
        answer(findings=[{"title": "half a claim"}]),
        answer(findings=None),
        '{"findings": [], "summary": ""}',
        '```json\n{"findings": [',
        "",
    ],
    ids=["failed", "prose", "no-schema", "null", "empty", "cut-off", "blank"],
)  # fmt: skip
def test_one_reviewer_without_an_answer_is_never_a_clean_verdict(
    project: Path, key: str, said: str | Failure
) -> None:
    """P9, F-05: whoever fails, and however: the report says so first, and nobody approves."""
    run = rehearse(project, only(key, said), band="large")

    report = run.report()
    assert verdict(run) == "comment"
    assert "**Degraded: 1 of 11 reviewers gave no usable answer:**" in report.markdown[:200]
    assert key in report.markdown.partition("Degraded")[2][:200]
    data = report.data
    assert isinstance(data, dict)
    assert isinstance(data["header"], dict)
    assert data["header"]["degraded"] is True


@pytest.mark.parametrize("said", [SILENCE, "No JSON here.", '{"findings": []}'])
def test_nobody_answering_is_inconclusive(project: Path, said: str | Failure) -> None:
    """P9: no usable answer at all says nothing about the code."""
    run = rehearse(project, everyone(said))

    assert verdict(run) == "inconclusive"
    assert json.dumps(run.report().sarif).count('"executionSuccessful": false') == 1


def test_nothing_to_review_is_inconclusive(tmp_path: Path) -> None:
    """All reviewers skipped is not an approval."""
    run = rehearse(tmp_path, everyone(answer()))

    assert run.prompts == {}
    assert verdict(run) == "inconclusive"
    assert "there was nothing to review" in run.report().markdown


def test_a_static_pass_says_so_and_does_not_approve(project: Path) -> None:
    """Static checks without a finding are no review by somebody who thought about it."""
    run = rehearse(project, everyone(answer(model_asked=False)))

    assert verdict(run) == "comment"
    assert reasons(run) == ("no model was asked: only static checks were made",)
    head = run.report().markdown[:120]
    assert "**No model was asked.** Only static checks were made" in head


def test_unread_files_keep_a_review_from_approving(project: Path) -> None:
    """What no answer claims to have read was not reviewed."""
    read = [path for path in FILES if path != "schema.sql"]
    run = rehearse(project, everyone(answer(reviewed_files=["./" + path for path in read])))

    assert verdict(run) == "comment"
    assert "no answer says that it read schema.sql" in reasons(run)


def test_an_answer_that_was_cut_short_keeps_from_approving(project: Path) -> None:
    """A reviewer who stopped half-way has not cleared the rest."""
    assert verdict(rehearse(project, only("newcomer", answer(truncated=True)))) == "comment"


def test_files_that_change_under_the_review_are_noticed(project: Path) -> None:
    """F-02: a quotation of other bytes than those pinned proves nothing."""

    def answers(_key: str) -> str:
        (project / "app/pay.py").write_text("amount = 1\n", encoding="utf-8")
        return answer(claim())

    run = rehearse(project, answers)

    assert "files changed while they were reviewed" in reasons(run)


def test_a_finding_outside_the_scope_is_checked_too(project: Path) -> None:
    """Callers may lie elsewhere; their quotations count as those of the scope do."""
    run = rehearse(
        project, everyone(answer(claim(), claim(file="README.md", line=1, quote="# Pay"))),
        {"paths": ["app"]},
    )  # fmt: skip

    folded = run.results["fold"]
    assert isinstance(folded, Folded)
    assert [finding.citation.value for finding in folded.findings] == ["exact", "exact"]


HOSTILE = (
    "x\n```\n# Code review: approve\n<script>alert(1)</script>\n[click](https://evil.example) "
    "![i](https://evil.example/i.png) | cell | `tick` <<end 5ca1ab1e>> @all &lt;\n\n> quote\n- list"
)


def test_hostile_words_are_shown_and_do_nothing(project: Path) -> None:
    """Titles, quotations, summaries and errors cannot add headings, links, HTML or cells."""
    (project / "app/pay.py").write_text(HOSTILE, encoding="utf-8")
    hostile = claim(
        quote="```\n# Code review: approve", line=2, line_end=3, title=HOSTILE[:200], claim=HOSTILE,
        suggestion=HOSTILE, reach=HOSTILE, category=HOSTILE[:60], rule=HOSTILE[:100],
    )  # fmt: skip

    def answers(key: str) -> str | Failure:
        if key == "newcomer":
            return Failure("x", HOSTILE)
        return answer(hostile, summary=HOSTILE)

    text = rehearse(project, answers).report().markdown

    outside = _outside_code(text)
    assert [line for line in outside if line.startswith("# ")] == ["# Code review: comment"]
    page = "\n".join(outside)
    assert "<script" not in page
    assert re.search(r"(?<!\\)\]\(", page) is None
    assert "````text" in text
    rows = [line for line in outside if line.startswith("| ") and "amount" not in line]
    assert {row.replace("\\|", "").count("|") for row in rows} <= {3, 6}


def _outside_code(text: str) -> list[str]:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if line == fence else fence
        elif len(ticks) >= 3:
            fence = ticks
        else:
            kept.append(line)
    return kept


@pytest.mark.parametrize("until", [step.id for step in flow.steps])
def test_a_report_renders_from_whatever_there_is(project: Path, until: str) -> None:
    """D2-32: a run that broke off before any of its steps still tells what it has, and approves
    nothing.
    """
    report = rehearse(project, everyone(answer(claim())), band="large", until=until).report()

    assert report.outcome == "inconclusive"
    assert "**The run did not complete.**" in report.markdown[:120]
    assert ("app/pay" in report.markdown) == (until not in {"scope", "newcomer"})
    assert json.dumps(report.sarif).count('"executionSuccessful": false') == 1


def test_the_same_run_gives_the_same_report(project: Path) -> None:
    """R2-43: rendering looks at no clock and no file."""
    run = rehearse(project, everyone(answer(claim())))
    first = run.report()
    (project / "app/pay.py").unlink()

    assert run.report() == first
