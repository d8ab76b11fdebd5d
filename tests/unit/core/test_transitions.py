"""The tables of allowed changes, and the page that is printed from them."""

from collections.abc import Mapping
from enum import StrEnum

import pytest

from flowrunner.core import transitions
from flowrunner.core.model import RunStatus, StepStatus
from unit.core import states


@pytest.mark.parametrize(
    ("table", "statuses"), [(transitions.RUN, RunStatus), (transitions.STEP, StepStatus)]
)
def test_nothing_leaves_a_final_status(
    table: Mapping[RunStatus | StepStatus, frozenset[RunStatus | StepStatus]],
    statuses: type[RunStatus | StepStatus],
) -> None:
    """P1: every status has a row, and the final ones are those without a way out."""
    assert set(table) == set(statuses)
    assert {status for status in statuses if status.is_terminal} == {
        status for status, afters in table.items() if not afters
    }
    assert set().union(*table.values()) <= set(statuses)


def test_every_final_status_can_be_reached() -> None:
    """A status that no change leads to would be a word without a meaning; steps begin excluded."""
    assert set().union(*transitions.STEP.values()) == set(StepStatus) - {StepStatus.EXCLUDED}
    assert set().union(*transitions.RUN.values()) == set(RunStatus) - {RunStatus.QUEUED}


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"


def test_a_table_is_printed_as_a_diagram() -> None:
    """Mermaid's text: one arrow per allowed change, and an end where there is none."""
    table = {Door.OPEN: frozenset({Door.SHUT, Door.OPEN}), Door.SHUT: frozenset[Door]()}

    assert transitions.diagram(table) == (
        "stateDiagram-v2\n    open --> open\n    open --> shut\n    shut --> [*]"
    )


def test_the_page_shows_the_tables() -> None:
    """docs/reference/states.md equals what is printed; its module says how to rewrite it."""
    expected = states.page()

    written = states.PAGE.read_text(encoding="utf-8")
    assert written == expected, "run: python -m tests.unit.core.states --write"


def test_the_page_explains_every_status() -> None:
    """Each status of runs and steps has a row with its meaning."""
    for status in (*RunStatus, *StepStatus):
        assert f"| `{status}` | " in states.TEXT
