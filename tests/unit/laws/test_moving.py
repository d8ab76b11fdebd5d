"""What a run waits for: nothing begins too early, and nothing stands still."""

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph
from flowrunner.core.model import Opening, unstarted
from flowrunner.core.readiness import outstanding
from unit.laws.happenings import a_world, finish
from unit.laws.soundness import assert_sound, may_begin
from unit.laws.strategies import anything, choices, launches
from unit.laws.world import assert_caused

Launch = tuple[Graph, tuple[int, ...]]


@given(launches(), choices)
def test_nothing_begins_before_its_needs(launch: Launch, picks: list[int]) -> None:
    """R2-19, R2-20, F12: what is offered, asked, expanded or put to sleep may begin by its trigger.

    What is skipped may begin, and its `when` said no; or it can never begin.
    """
    world = finish(a_world(*launch, picks))

    state, size = unstarted(world.graph), len(world.graph.steps)
    for event in world.log:
        if isinstance(event, BEGINNINGS) and event.step < size:
            assert may_begin(state, event.step) is Opening.OPEN
        if isinstance(event, ev.StepSkipped):
            expected = Opening.OPEN if event.reason == "when_false" else Opening.NEVER
            assert may_begin(state, event.step) is expected
        state = fold(state, [event])


BEGINNINGS = (
    ev.StepDispatched,
    ev.StepExpanded,
    ev.StepIterated,
    ev.StepSlept,
    ev.ApprovalRequested,
)


@given(launches(), choices)
def test_a_run_never_stands_still(launch: Launch, picks: list[int]) -> None:
    """P4, R2-22, R2-23: every step that is live waits for something that is live; and for the last
    one of those there is a task, a timer, a person or a question. The run can be finished.
    """
    world = a_world(*launch, picks)

    assert_sound(world.state)
    assert_caused(world)
    assert finish(world).state.status.is_terminal


@given(launches(), choices, st.lists(anything, max_size=6))
def test_nothing_that_is_told_makes_a_run_stand_still(
    launch: Launch, picks: list[int], batch: list[inp.Input]
) -> None:
    """P4, R2-13: whatever comes, answers that nobody asked for included, the run can be finished."""
    world = a_world(*launch, picks)
    world.tell(*batch)

    assert_caused(world)
    assert finish(world).state.status.is_terminal


@given(launches(), choices)
def test_what_has_not_been_asked_is_not_outstanding(launch: Launch, picks: list[int]) -> None:
    """The questions a resident run has open are those a loaded one would ask."""
    world = a_world(*launch, picks)

    assert set(outstanding(world.state)) == world.asked
