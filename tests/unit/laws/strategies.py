"""Random graphs, choices and inputs, the impossible ones included."""

from __future__ import annotations

from zlib import crc32

from hypothesis import strategies as st

from flowrunner.core import inputs as inp
from flowrunner.core.graph import (
    ApprovalSpec,
    EachSpec,
    Expiry,
    Graph,
    Limits,
    OnFail,
    OnSkip,
    Overflow,
    Rejection,
    RepeatSpec,
    RetryPolicy,
    Siblings,
    StepKind,
    StepSpec,
    Trigger,
)
from flowrunner.core.model import Ref
from unit.laws.world import FATAL, FLAKY, QUOTA, UNFIT

KINDS = (*[StepKind.AGENT] * 3, *[StepKind.CODE] * 3, StepKind.APPROVAL, StepKind.WAIT)
FAILS = (*[OnFail.FAIL] * 3, OnFail.TOLERATE, OnFail.SKIP, OnFail.CASCADE)
TRIGGERS = (*[Trigger.ALL] * 3, Trigger.ANY, Trigger.NONE_FAILED, Trigger.ALL_DONE)


def numbers(max_size: int, min_size: int = 0) -> st.SearchStrategy[list[int]]:
    """Draw a list that shrinks by its length; lists drawn one by one come too much alike."""
    return st.builds(_spread, st.integers(0, 2**32), st.integers(min_size, max_size))


def _spread(seed: int, length: int) -> list[int]:
    return [crc32(f"{seed}/{n}".encode()) for n in range(length)]


choices = numbers(60)
"""Which of the possible things happens next; see `world.steps_of`."""


def launches(
    min_size: int = 0, max_size: int = 6
) -> st.SearchStrategy[tuple[Graph, tuple[int, ...]]]:
    """Draw any graph without cycles, and which of its steps are excluded."""
    return st.builds(_launch, numbers(max_size, min_size), st.sets(st.integers(0, 5), max_size=2))


def _launch(picks: list[int], excluded: set[int]) -> tuple[Graph, tuple[int, ...]]:
    graph = a_random_graph(picks)
    return graph, tuple(n for n in sorted(excluded) if n < len(picks))


def a_random_graph(picks: list[int]) -> Graph:
    """Return one step per pick; a step may need later ones of the flow as well."""
    shuffled = sorted(range(len(picks)), key=lambda n: crc32(f"{picks[n]}".encode()))
    place = {n: shuffled.index(n) for n in range(len(picks))}
    steps = {place[n]: _Step(pick, n, place).spec() for n, pick in enumerate(picks)}
    deadline = 60.0 if sum(picks) % 2 else None
    siblings = Siblings.DRAIN if sum(picks) % 3 == 0 else Siblings.STOP
    return Graph(tuple(steps[n] for n in range(len(picks))), deadline, siblings)


class _Step:
    def __init__(self, pick: int, n: int, place: dict[int, int]) -> None:
        self.pick, self.n, self.place = pick, n, place

    def roll(self, name: str, sides: int) -> int:
        """Each property of a step has a die of its own."""
        return crc32(f"{self.pick}/{name}".encode()) % sides

    def spec(self) -> StepSpec:
        roll, kind = self.roll, KINDS[self.roll("kind", len(KINDS))]
        needs = self.needs()
        family = roll("family", 5) if kind.is_offered else -1
        return StepSpec(
            f"s{self.place[self.n]}",
            kind,
            needs=needs,
            has_when=roll("when", 3) == 0,
            on_fail=FAILS[roll("on_fail", len(FAILS))],
            retry=RetryPolicy(1 + roll("tries", 3), 2.0 * roll("delay", 2)),
            limits=Limits(queue_seconds=9.0 if roll("queue", 3) == 0 else None),
            trigger=TRIGGERS[roll("trigger", len(TRIGGERS))],
            on_skip=OnSkip.CASCADE if roll("on_skip", 4) == 0 else OnSkip.SATISFY,
            each=self.each() if family == 0 else None,
            repeat=RepeatSpec(1 + roll("most", 3), roll("exhausted", 2) == 0)
            if family == 1
            else None,
            approval=self.approval(needs) if kind is StepKind.APPROVAL else None,
        )

    def needs(self) -> tuple[int, ...]:
        wanted = range(self.roll("needs", 4)) if self.n else ()
        return tuple(sorted({self.place[self.roll(f"need {turn}", self.n)] for turn in wanted}))

    def each(self) -> EachSpec:
        quorum = self.roll("quorum", 3)
        return EachSpec(
            max_items=3,
            overflow=list(Overflow)[self.roll("overflow", 2)],
            quorum_count=1 if quorum == 1 else None,
            quorum_share=0.5 if quorum == 2 else None,
            parallel=1 + self.roll("parallel", 3),
        )

    def approval(self, needs: tuple[int, ...]) -> ApprovalSpec:
        return ApprovalSpec(
            expires_seconds=90.0 if self.roll("expires", 2) else None,
            on_expiry=list(Expiry)[self.roll("on_expiry", 3)],
            remind_seconds=30.0 if self.roll("remind", 2) else None,
            on_reject=list(Rejection)[self.roll("on_reject", 2)],
            redo_from=needs[self.roll("redo", len(needs))] if needs else None,
            max_redos=self.roll("redos", 3),
        )


