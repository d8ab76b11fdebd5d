"""The scheduler's rules once more, naively: a tree of plain nodes, looked at whole at every turn.

Of the core it knows the shape of a graph and the names of inputs. What it is told is meant for it: no
epochs, no repetitions. It counts nothing. It is slow and plain on purpose.
"""

from __future__ import annotations

from flowrunner.core import inputs as inp
from flowrunner.core.graph import Graph, OnFail, OnSkip, Siblings, StepKind, StepSpec
from flowrunner.core.model import Failure
from unit.laws.renewing import Renewing
from unit.laws.standing import Node

CRASHES = 3
REDO, CONTINUE = "redo", "continue"


class Reference(Renewing):
    def __init__(self, graph: Graph, excluded: tuple[int, ...]) -> None:
        super().__init__(graph, excluded)
        self.advance()

    # What follows from what is.

    def advance(self) -> None:
        """Skip, then end families, then begin, until nothing moves; a paused run waits."""
        while self.run == "running" and self.move():
            pass

    def move(self) -> bool:
        nodes = self.everything()
        for node in nodes:
            if node.status == "pending" and self.gate(node) in {"cut", "lost"}:
                self.skip(node, took_along=self.gate(node) == "cut")
                return True
        for node in nodes:
            failed = sum(child.status == "failed" for child in node.below)
            is_short = len(node.below) - failed < node.needed
            if node.is_parent and node.status == "blocked" and is_short:
                self.fail(node)
                return True
        for node in nodes:
            # D2-07: what drained beside children that were stopped has no whole result.
            is_cut = any(child.status == "cancelled" for child in node.below)
            if node.is_parent and node.status == "blocked" and is_cut and not self.going(node):
                self.end(node, "cancelled")
                return True
        for node in nodes:
            if self.is_ready(node) and (self.failing or not self.speaks(node)):
                self.begin(node) if not self.failing else self.end(node, "cancelled")
                return True
        return False

    def begin(self, node: Node) -> None:
        if node.up is None and node.spec.repeat is not None:
            self.iterate(node)
            return
        node.status, node.delayed = "running", False
        node.tries += 1
        node.prompted = not node.is_code

    def iterate(self, node: Node) -> None:
        node.status = "blocked"
        node.below.append(Node(node.spec, f"{node.key}[{len(node.below) + 1}]", node))
        node.needed = len(node.below)

    def end(self, node: Node, status: str) -> None:
        node.status, node.delayed = status, False
        self.let_go(node.up)

    def skip(self, node: Node, *, took_along: bool = False) -> None:
        node.took_along = took_along or node.spec.on_skip is OnSkip.CASCADE
        self.end(node, "skipped")

    def fail(self, node: Node) -> None:
        """R2-17, D2-07: a child's failure is its parent's to judge; others end the run or do not."""
        self.end(node, "failed")
        self.cancel(node.all())
        if node.up is None and node.spec.on_fail is OnFail.FAIL:
            self.failing = True
            drains = self.graph.siblings is Siblings.DRAIN
            spared = [n for n in self.everything() if self.at_work(n)] if drains else []
            self.cancel([other for other in self.everything() if other not in spared])

    def cancel(self, nodes: list[Node]) -> None:
        for node in nodes:
            if node.is_live:
                node.status, node.delayed = "cancelled", False

    def complete(self, node: Node) -> None:
        self.end(node, "completed")
        self.cancel(node.all())

    def try_again(self, node: Node, *, lost: bool = False) -> None:
        """F30: losses are bounded apart from failures, and cost no delay."""
        retry = node.spec.retry if "/" not in node.key else None
        node.crashes, node.failures = node.crashes + lost, node.failures + (not lost)
        most = retry.max_attempts if retry else 1
        if node.crashes >= CRASHES if lost else node.failures >= most or self.failing:
            self.fail(node)
            return
        node.status = "pending"
        node.delayed = not lost and retry is not None and retry.base_seconds > 0

    def send_back(self, node: Node, most: int, *, can_ask: bool) -> None:
        """F7: an agent is asked again about its answer, apart from its retries, and not for ever."""
        if node.is_code or (node.redos < most and not can_ask):
            self.try_again(node)
        elif node.redos >= most or self.failing:
            self.fail(node)
        else:
            node.redos += 1
            node.status = "pending"

    # What it is told.

    def hear(self, given: inp.Input, key: str = "") -> None:
        """Take one input that was accepted; *key* names its step."""
        match given:
            case inp.CancelRequested():
                self.cancel(self.everything())
                self.run = "cancelled"
            case inp.PauseRequested():
                self.run = "paused"
            case inp.ResumeRequested():
                self.run = "running"
            case inp.RetryRequested(from_step=start):
                self.retry(None if start is None else self.find(key))
            case inp.ReportRendered(answer=answer, actor=""):
                is_good = not self.failing and not isinstance(answer, Failure)
                self.run = "completed" if is_good else "failed"
            case inp.TimerFired(kind=inp.TimerKind.RUN_DEADLINE):
                self.failing = True
                self.cancel(self.everything())
            case inp.StallFound(missing=missing):
                for name in dict.fromkeys(key.split()) if missing else ():
                    self.adopt(self.find(name))
            case inp.RenderRequested() | inp.ReportRendered():
                pass
            case _:
                self.hear_step(given, self.find(key))
        self.advance()

    def hear_step(self, given: inp.Input, node: Node) -> None:
        match given:
            case inp.TaskSettled(outcome=outcome):
                self.settle(node, outcome)
            case inp.TaskLost():
                self.try_again(node, lost=True)
            case inp.StopRequested():
                self.fail(node)
            case inp.CallAsked(key=name):
                spec = StepSpec(f"{node.key}/{name}", StepKind.AGENT)
                node.calls[name] = Node(spec, spec.key, node, prompted=True)
            case inp.TimerFired(kind=kind):
                self.fire(node, kind)
            case inp.ApprovalGiven():
                self.decide(node, given)
            case _:
                self.answer(node, given)

    def settle(self, node: Node, outcome: inp.Outcome) -> None:
        match outcome:
            case inp.Succeeded():
                self.complete(node)
            case inp.Errored(error=error) if error.code == "flaky":
                self.try_again(node)
            case inp.Errored(error=error) if error.code == "quota" and not self.failing:
                # F52: nothing is counted, and however few attempts the step has, it waits.
                node.status, node.delayed = "pending", True
            case inp.Errored(repair=inp.Repair(most=most, prompt=prompt)):
                self.send_back(node, most, can_ask=prompt is not None)
            case inp.Errored():
                self.fail(node)
            case inp.Stopped():
                self.cancel(self.everything())
                self.run = "cancelled"

    def fire(self, node: Node, kind: inp.TimerKind) -> None:
        asked = node.spec.approval
        match kind:
            case inp.TimerKind.RETRY:
                self.go_on(node)
            case inp.TimerKind.QUEUE:
                self.fail(node)
            case inp.TimerKind.WAKE:
                self.complete(node)
            case inp.TimerKind.EXPIRY:
                is_bad = asked is not None and asked.on_expiry.value == "fail"
                self.fail(node) if is_bad else self.complete(node)
            case _:
                pass

    def go_on(self, node: Node) -> None:
        """What was at work before is asked nothing more (R2-51)."""
        node.delayed = False
        if self.run == "running":
            self.begin(node)

    def adopt(self, node: Node) -> None:
        if node.status == "running":
            self.try_again(node, lost=True)
        elif node.delayed:
            self.go_on(node)
        elif node.spec.kind is StepKind.WAIT:
            self.complete(node)

    def answer(self, node: Node, given: inp.Input) -> None:
        match given:
            case inp.Expanded(keys=keys):
                self.expand(node, list(keys))
            case inp.WaitSet(seconds=seconds) if seconds > 0:
                node.status, node.tries = "blocked", node.tries + 1
            case inp.WaitSet():
                self.complete(node)
            case inp.ApprovalBuilt():
                node.status, node.tries = "blocked", node.tries + 1
            case inp.LoopJudged(answer=bool(is_over)):
                self.judge(node, is_over=is_over)
            case inp.Gathered() if not isinstance(given.answer, Failure):
                self.complete(node)
            case inp.GuardEvaluated(answer=False):
                self.skip(node)
            case _ if isinstance(getattr(given, "answer", None), Failure):
                self.fail(node)
            case _:
                self.begin(node)

    def expand(self, node: Node, keys: list[str]) -> None:
        each = node.spec.each
        assert each is not None
        kept = keys[: each.max_items]
        needed = each.needed(len(kept))
        if (kept != keys and each.overflow.value == "fail") or needed > len(kept):
            self.fail(node)
            return
        node.status, node.needed, node.took_list = "blocked", needed, True
        node.below = [Node(node.spec, f"{node.key}[{k}]", node, has_turn=False) for k in kept]
        self.let_go(node)

    def judge(self, node: Node, *, is_over: bool) -> None:
        repeat = node.spec.repeat
        assert repeat is not None
        if not is_over and len(node.below) < repeat.at_most:
            self.end(node, "cancelled") if self.failing else self.iterate(node)
        elif is_over or not repeat.fails_when_exhausted:
            self.complete(node)
        else:
            self.fail(node)

    # D2-10: the first decision stands; a redo is bounded.

    def decide(self, node: Node, given: inp.ApprovalGiven) -> None:
        asked = node.spec.approval
        assert asked is not None
        then = given.then or asked.on_reject.value
        if given.approved or then == CONTINUE:
            self.complete(node)
        elif then == REDO and node.redos < asked.max_redos and asked.redo_from is not None:
            node.redos += 1
            again = self.following({id(self.nodes[asked.redo_from]), id(node)})
            again = [one for one in again if one.status != "excluded"]
            self.cancel([one for root in again for one in root.all() if one is not node])
            self.anew(again, [], [], self.nodes[asked.redo_from].key)
        else:
            self.fail(node)
