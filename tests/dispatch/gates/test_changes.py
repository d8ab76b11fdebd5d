"""What is said of a project that changed: what, and who may have done it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.gates import stage
from dispatch.tasks import a_task
from flowrunner.dispatch.gates.changes import MOST_TOLD, Change, compare, explain
from flowrunner.dispatch.gates.digest import TreeState, take
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.gates.watch import TreeWatch
from flowrunner.wire.tasks import TaskError, TaskReport

pytestmark = pytest.mark.anyio
REPORT = TaskReport(epoch=1, outcome="completed", output="fine")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return stage.a_project(tmp_path)


def explained(gate: Gate, *changes: Change) -> str:
    state = TreeState(root=Path("/project"))
    return explain(state, state, changes, gate)


def test_a_gate_that_covers_it_clears_the_agent() -> None:
    """P8, P11: it says who probably was not, and what the answer is worth."""
    told = explained(Gate(namespaces=True), Change("a", "content"), Change("b", "metadata"))

    assert "content: a" in told
    assert "somebody else has probably changed it" in told
    assert "a mixture of before and after" in told


@pytest.mark.parametrize(
    ("gate", "change", "named"),
    [
        (OPEN, Change("a", "created"), "does not cover content"),
        (Gate(landlock=6), Change("a", "metadata", "mode"), "does not cover metadata"),
    ],
    ids=["none", "landlock"],
)
def test_a_gate_that_does_not_cover_it_leaves_it_open(
    gate: Gate, change: Change, named: str
) -> None:
    """P8, P11: it may have been the agent, or somebody else, and we cannot tell."""
    told = explained(gate, change)

    assert named in told
    assert "we cannot tell" in told


def test_a_long_list_is_cut_and_says_so() -> None:
    """P11: the number of changes that are not listed is there."""
    told = explained(OPEN, *(Change(f"{n:03}", "created") for n in range(MOST_TOLD + 5)))

    assert f"{MOST_TOLD + 5} changes" in told
    assert "[flowrunner: 5 more changes]" in told


def test_a_clean_repository_shows_a_diff(project: Path) -> None:
    """P8: the evidence is the diff itself, where a commit holds the earlier text."""
    (project / "untracked.txt").unlink()
    before = take(project)
    (project / "tracked.txt").write_text("hostile\n", encoding="utf-8")
    after = take(project, earlier=before)

    told = explain(before, after, compare(before, after), OPEN)

    assert "-kept\n+hostile" in told


async def test_a_task_that_changed_its_project_fails(project: Path) -> None:
    """P8, F55: the report that came in is replaced; its usage stays."""
    watch = TreeWatch(OPEN)
    task = a_task(project_root=str(project))
    before = await watch.before(task)
    unchanged = await watch.after(before, REPORT)
    (project / "planted").touch()

    report = await watch.after(before, REPORT)

    assert unchanged is REPORT
    assert report.error is not None
    assert (report.outcome, report.error.code) == ("failed", "read_only_violated")
    assert "created: planted" in report.error.message


async def test_a_task_that_failed_and_changed_says_both(project: Path) -> None:
    """P8, P11: neither story hides the other."""
    watch = TreeWatch(OPEN)
    task = a_task(project_root=str(project))
    before = await watch.before(task)
    (project / "planted").touch()
    failed = TaskReport(
        epoch=1, outcome="failed", error=TaskError(code="agent_failed", message="it broke")
    )

    report = await watch.after(before, failed)

    assert report.error is not None
    assert "created: planted" in report.error.message
    assert "it broke" in report.error.message
