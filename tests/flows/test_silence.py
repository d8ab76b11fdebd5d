"""What a report says when all are silent, when it breaks off, and when no model was asked."""

import json
import os
from pathlib import Path

import pytest

from flowrunner.core.model import Failure
from flows.rehearsal import FLOWS, Rehearsal, rehearse, step_of
from flows.scripted import CLEAN, a_clean_project, agent_steps, rehearse_well

FAILED = Failure("agent_failed", "the agent ended with status 1")
NOTHING: dict[str, list[object]] = {
    "findings": [],
    "statements": [],
    "risks": [],
    "rulings": [],
    "components": [],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_clean_project(tmp_path_factory.mktemp("clean"))


@pytest.mark.parametrize("band", ["small", "medium", "large"])
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_good_agents_reach_the_clean_outcome(project: Path, name: str, band: str) -> None:
    """Without this, the tests below would prove nothing: the clean outcome can be reached."""
    run = rehearse_well(name, project, band)

    report = run.report()
    assert report.outcome == CLEAN[name], report.markdown[:2000]
    assert '"degraded": false' in json.dumps(report.data)


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_everybody_silent_says_nothing(project: Path, name: str) -> None:
    """Not even a comment: there is no outcome that anybody stands for."""
    said = dict.fromkeys(agent_steps(name), FAILED)

    run = rehearse_well(name, project, said=said)

    assert run.report().outcome in {"inconclusive", "unproven"}
    assert all(f"{step}" in run.report().markdown for step in run.asked)


@pytest.mark.parametrize(
    ("name", "until"),
    [(name, step.id) for name in sorted(FLOWS) for step in FLOWS[name].steps],
    ids=str,
)
def test_a_report_renders_from_whatever_there_is(project: Path, name: str, until: str) -> None:
    """D2-32: broken off before any step, a run still tells what it has, and clears nothing."""
    run = _broken_off(project, name, until)

    report = run.report()

    assert report.outcome == "inconclusive"
    assert "**The run did not complete.**" in report.markdown[:160]
    assert json.dumps(report.sarif).count('"executionSuccessful": false') == 1


def _broken_off(project: Path, name: str, until: str) -> Rehearsal:
    def silent(_key: str) -> str | Failure:
        return json.dumps(NOTHING)

    return rehearse(project, silent, band="large", name=name, until=until)


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_deeper_bands_ask_whom_shallower_ones_ask(project: Path, name: str) -> None:
    """§6.0: small is a part of medium, and medium of large."""
    small, medium, large = (
        rehearse_well(name, project, band).asked for band in ("small", "medium", "large")
    )

    assert small <= medium <= large


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_an_empty_project_is_not_a_clean_one(tmp_path: Path, name: str) -> None:
    """There was nothing to look at: that is no verdict."""
    run = rehearse_well(name, tmp_path)

    assert run.asked == set()
    assert run.report().outcome == "inconclusive"


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_static_pass_says_so_and_clears_nothing(project: Path, name: str) -> None:
    """No model was asked: the report says it first, and the outcome is not the clean one."""
    said: dict[str, str | Failure] = {}
    for step in agent_steps(name):
        answer = dict(NOTHING)
        said[step] = json.dumps({**answer, "summary": "No model.", "model_asked": False})

    report = rehearse_well(name, project, said=said).report()

    assert report.outcome not in {CLEAN[name], "inconclusive"}
    assert "**No model was asked.**" in report.markdown[:200]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_the_same_run_gives_the_same_report(project: Path, name: str) -> None:
    """R2-43: rendering looks at no clock and no file."""
    run = rehearse_well(name, project)

    assert run.report() == run.report()


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_file_that_cannot_be_named_is_a_hole(tmp_path: Path, name: str) -> None:
    """P11: nobody could be handed it, so nothing is said about it, and the outcome says so."""
    root = a_clean_project(tmp_path)
    (root / os.fsdecode(b"\xff.py")).write_text("x = 1\n")

    report = rehearse_well(name, root).report()

    assert report.outcome not in {CLEAN[name], "inconclusive"}
    assert "their names are not UTF-8: 1 files" in report.markdown


@pytest.mark.parametrize("words", ["I cannot help with that.", "API Error: 529 Overloaded"])
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_refusal_in_the_right_form_is_none(project: Path, name: str, words: str) -> None:
    """P9: a program that forces the form of an answer gets nothing, politely, in that form."""
    clean = rehearse_well(name, project)
    said = json.dumps({**NOTHING, "summary": words, "pages_read": ["README.md"]})
    files = json.dumps({**NOTHING, "summary": words, "reviewed_files": ["README.md"]})

    for step in sorted(clean.asked - {"verify", "examine"}):
        for answer in (said, files):
            run = rehearse_well(name, project, said={step: answer})
            assert run.report().outcome != CLEAN[name], step
            assert f"'{step}' gave no usable answer: it only said" in json.dumps(run.report().data)


@pytest.mark.parametrize("name", ["code-review", "architecture-analysis"])
def test_who_read_nothing_has_found_nothing(project: Path, name: str) -> None:
    """P9: a summary alone is no review; with the files that were read it is one."""
    idle: dict[str, object] = {"findings": [], "summary": "Looks good to me."}
    clean = rehearse_well(name, project)
    prompts = clean.prompts.items()
    readers = {step_of(key) for key, prompt in prompts if '"reviewed_files"' in prompt}
    assert readers

    for step in sorted(readers):
        told = {step: json.dumps(idle)}
        assert rehearse_well(name, project, said=told).report().outcome != CLEAN[name], step
        told = {step: json.dumps({**idle, "reviewed_files": ["README.md"]})}
        assert rehearse_well(name, project, said=told).report().outcome == CLEAN[name], step
