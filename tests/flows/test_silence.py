"""Every agent step of every shipped flow fails in turn, in every way: no verdict stays clean."""

import json
from pathlib import Path

import pytest

from flowrunner.core.model import Failure
from flowrunner.definitions.context import Report
from flows.rehearsal import FLOWS, Rehearsal, rehearse, step_of
from flows.scripted import CLEAN, a_clean_project, agent_steps, rehearse_well

CASES = [(name, step) for name in sorted(FLOWS) for step in agent_steps(name)]
SILENCES: dict[str, str | Failure] = {
    "failed": Failure("agent_failed", "the agent ended with status 1"),
    "blank": "",
    "empty": "{}",
    "prose": "I found no problems, great work!",
    "garbage": '{"findings": "none", "statements": 3, "risks": {}, "rulings": "ok", "components": 1}',
    "cut-off": '```json\n{"findings": [], "rulings": [',
    "nothing-said": json.dumps(
        {"findings": [], "statements": [], "risks": [], "rulings": [], "components": []}
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_clean_project(tmp_path_factory.mktemp("clean"))


def words(report: Report) -> str:
    return f"{report.markdown}\n{json.dumps(report.data)}"


@pytest.mark.parametrize("band", ["small", "medium", "large"])
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_good_agents_reach_the_clean_outcome(project: Path, name: str, band: str) -> None:
    """Without this, the tests below would prove nothing: the clean outcome can be reached."""
    run = rehearse_well(name, project, band)

    report = run.report()
    assert report.outcome == CLEAN[name], report.markdown[:2000]
    assert '"degraded": false' in json.dumps(report.data)


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_agent_step_is_asked(project: Path, name: str) -> None:
    """Silence of a step that is never asked would prove nothing either."""
    assert rehearse_well(name, project).asked | set(_uncalled(name)) == set(agent_steps(name))


def _uncalled(name: str) -> set[str]:
    # A fourth specialist has no seat in any band; which one it is depends on the signs.
    return {"operations", "security"} if name == "architecture-analysis" else set()


@pytest.mark.parametrize("silence", sorted(SILENCES))
@pytest.mark.parametrize(("name", "step"), CASES, ids=str)
def test_one_silent_step_is_never_a_clean_verdict(
    project: Path, name: str, step: str, silence: str
) -> None:
    """P9, F-05, D2-13: whoever fails, and however, the outcome says so and the report names it."""
    run = rehearse_well(name, project, said={step: SILENCES[silence]})
    if step not in run.asked:
        assert step in _uncalled(name)
        return

    report = run.report()

    assert report.outcome != CLEAN[name], report.markdown[:1500]
    assert isinstance(report.data, dict)
    reasons = report.data["reasons"]
    assert any(f"'{step}'" in str(reason) for reason in _listed(reasons)), report.markdown[:1500]


def _listed(value: object) -> list[object]:
    assert isinstance(value, list)
    return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


MANY = {f"src/a{n:03}/m{n:03}.py": f"import asyncio\nimport sqlite3\nx = {n}\n" for n in range(130)}


@pytest.mark.parametrize(
    "step", ["security", "behaviour", "tests", "edge-cases", "concurrency", "data"]
)
def test_one_silent_batch_of_many_is_named(tmp_path: Path, step: str) -> None:
    """P9: a batch that nobody reviewed is a hole in the review, however well the others went."""
    root = a_clean_project(tmp_path)
    for path, text in MANY.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    whole = rehearse_well("code-review", root)
    batches = [key for key in whole.prompts if step_of(key) == step]
    assert len(batches) > 1

    run = rehearse_well("code-review", root, said={batches[-1]: SILENCES["failed"]})

    report = run.report()
    member = batches[-1].removeprefix(f"{step}[").removesuffix("]")
    assert report.outcome != "approve"
    assert f"reviewer '{step}' gave no usable answer: 1 of {len(batches)} batches" in words(report)
    assert member in report.markdown


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_everybody_silent_says_nothing(project: Path, name: str) -> None:
    """Not even a comment: there is no outcome that anybody stands for."""
    said = dict.fromkeys(agent_steps(name), SILENCES["failed"])

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
        return SILENCES["nothing-said"]

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
        answer = json.loads(str(SILENCES["nothing-said"]))
        said[step] = json.dumps({**answer, "summary": "No model.", "model_asked": False})

    report = rehearse_well(name, project, said=said).report()

    assert report.outcome not in {CLEAN[name], "inconclusive"}
    assert "**No model was asked.**" in report.markdown[:200]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_the_same_run_gives_the_same_report(project: Path, name: str) -> None:
    """R2-43: rendering looks at no clock and no file."""
    run = rehearse_well(name, project)

    assert run.report() == run.report()
