"""The tables of allowed changes, and the page that is printed from them."""

from collections.abc import Mapping

import pytest

from flowrunner.core import transitions
from flowrunner.core.model import RunStatus, StepStatus
from unit.core import states


@pytest.mark.parametrize(
    ("table", "statuses"), [(transitions.RUN, RunStatus), (transitions.STEP, StepStatus)]
)
def test_every_status_has_a_row(
    table: Mapping[RunStatus | StepStatus, frozenset[RunStatus | StepStatus]],
    statuses: type[RunStatus | StepStatus],
) -> None:
    """What is not in a row is refused; so each status has one, and leads to known ones."""
    assert set(table) == set(statuses)
    assert set().union(*table.values()) <= set(statuses)


def test_an_end_is_left_for_a_new_beginning_only() -> None:
    """P1, F40: only a retry leaves an end: a run goes on, a step begins anew or counts again."""
    again = {StepStatus.PENDING, StepStatus.BLOCKED}
    for run, runs in transitions.RUN.items():
        assert not run.is_terminal or runs == {RunStatus.RUNNING}
    for step, steps in transitions.STEP.items():
        assert not step.is_terminal or steps <= again
    assert transitions.STEP[StepStatus.EXCLUDED] == set()


def test_every_final_status_can_be_reached() -> None:
    """A status that no change leads to would be a word without a meaning; steps begin excluded."""
    assert set().union(*transitions.STEP.values()) == set(StepStatus) - {StepStatus.EXCLUDED}
    assert set().union(*transitions.RUN.values()) == set(RunStatus) - {RunStatus.QUEUED}


def test_a_table_is_printed_as_a_diagram() -> None:
    """Mermaid's text: one arrow per allowed change, and an end even if a retry may leave it."""
    going, failed = RunStatus.RUNNING, RunStatus.FAILED
    table = {going: frozenset({failed, going}), failed: frozenset({going})}

    assert transitions.diagram(table).splitlines() == [
        "stateDiagram-v2",
        "    running --> failed",
        "    running --> running",
        "    failed --> [*]",
        "    failed --> running",
    ]


def test_the_page_shows_the_tables() -> None:
    """docs/reference/states.md equals what is printed; its module says how to rewrite it."""
    expected = states.page()

    written = states.PAGE.read_text(encoding="utf-8")
    assert written == expected, "run: python -m tests.unit.core.states --write"


def test_the_page_explains_every_status() -> None:
    """Each status of runs and steps has a row with its meaning."""
    for status in (*RunStatus, *StepStatus):
        assert f"| `{status}` | " in states.TEXT
