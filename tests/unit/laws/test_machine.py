"""Whole runs: two replicas that lag and crash, against the naive rules of the reference."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from builders import statuses
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Prepare
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import Failure, Ref, RunState, StepStatus, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide
from unit.laws.reference import Reference
from unit.laws.soundness import assert_sound
from unit.laws.strategies import launches, numbers
from unit.laws.world import FATAL, FLAKY, World, a_world

DEADLINE = (inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL)
turns = numbers(6, 1)
"""Each says which replica hears it, which way the run goes on, for whom, and how well."""


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
        """R2-17, R2-24, R2-28, R2-39, R2-41, D2-05: answers, ends, losses, retries."""
        self.played(turns)

    @rule(turns=turns, well=st.booleans())
    def report(self, turns: list[int], well: bool) -> None:  # noqa: FBT001
        """R2-21, R2-45: a report ends a run whose steps have ended, and no other."""
        who, pick = self.played(turns)
        if pick % 4 == 0 or not self.reference.open():
            answer = Ref("report") if well else Failure("definition_error", "raised")
            self.tell(who, inp.ReportRendered(answer))
            self.reference.reported(well=well)

    @rule(turns=turns)
    def repeat(self, turns: list[int]) -> None:
        """R2-38, I5, P1: a result, a loss or a timer that was heard before changes nothing."""
        who, pick = self.played(turns)
        old = [given for given in self.world.told if self.is_over(given)]
        if old:
            self.tell(who, old[pick % len(old)])

    @rule(turns=turns)
    def impersonate(self, turns: list[int]) -> None:
        """P2, D2-17: the right attempt with another epoch cannot commit."""
        who, pick = self.played(turns)
        for step, (attempt, epoch) in sorted(self.world.leases.items())[: pick % 2 + 1]:
            zombie = inp.TaskSettled(step, attempt, epoch + 1_000, inp.Succeeded(Ref("zombie")))
            assert not self.tell(who, zombie)

    @rule(turns=turns)
    def interrupt(self, turns: list[int]) -> None:
        """R2-40, R2-48, D2-11: rarely a cancel, an agent stopped, or the deadline."""
        who, pick = self.played(turns)
        if self.reference.run != "running":
            return
        if pick in {0, 1}:
            self.tell(who, inp.CancelRequested("r", "ann"))
            self.reference.cancel()
        elif pick in {2, 3} and self.world.leases:
            step, (attempt, epoch) = min(self.world.leases.items())
            assert self.tell(who, inp.TaskSettled(step, attempt, epoch, inp.Stopped("by hand")))
            self.reference.cancel()
        elif pick in {4, 5, 6, 7, 8, 9} and DEADLINE in self.world.timers:
            self.tell(who, inp.TimerFired(*DEADLINE, 0))
            self.reference.deadline()

    @rule(turns=turns)
    def crash(self, turns: list[int]) -> None:
        """I6: a replica forgets everything and folds the log."""
        who, _ = self.played(turns)
        self.replicas[who] = fold(unstarted(self.world.graph), self.world.log)

    @rule(turns=turns)
    def suspect(self, turns: list[int]) -> None:
        """P4: a needless report of a stall moves nothing."""
        who, _ = self.played(turns)
        self.tell(who, inp.StallFound("r"))

    @invariant()
    def agrees_with_the_rules(self) -> None:
        """R2-18..R2-24, I7: every status is what the naive rules say, and who is ready too."""
        expected = {f"s{n}": status for n, status in self.reference.status.items()}
        assert statuses(self.world.state) == {"run": self.reference.run, **expected}
        attempts = {n: step.attempt for n, step in enumerate(self.world.state.steps)}
        assert attempts == self.reference.tries
        if self.reference.run == "running":
            assert self.questions == sorted(self.reference.ready())
        assert set(outstanding(self.world.state)) == self.world.asked

    @invariant()
    def is_sound(self) -> None:
        """I1, I2, I3: counters count, leases are running steps, an ended run has neither."""
        state = self.world.state
        assert_sound(state)
        running = {n for n, s in enumerate(state.steps) if s.status is StepStatus.RUNNING}
        assert set(self.world.leases) == running
        if state.status.is_terminal:
            assert (self.world.leases, self.world.timers, self.world.asked) == ({}, {}, set())

    @invariant()
    def replicas_agree(self) -> None:
        """I4, I7, P7: caught up, both replicas are in the one state of the log."""
        for state in self.replicas:
            assert fold(state, self.world.log[state.version :]) == self.world.state
        assert self.world.state.version == len(self.world.log)

    def played(self, turns: list[int]) -> tuple[int, int]:
        """Play all turns but the first, which says who and how the rule goes on."""
        for turn in turns[1:]:
            who, pick, luck = turn % 2, turn // 2 % 97, turn // 256 % 64
            ways = [(self.answer, self.questions), (self.end, sorted(self.world.leases))]
            ways = [(way, steps) for way, steps in [*ways, (self.retry, self.retries)] if steps]
            if ways:
                way, steps = ways[pick % len(ways)]
                way(who, steps[pick // 3 % len(steps)], luck)
        return turns[0] % 2, turns[0] // 2 % 64

    def tell(self, who: int, given: inp.Input) -> bool:
        """Commit what a replica decides, by compare and swap; whether its guards held."""
        state = self.replicas[who]
        decision = decide(state, [given])
        if state.version != self.world.state.version:
            state = fold(state, self.world.log[state.version :])
            decision = decide(state, [given])
        self.world.told.append(given)
        if not self.world.holds(decision.guards):
            return False
        self.world.commit(decision)
        self.replicas[who] = fold(state, decision.events)
        return True

    def answer(self, who: int, step: int, luck: int) -> None:
        spec = self.world.graph.steps[step]
        if luck == 1:
            self.tell(who, inp.PromptBuilt(step, Failure("definition_error", "raised")))
            self.reference.end(step, "failed")
        elif luck % 4 == 2 and spec.has_when:
            self.tell(who, inp.GuardEvaluated(step, answer=False))
            self.reference.end(step, "skipped")
        else:
            agent = spec.kind is StepKind.AGENT
            built = inp.PromptBuilt(step, Ref(f"p{step}"))
            self.tell(who, built if agent else inp.GuardEvaluated(step, answer=True))
            self.reference.begin(step)

    def end(self, who: int, step: int, luck: int) -> None:
        attempt, epoch = self.world.leases[step]
        match luck % 8:
            case 1:
                error = FATAL if luck == 1 else FLAKY
                assert self.tell(who, inp.TaskSettled(step, attempt, epoch, inp.Errored(error)))
                if luck == 1:
                    self.reference.end(step, "failed")
                else:
                    self.reference.flaky(step)
            case 2:
                assert self.tell(who, inp.TaskLost(step, attempt, epoch, "died"))
                self.reference.lost(step)
            case 3:
                assert self.tell(who, inp.StallFound("its task is gone", (step, step)))
                self.reference.lost(step)
            case _:
                done = inp.Succeeded(Ref("o"))
                assert self.tell(who, inp.TaskSettled(step, attempt, epoch, done))
                self.reference.end(step, "completed")

    def retry(self, who: int, step: int, luck: int) -> None:
        kind = inp.TimerKind.RETRY
        timer = inp.TimerFired(kind, step, self.world.timers[kind, step])
        if luck % 4 == 1:
            del self.world.timers[kind, step]
            assert self.tell(who, inp.StallFound("its timer is gone", (step,)))
        else:
            assert self.tell(who, timer)
        self.reference.begin(step)

    @property
    def questions(self) -> list[int]:
        return sorted(ask.step for ask in self.world.asked if isinstance(ask, Prepare))

    @property
    def retries(self) -> list[int]:
        return sorted(step for kind, step in self.world.timers if kind is inp.TimerKind.RETRY)

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


TestRuns = Runs.TestCase
TestRuns.settings = settings(stateful_step_count=25)
