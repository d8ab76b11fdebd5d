"""Whole runs: two replicas that lag and crash, against the naive rules of the reference."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Gather, Judge, Prepare, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph
from flowrunner.core.model import RunState, RunStatus, StepStatus, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide
from unit.laws.happenings import a_world, afterwards, happenings, unlikely
from unit.laws.reference import Reference
from unit.laws.soundness import assert_sound, current
from unit.laws.strategies import launches, numbers
from unit.laws.world import World, assert_caused

turns = numbers(8, 1)
"""Each says which replica hears it, and which of the possible things it is."""


class Runs(RuleBasedStateMachine):
    """Every rule lets the run go on as well, so that no choice of rules stands still."""

    world: World
    reference: Reference
    replicas: list[RunState]

    @initialize(launch=launches(3, 8))
    def launch(self, launch: tuple[Graph, tuple[int, ...]]) -> None:
        """R2-05, R2-07: a launched run is live, its manifest pending."""
        self.world = a_world(*launch)
        self.reference = Reference(*launch)
        self.replicas = [self.world.state, self.world.state]

    @rule(turns=turns)
    def go_on(self, turns: list[int]) -> None:
        """R2-17..R2-28, R2-34, R2-37..R2-41, D2-05, D2-10, D2-13, F12..F16, F30: whatever happens."""
        self.played(turns)

    @rule(turns=turns)
    def disturb(self, turns: list[int]) -> None:
        """R2-40, R2-48, D2-11, F38, F39: fatal errors, stops, a pause, stalls, rarely the end."""
        self.pick(self.played(turns), unlikely(self.world))

    @rule(turns=turns)
    def begin_anew(self, turns: list[int]) -> None:
        """F40, D2-32: an ended run is retried, from any step, or rendered again."""
        turn = self.played(turns)
        if self.world.state.status.is_terminal:
            self.pick(turn, afterwards(self.world))

    @rule(turns=turns)
    def repeat(self, turns: list[int]) -> None:
        """R2-38, I5, P1: what ended an attempt or a timer that is gone changes nothing again."""
        turn = self.played(turns)
        self.pick(turn, [given for given in self.world.told if self.is_over(given)])

    @rule(turns=turns)
    def crash(self, turns: list[int]) -> None:
        """I6: a replica forgets everything and folds the log."""
        who = self.played(turns) % 2
        self.replicas[who] = fold(unstarted(self.world.graph), self.world.log)

    @invariant()
    def agrees_with_the_rules(self) -> None:
        """R2-17..R2-24, I7, F12: every status is what the naive rules say, and each question too."""
        state, nodes = self.world.state, self.reference.everything()
        present = sorted(current(state))
        assert {state.spec(n).key: str(state.steps[n].status) for n in present} == {
            node.key: node.status for node in nodes
        }
        attempts = {state.spec(n).key: state.steps[n].attempt for n in present}
        assert attempts == {node.key: node.tries for node in nodes}
        assert str(state.status) == self.reference.run
        assert {self.question(ask) for ask in self.world.asked} == self.reference.questions()
        counts = self.reference.tolerated(), self.reference.generation
        assert (state.tolerated, state.generation) == counts

    @invariant()
    def is_sound(self) -> None:
        """I1, I2, I3, P4, P6: counters count, leases are running steps, nothing stands still."""
        state = self.world.state
        assert_sound(state)
        assert_caused(self.world)
        running = {n for n, s in enumerate(state.steps) if s.status is StepStatus.RUNNING}
        assert set(self.world.leases) == running
        if state.status is RunStatus.RUNNING:
            assert set(outstanding(state)) == self.world.asked

    @invariant()
    def replicas_agree(self) -> None:
        """I4, I7, P7: caught up, both replicas are in the one state of the log."""
        for state in self.replicas:
            assert fold(state, self.world.log[state.version :]) == self.world.state
        assert self.world.state.version == len(self.world.log)

    def played(self, turns: list[int]) -> int:
        """Play all turns but the first, which says how the rule goes on."""
        for turn in turns[1:]:
            self.pick(turn, happenings(self.world))
        return turns[0]

    def pick(self, turn: int, options: list[inp.Input]) -> None:
        if options:
            self.tell(turn % 2, options[turn // 2 % len(options)])

    def tell(self, who: int, given: inp.Input) -> None:
        """Commit what a replica decides, by compare and swap, if its guards hold."""
        state = self.replicas[who]
        decision = decide(state, [given])
        if state.version != self.world.state.version:
            state = fold(state, self.world.log[state.version :])
            decision = decide(state, [given])
        self.world.told.append(given)
        if not self.world.holds(decision.guards):
            return
        if decision.verdicts == (Verdict.ACCEPTED,):
            self.reference.hear(given, names_of(state, given))
        self.world.commit(decision)
        self.replicas[who] = fold(state, decision.events)

    def question(self, ask: Ask) -> str:
        match ask:
            case Prepare(step=step):
                return f"prepare {self.world.state.spec(step).key}"
            case Gather(step=step):
                return f"gather {self.world.state.spec(step).key}"
            case Judge(step=step):
                return f"judge {self.world.state.spec(step).key}"
            case _:
                return "render"

    def is_over(self, given: inp.Input) -> bool:
        match given:
            case inp.TaskSettled(step=n, attempt=attempt, epoch=epoch):
                return self.world.leases.get(n) != (attempt, epoch)
            case inp.TaskLost(step=n, attempt=attempt, epoch=epoch):
                return self.world.leases.get(n) != (attempt, epoch)
            case inp.TimerFired(kind=kind, step=n, token=token):
                return self.world.timers.get((kind, n)) != token
            case _:
                return False


def names_of(state: RunState, given: inp.Input) -> str:
    """Name the steps that an input is about, as the reference knows them."""
    match given:
        case inp.StallFound(missing=missing):
            return " ".join(state.spec(number).key for number in missing)
        case inp.RetryRequested(from_step=number):
            return "" if number is None else state.spec(number).key
        case _:
            number = getattr(given, "step", -1)
            return "" if number < 0 else state.spec(number).key


TestRuns = Runs.TestCase
TestRuns.settings = settings(stateful_step_count=20)
