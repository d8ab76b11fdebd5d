"""Laws of one decision, in any state that a run can reach."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core import meaning
from flowrunner.core.decision import LeaseGuard, TimerGuard, Verdict
from flowrunner.core.draft import Draft
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import Ref, RunState, RunStatus, StepStatus, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide
from flowrunner.core.transitions import RUN, STEP
from unit.laws.happenings import a_world, afterwards, finish, likely, unlikely
from unit.laws.soundness import assert_sound, current, satisfies
from unit.laws.strategies import anything, choices, launches
from unit.laws.world import World

Launch = tuple[Graph, tuple[int, ...]]


def anything_now(world: World) -> list[inp.Input]:
    """Return all that can be told about what there is now, whether it makes sense or not."""
    return [*likely(world), *unlikely(world), *afterwards(world)]


@given(launches(), choices, st.lists(anything, max_size=6))
def test_deciding_is_total_and_deterministic(
    launch: Launch, picks: list[int], batch: list[inp.Input]
) -> None:
    """R2-13, R2-37: whatever comes, about any step, there is one answer and one verdict each."""
    state = a_world(*launch, picks).state

    decision = decide(state, batch)

    assert decision == decide(state, batch)
    assert len(decision.verdicts) == len(batch)
    assert_sound(fold(state, decision.events))


@given(launches(), st.lists(anything, max_size=6))
def test_deciding_before_the_launch_is_total_too(launch: Launch, batch: list[inp.Input]) -> None:
    """R2-13: a run that was not launched can be told anything without harm."""
    state = unstarted(launch[0])

    after = fold(state, decide(state, batch).events)

    assert_sound(after)
    assert any(isinstance(given, inp.Launched) for given in batch) or after == state


@given(launches(), choices)
def test_what_is_fenced_is_guarded(launch: Launch, picks: list[int]) -> None:
    """P2, R2-42: what a lease or a timer caused is committed only while that one stands."""
    world = a_world(*launch, picks)

    for given_ in anything_now(world):
        decision = decide(world.state, [given_])
        if decision.verdicts == (Verdict.ACCEPTED,):
            match given_:
                case inp.TaskSettled() | inp.TaskLost() | inp.CallAsked():
                    guard = LeaseGuard(given_.step, given_.attempt, given_.epoch)
                    assert decision.guards == (guard,)
                case inp.TimerFired(kind=inp.TimerKind.QUEUE as kind, step=step, token=token):
                    unheld = LeaseGuard(step, token, 0)
                    assert decision.guards == (unheld, TimerGuard(kind, step, token))
                case inp.TimerFired(kind=kind, step=step, token=token):
                    assert decision.guards == (TimerGuard(kind, step, token),)
                case _:
                    assert decision.guards == ()


@given(launches(), choices)
def test_an_end_says_how_it_came(launch: Launch, picks: list[int]) -> None:
    """R2-17, R2-21, D2-33: the last event, the status and what became of the steps agree."""
    world = finish(a_world(*launch, picks))

    last = [event for event in world.log if not isinstance(event, ev.RunRendered)][-1]
    state = world.state
    present = current(state)
    failed = [n for n in present if state.steps[n].status is StepStatus.FAILED]
    match last:
        case ev.RunCompleted(degraded=degraded):
            assert state.status is RunStatus.COMPLETED
            assert degraded == bool(failed)
            assert all(satisfies(state, n) for n in range(len(world.graph.steps)))
        case ev.RunFailed(error=error):
            assert (state.status, state.failure) == (RunStatus.FAILED, error)
            every = range(len(world.graph.steps))
            no_steps = {"run_deadline", "render_failed"}
            assert error.code in no_steps or not all(satisfies(state, n) for n in every)
        case _:
            assert isinstance(last, ev.RunCancelled)
            assert state.status is RunStatus.CANCELLED


@given(launches(), choices)
def test_a_rejection_is_the_only_event_of_a_late_input(launch: Launch, picks: list[int]) -> None:
    """P2: an input that is answered late changes no step and not the run."""
    world = a_world(*launch, picks)

    for given_ in anything_now(world):
        decision = decide(world.state, [given_])
        if decision.verdicts[0] is not Verdict.ACCEPTED:
            assert all(isinstance(event, ev.ResultRejected) for event in decision.events)
            assert (decision.guards, decision.timers) == ((), ())


@given(launches(), choices, st.lists(anything, max_size=6))
def test_an_ended_run_decides_nothing(
    launch: Launch, picks: list[int], batch: list[inp.Input]
) -> None:
    """R2-13, I3, P1: nothing to commit, ask or wait for; all is late but what was applied last."""
    world = finish(a_world(*launch, picks))
    state, batch = world.state, [*batch, *world.told]

    batch = [given_ for given_ in batch if not is_for_the_ended(given_)]

    decision = decide(state, batch)

    for given_, verdict in zip(batch, decision.verdicts, strict=True):
        assert verdict is (Verdict.DUPLICATE if repeats(state, given_) else Verdict.LATE)
    assert (decision.events, decision.asks, decision.guards, decision.timers) == ((), (), (), ())
    assert list(outstanding(state)) == []


def is_for_the_ended(given_: inp.Input) -> bool:
    """Whether somebody asks for a new beginning, or for another report."""
    is_report = isinstance(given_, inp.ReportRendered) and given_.actor != ""
    return is_report or isinstance(given_, inp.RetryRequested | inp.RenderRequested)


def repeats(state: RunState, given_: inp.Input) -> bool:
    """Whether *given_* is the result that ended its step."""
    match given_:
        case inp.TaskSettled(step=step, epoch=epoch) if 0 <= step < len(state.steps):
            return epoch == state.steps[step].epoch != 0
        case _:
            return False


@given(launches(), choices)
def test_every_change_is_in_the_tables(launch: Launch, picks: list[int]) -> None:
    """I4, P1, D2-23: one event moves the version by one and at most one step, by an allowed change.

    The launch itself is no change: it says which steps begin as excluded. A retry leaves the ends of
    an earlier generation, and only a retry does.
    """
    world = finish(a_world(*launch, picks))

    state = unstarted(world.graph)
    for number, event in enumerate(world.log, start=1):
        after = fold(state, [event])
        changes = [
            (old.status, new.status)
            for old, new in zip(state.steps, after.steps, strict=False)
            if old.status is not new.status
        ]
        if isinstance(event, ev.RunStarted):
            assert set(changes) <= {(StepStatus.PENDING, StepStatus.EXCLUDED)}
        elif isinstance(event, ev.RunRetried):
            assert after.generation == state.generation + 1 == event.generation
        else:
            assert len(changes) <= 1
            assert not any(old.is_terminal for old, _ in changes)
            assert after.generation == state.generation
        assert all(new in STEP[old] for old, new in changes if old is not StepStatus.PENDING)
        assert after.version == number
        assert after.status is state.status or after.status in RUN[state.status]
        state = after


@given(launches(), choices)
def test_the_same_input_twice_is_once(launch: Launch, picks: list[int]) -> None:
    """I5, P1: repeated at once or in the same batch, an input adds at most its refusal."""
    world = a_world(*launch, picks)

    for given_ in anything_now(world):
        if isinstance(given_, inp.Rejected | inp.StallFound):
            continue  # told by us about the log, not by a dispatcher: each one is its own fact
        if isinstance(given_, inp.TimerFired) and given_.kind is inp.TimerKind.REMINDER:
            continue  # its guard is what makes it count once; see the next test
        once = fold(world.state, decide(world.state, [given_]).events)
        again = fold(once, decide(once, [given_]).events)
        together = fold(world.state, decide(world.state, [given_, given_]).events)
        assert unrecorded(again) == unrecorded(once)
        assert unrecorded(together) == unrecorded(once)


def unrecorded(state: RunState) -> RunState:
    """Forget what was only recorded: refusals, and how many events there are."""
    return replace(state, version=0, rejected=0)


@given(launches(), choices)
def test_ended_things_stay_ended(launch: Launch, picks: list[int]) -> None:
    """P1: a final status of a step or a run is never left, whatever is told later."""
    world = World(launch[0])
    world.tell(inp.Launched("f", "small", "d", tuple((n, "gate") for n in launch[1])))
    states = [world.state]
    for pick in picks:
        options = anything_now(world)
        world.tell(options[pick % len(options)])
        states.append(world.state)

    for before, after in pairwise(states):
        is_over = before.status.is_terminal and after.generation == before.generation
        assert not is_over or unrecorded(after) == unrecorded(before)
        if after.generation == before.generation:
            for old, new in zip(before.steps, after.steps, strict=False):
                assert not old.status.is_terminal or new.status is old.status


@given(launches(), choices)
def test_a_timer_counts_once(launch: Launch, picks: list[int]) -> None:
    """I5, P1: a timer that is due and told twice has gone when the second is to be committed."""
    world = a_world(*launch, picks)

    for (kind, step), token in list(world.timers.items()):
        due = inp.TimerFired(kind, step, token)
        assert len(decide(world.state, [due, due]).guards) <= 1 + (kind is inp.TimerKind.QUEUE)
        world.tell(due)
        again = decide(world.state, [due])
        assert again.events == () or not world.holds(again.guards)


@given(launches(), choices)
def test_an_agent_is_offered_with_a_prompt(launch: Launch, picks: list[int]) -> None:
    """R2-51, F7: an agent's attempts carry one prompt, or the last repair's; code carries none."""
    world = a_world(*launch, picks)
    repaired: dict[int, Ref] = {}

    for event in world.log:
        if isinstance(event, ev.RunRetried):
            repaired = {n: ref for n, ref in repaired.items() if n not in event.steps}
        if isinstance(event, ev.StepRetrying) and event.prompt is not None:
            repaired[event.step] = event.prompt
        if isinstance(event, ev.StepDispatched):
            spec = world.state.spec(event.step)
            asked = (
                {f"p{event.step}", *("k0", "k1", "k2")} if "/" in spec.key else {f"p{event.step}"}
            )
            is_agent = spec.kind is StepKind.AGENT
            if event.step in repaired:
                assert event.prompt == repaired[event.step]
            else:
                assert event.prompt in asked if is_agent else event.prompt is None


@given(launches(), choices)
def test_an_ended_run_leaves_nothing_alive(launch: Launch, picks: list[int]) -> None:
    """I1, I2, I3, D2-07: each lease is a running step's attempt, and the end has none."""
    world = a_world(*launch, picks)

    running = {
        n: step.attempt
        for n, step in enumerate(world.state.steps)
        if step.status is StepStatus.RUNNING
    }
    assert {step: attempt for step, (attempt, _) in world.leases.items()} == running
    finish(world)
    assert (world.leases, world.timers, world.asked) == ({}, {}, set())
    assert all(step.status.is_terminal for step in world.state.steps)


@given(launches(), choices)
def test_what_a_decision_says_is_what_is_folded(launch: Launch, picks: list[int]) -> None:
    """P7: applied one by one to a draft or folded at once, events mean the same."""
    world = a_world(*launch, picks)

    draft = Draft(unstarted(world.graph))
    for event in world.log:
        meaning.apply(draft, event)

    assert draft.freeze() == world.state