_steps = st.integers(-2, 7)
_small = st.integers(0, 4)
_answers = st.sampled_from([Ref("p"), FATAL])
_outcomes = st.sampled_from(
    [
        inp.Succeeded(Ref("o")),
        inp.Errored(FATAL),
        inp.Errored(FLAKY),
        inp.Errored(QUOTA, pause_seconds=7.0),
        inp.Errored(FLAKY, repair=inp.Repair(2, Ref("r"))),
        *(inp.Errored(UNFIT, repair=inp.Repair(most, Ref("r"))) for most in (-1, 0, 1, 2)),
        inp.Errored(UNFIT, repair=inp.Repair(2)),
        inp.Stopped("x"),
    ]
)
_excluded = st.lists(st.tuples(_steps, st.just("gate")), max_size=2).map(tuple)
_said = st.just("r"), st.just("ann")
_refs = st.just(Ref("x"))

anything: st.SearchStrategy[inp.Input] = st.one_of(
    st.builds(inp.Launched, st.just("f"), st.just("small"), st.just("d"), _excluded),
    st.builds(inp.TaskSettled, _steps, _small, _small, _outcomes),
    st.builds(inp.TaskLost, _steps, _small, _small, st.just("r")),
    st.builds(inp.GuardEvaluated, _steps, st.booleans() | st.just(FATAL)),
    st.builds(inp.PromptBuilt, _steps, _answers),
    st.builds(inp.Expanded, _steps, st.sampled_from([(), ("a",), ("a", "b")]), _refs),
    st.builds(inp.WaitSet, _steps, st.sampled_from([-1.0, 0.0, 5.0])),
    st.builds(inp.ApprovalBuilt, _steps, _refs, st.just("digest")),
    st.builds(inp.Gathered, _steps, _answers),
    st.builds(inp.LoopJudged, _steps, _small, st.booleans() | st.just(FATAL), st.none() | _refs),
    st.builds(inp.CallAsked, _steps, _small, _small, st.sampled_from("ab"), _refs),
    st.builds(
        inp.ApprovalGiven,
        _steps,
        _small,
        st.booleans(),
        st.just("ann"),
        _refs,
        st.just(""),
        st.sampled_from(["", *Rejection, "what?"]),
    ),
    st.builds(inp.TimerFired, st.sampled_from(inp.TimerKind), _steps, _small),
    st.builds(inp.CancelRequested, *_said),
    st.builds(inp.PauseRequested, *_said),
    st.builds(inp.ResumeRequested, *_said),
    st.builds(inp.RetryRequested, *_said, st.none() | _steps),
    st.builds(inp.StopRequested, _steps, *_said),
    st.builds(inp.RenderRequested, st.just("ann")),
    st.builds(inp.ReportRendered, _answers, st.just("ok"), st.sampled_from(["", "ann"])),
    st.builds(inp.StallFound, st.just("r"), st.lists(_steps, max_size=3).map(tuple)),
    st.builds(inp.Rejected, _steps, _small, _small, st.just("succeeded")),
)
"""Any input at all, about steps, attempts and epochs that need not exist."""
