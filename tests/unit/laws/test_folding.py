"""Laws of the log: it is gap-free, sufficient, and can be cut anywhere."""

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from flowrunner.core import inputs as inp
from flowrunner.core.admission import precedence
from flowrunner.core.decision import Decision
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, Siblings
from flowrunner.core.model import Ref, StepStatus, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide, decide_and_fold
from stories import statuses
from unit.laws.happenings import a_world, answers, likely, unlikely
from unit.laws.strategies import choices, launches
from unit.laws.world import World

Launch = tuple[Graph, tuple[int, ...]]


@given(launches(), choices, st.integers(0, 100), st.integers(0, 100))
def test_the_log_is_the_state(launch: Launch, picks: list[int], one: int, two: int) -> None:
    """P7, I4: the log folded whole, or in pieces cut anywhere, is the state that was built."""
    world = a_world(*launch, picks)
    first, second = sorted((one % (len(world.log) + 1), two % (len(world.log) + 1)))

    state = unstarted(world.graph)
    for piece in (world.log[:first], world.log[first:second], world.log[second:]):
        state = fold(state, piece)

    assert state == world.state
    assert state == fold(unstarted(world.graph), world.log)
    assert state.version == len(world.log)


@given(launches(), choices)
def test_nothing_happened_is_nothing_folded(launch: Launch, picks: list[int]) -> None:
    """Folding no event is the same state, and a state is never changed in place."""
    world = a_world(*launch, picks)
    before = world.state
    copy = fold(unstarted(world.graph), world.log)

    assert fold(before, []) == before
    for given_ in [*likely(world), *unlikely(world)]:
        fold(before, decide(before, [given_]).events)
    assert before == copy


@given(launches(), choices, st.lists(st.integers(0, 99), max_size=5))
def test_deciding_knows_what_folding_would_make_of_it(
    launch: Launch, picks: list[int], chosen: list[int]
) -> None:
    """P7: the state that a decision comes with is its events folded, whatever it was told."""
    world = a_world(*launch, picks)
    options = [*likely(world), *unlikely(world)]
    batch = [options[n % len(options)] for n in chosen]

    decision, after = decide_and_fold(world.state, batch)

    assert decision == decide(world.state, batch)
    assert after == fold(world.state, decision.events)


@given(launches(), choices, st.lists(st.integers(0, 99), max_size=4))
def test_decisions_join(launch: Launch, picks: list[int], later: list[int]) -> None:
    """P7, I7: taken one after the other and committed as one, decisions mean the same.

    Every question of one round is answered in the next, as the engine does it; then the questions
    of the joined decision are all that is open.
    """
    world = a_world(*launch, picks)
    state, joined = world.state, Decision(asks=tuple(outstanding(world.state)))

    for _ in later:
        decision = decide(state, [answers(state, ask)[0] for ask in joined.asks])
        state, joined = fold(state, decision.events), joined.then(decision)

    assert state == fold(world.state, joined.events)
    assert set(joined.asks) == set(outstanding(state))


@given(launches(), choices, st.lists(st.integers(0, 99), max_size=5))
def test_a_batch_is_its_parts(launch: Launch, picks: list[int], chosen: list[int]) -> None:
    """I5, D2-33: told as one batch, or one by one in its order, every step ends up alike."""
    world = a_world(*launch, picks)
    options = [*likely(world), *unlikely(world)]
    # What the detector saw, it saw once: told again later, it would be about the next attempt. And
    # who is heard in time may end a step that, a moment later, would have gone on by itself. What
    # was asked before a retry is no answer after it: the actor knows the generations, not the core.
    timely = inp.StallFound | inp.StopRequested | inp.PauseRequested | inp.RetryRequested
    picked = dict.fromkeys(n % len(options) for n in chosen)
    batch = [options[n] for n in picked if not isinstance(options[n], timely)]

    together = fold(world.state, decide(world.state, batch).events)
    # What a failure finds at work, or finds decided of a list, is a matter of the moment at which
    # it is heard: with others in one batch, or after what those began.
    assume(not (any(map(is_bad, batch)) and is_in_motion(world, batch)))
    state = world.state
    known = len(world.graph.steps)
    children_first = sorted(
        batch, key=lambda given_: min(0, known - getattr(given_, "step", 0) - 1)
    )
    for given_ in sorted(children_first, key=precedence):
        state = fold(state, decide(state, [given_]).events)

    # Told one by one, what waits may begin, or be skipped, before a failure ends it.
    before = statuses(world.state)
    was_at_work = {key for key, status in before.items() if status == "running"}
    asked = statuses(together).keys() if together.failure is None else was_at_work
    assert {key: statuses(together)[key] for key in asked} == {
        key: statuses(state)[key] for key in asked
    }
    if state.failure is None and any(map(is_deadline, batch)):
        # One by one, the rest was skipped and the run over before its deadline was heard.
        assert state.remaining == 0
        return
    assert (together.tolerated, together.failure) == (state.tolerated, state.failure)


def is_deadline(given_: inp.Input) -> bool:
    return isinstance(given_, inp.TimerFired) and given_.kind is inp.TimerKind.RUN_DEADLINE


def is_bad(given_: inp.Input) -> bool:
    """Whether it may end a step other than well."""
    return precedence(given_) > precedence(inp.ApprovalGiven(0, 1, True, "ann", Ref("yes")))


def is_in_motion(world: World, batch: Sequence[inp.Input]) -> bool:
    """Whether somebody waits for children, or those at work may go on when the run fails."""
    drains = world.graph.siblings is Siblings.DRAIN
    parents = any(step.status is StepStatus.BLOCKED and step.family for step in world.state.steps)
    return drains or parents or any(isinstance(given_, inp.Expanded) for given_ in batch)
