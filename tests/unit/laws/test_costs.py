"""What a decision costs, counted: it follows what changes, never the size of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest

from flowrunner.core import inputs as inp
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, RetryPolicy, StepKind, StepSpec
from flowrunner.core.model import Ref, RunState, RunStatus, StepState, StepStatus, unstarted
from flowrunner.core.scheduling import decide
from flowrunner.core.vector import Vector
from unit.laws.world import FATAL, FLAKY

SIZE = 10_000
DONE = inp.Succeeded(Ref("o"))


class Counted(Vector[StepState]):
    """Counts every step that is read; looking at all of them counts all of them."""

    __slots__ = ("inner", "reads")

    def __init__(self, inner: Vector[StepState]) -> None:
        super().__init__()
        self.inner = inner
        self.reads = 0

    def __getitem__(self, index: int) -> StepState:
        self.reads += 1
        return self.inner[index]

    def __iter__(self) -> Iterator[StepState]:
        self.reads += len(self.inner)
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)

    def updated(self, changes: Mapping[int, StepState]) -> Vector[StepState]:
        return self.inner.updated(changes)


class Specs(tuple[StepSpec, ...]):  # noqa: SLOT001  # it has to count
    """Counts whole walks over the graph; looking up one step is free."""

    walks = 0

    def __iter__(self) -> Iterator[StepSpec]:
        self.walks += 1
        return super().__iter__()


@cache
def fans(width: int, *, when: bool = False) -> RunState:
    """Return a run of SIZE steps in fans: a root and *width* dependents, again and again."""
    steps = [
        StepSpec(
            f"s{n}",
            StepKind.CODE if n % (width + 1) == 0 else StepKind.AGENT,
            needs=(n - n % (width + 1),) if n % (width + 1) else (),
            has_when=when,
            retry=RetryPolicy(max_attempts=3),
        )
        for n in range(SIZE)
    ]
    return a_large_run(Graph(Specs(steps)))


def a_large_run(graph: Graph) -> RunState:
    state = unstarted(graph)
    return fold(state, decide(state, [inp.Launched("f", "small", "d")]).events)


def reads(state: RunState, *given: inp.Input) -> int:
    """Return how many steps deciding and folding *given* look at."""
    counted, specs = Counted(state.steps), state.graph.steps
    assert isinstance(specs, Specs)
    watched = replace(state, steps=counted)
    before = specs.walks
    decision = decide(watched, given)
    assert decision.events
    fold(watched, decision.events)
    assert specs.walks == before
    return counted.reads


@pytest.mark.parametrize("width", [0, 1, 10, 100])
@pytest.mark.parametrize(
    "given",
    [
        inp.TaskSettled(0, 1, 1, DONE),
        inp.TaskSettled(0, 1, 1, inp.Errored(FLAKY)),
        inp.TaskLost(0, 1, 1, "died"),
        inp.TaskSettled(0, 9, 1, DONE),
        inp.Rejected(0, 1, 1, "succeeded"),
    ],
    ids=["done", "flaky", "lost", "zombie", "rejected"],
)
def test_a_decision_reads_what_it_touches(width: int, given: inp.Input) -> None:
    """Of ten thousand steps, a result reads its own step and its dependents, a few times each."""
    state = fans(width)

    assert reads(state, given) <= 12 * (1 + width)


def test_an_answer_reads_what_it_touches() -> None:
    """A prompt or a refusal of a `when` costs no more, however many others are being asked."""
    state = fans(1, when=True)

    assert reads(state, inp.GuardEvaluated(0, answer=True)) <= 12
    assert reads(state, inp.GuardEvaluated(0, answer=False)) <= 24


def test_a_batch_costs_the_sum_of_its_parts() -> None:
    """A hundred results in one decision read a hundred times what one reads."""
    state = fans(1)
    batch = [inp.TaskSettled(2 * n, 1, 1, DONE) for n in range(100)]

    assert reads(state, *batch) <= 100 * 24


@pytest.mark.parametrize(
    "given",
    [
        inp.TaskSettled(0, 1, 1, inp.Errored(FATAL)),
        inp.CancelRequested("r", "ann"),
        inp.StallFound("r", missing=(0,)),
    ],
    ids=["failed", "cancel", "stall"],
)
def test_only_an_end_or_a_repair_looks_at_every_step(given: inp.Input) -> None:
    """Stopping all siblings is once per run, and costs each step a few looks."""
    assert SIZE <= reads(fans(1), given) <= 12 * SIZE


def test_folding_copies_what_changed() -> None:
    """Of the 157 chunks of ten thousand steps, a result copies its own and its dependents'."""
    state = fans(1)

    for step in (0, 5_000, 9_998):
        events = decide(state, [inp.TaskSettled(step, 1, 1, DONE)]).events
        after = fold(state, events)
        pairs = zip(chunks(state.steps), chunks(after.steps), strict=True)
        assert 1 <= sum(new is not old for old, new in pairs) <= 2


def chunks(steps: Vector[StepState]) -> tuple[tuple[StepState, ...], ...]:
    return steps._chunks  # pyright: ignore[reportPrivateUsage]  # sharing cannot be seen from outside


def test_a_chain_of_refusals_is_linear() -> None:
    """R2-20, R2-24: ten thousand `when`s that say no are that many events and as many looks."""
    specs = (
        StepSpec(f"s{n}", StepKind.AGENT, (n - 1,) if n else (), has_when=True) for n in range(SIZE)
    )
    state = a_large_run(Graph(tuple(specs)))
    looks = 0

    for number in range(SIZE):
        counted = Counted(state.steps)
        decision = decide(replace(state, steps=counted), [inp.GuardEvaluated(number, answer=False)])
        assert len(decision.events) == len(decision.asks) == 1
        looks += counted.reads
        state = fold(state, decision.events)

    assert looks <= 12 * SIZE
    assert all(step.status is StepStatus.SKIPPED for step in state.steps)
    state = fold(state, decide(state, [inp.ReportRendered(Ref("r"))]).events)
    assert (state.status, state.version) == (RunStatus.COMPLETED, SIZE + 2)
