"""A run while it changes: a scratch copy that remembers only what changed, and what that woke."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from flowrunner.core.graph import Graph, OnFail, OnSkip, StepSpec
from flowrunner.core.model import (
    Failure,
    Family,
    Opening,
    RunState,
    RunStatus,
    StepState,
    StepStatus,
    opening,
)

_SATISFIED = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED})


class Draft:
    """Reads fall through to the state it began with. *woken* and the others only grow.

    *woken* steps became ready, *lost* ones can never begin, and of *complete* ones enough children
    have ended to go on.
    """

    __slots__ = (
        "_base",
        "_changed",
        "_moved",
        "_ready",
        "_remaining",
        "_run",
        "_specs",
        "complete",
        "lost",
        "woken",
    )

    def __init__(self, state: RunState) -> None:
        self._base = state
        self._run = state
        # What the run's counters have moved by; they change with every event, the rest seldom.
        self._moved = self._remaining = self._ready = 0
        self._changed: dict[int, StepState] = {}
        self._specs: list[StepSpec] = []
        self.woken: list[int] = []
        self.lost: list[int] = []
        self.complete: list[int] = []

    @property
    def graph(self) -> Graph:
        return self._base.graph

    @property
    def run(self) -> RunState:
        """The run-level fields as of now; its *steps* and *children* are those of the beginning."""
        if self._moved or self._remaining or self._ready:
            self._run = replace(
                self._run,
                version=self._run.version + self._moved,
                remaining=self._run.remaining + self._remaining,
                ready=self._run.ready + self._ready,
            )
            self._moved = self._remaining = self._ready = 0
        return self._run

    @property
    def status(self) -> RunStatus:
        """The run's status; as cheap as `run` is not."""
        return self._run.status

    @property
    def failure(self) -> Failure | None:
        return self._run.failure

    @property
    def size(self) -> int:
        """How many steps there are now, children and all."""
        return len(self._base.steps) + len(self._specs)

    def step(self, number: int) -> StepState:
        changed = self._changed.get(number)
        return changed if changed is not None else self._base.steps[number]

    def spec(self, number: int) -> StepSpec:
        known = len(self._base.steps)
        return self._base.spec(number) if number < known else self._specs[number - known]

    def family(self, number: int) -> Family:
        return self.step(number).family or Family()

    def children(self, number: int) -> Collection[int]:
        """The numbers of a step's children, those of an earlier generation left out."""
        return members(self.family(number))

    def freeze(self) -> RunState:
        known = len(self._base.steps)
        added = [self._changed[number] for number in range(known, self.size)]
        old = {number: step for number, step in self._changed.items() if number < known}
        return replace(
            self.run,
            steps=self._base.steps.updated(old).extended(added),
            children=self._base.children.extended(self._specs),
        )

    # What the meaning of events is made of.

    def set_run(self, **fields: Any) -> None:
        self._run = replace(self.run, **fields)

    def count_event(self) -> None:
        """The version moves by one with every event."""
        self._moved += 1

    def add(self, spec: StepSpec, state: StepState) -> int:
        """Append a child; return its number."""
        number = self.size
        self._specs.append(spec)
        self._changed[number] = state
        self._remaining += 1
        self._ready += state.is_ready
        if state.is_ready:
            self.woken.append(number)
        return number

    def put(self, number: int, after: StepState) -> None:
        """Replace a step's state; keep the run's counters and the lists of what woke."""
        before = self.step(number)
        self._changed[number] = after
        woke = after.is_ready - before.is_ready
        self._remaining -= after.status.is_terminal - before.status.is_terminal
        self._ready += woke
        if woke > 0:
            self.woken.append(number)
        elif after.status is StepStatus.PENDING and after.opening is Opening.NEVER:
            self.lost.append(number)

    def move(self, number: int, status: StepStatus, **fields: Any) -> None:
        """Change a step's status; an end reaches its dependents and its parent."""
        fields.setdefault("delayed", False)
        self.put(number, self.step(number)._replace(status=status, **fields))
        if status.is_terminal and status is not StepStatus.EXCLUDED:
            self._ended(number)

    def settle_excluded(self, numbers: Iterable[int]) -> None:
        """Let excluded steps that wait for nothing satisfy their dependents."""
        for number in numbers:
            step = self.step(number)
            if step.status is StepStatus.EXCLUDED and step.waiting == 0:
                self._arrive(number, cut=step.is_cut)

    def _ended(self, number: int) -> None:
        step, spec = self.step(number), self.spec(number)
        if spec.parent is not None:
            self._child_ended(spec.parent, number, step.status)
        elif step.status in _SATISFIED:
            self._arrive(number, done=step.status is StepStatus.COMPLETED, cut=step.cascades)
        elif step.status is StepStatus.FAILED and spec.on_fail is not OnFail.FAIL:
            self._arrive(number, bad=True, cut=step.cascades)

    def _arrive(
        self, number: int, *, done: bool = False, bad: bool = False, cut: bool = False
    ) -> None:
        """Tell the dependents how a need ended.

        An excluded one passes it on when all its needs have ended, so that nothing starts before
        what it was meant to follow.
        """
        waiting = [(number, done, bad, cut)]
        while waiting:
            ended, is_done, is_bad, is_cut = waiting.pop()
            for below in self._base.dependents(ended):
                before = self.step(below)
                after = counted(before, self.spec(below), done=is_done, bad=is_bad, cut=is_cut)
                self.put(below, after)
                if after.status is StepStatus.EXCLUDED and after.waiting == 0:
                    waiting.append((below, False, False, after.is_cut))

    def _child_ended(self, parent: int, number: int, status: StepStatus) -> None:
        step = self.step(parent)
        family = step.family
        if family is None or number not in members(family):
            return  # a child of an earlier generation
        family = family._replace(
            live=family.live - 1,
            completed=family.completed + (status is StepStatus.COMPLETED),
            failed=family.failed + (status is StepStatus.FAILED),
        )
        self.put(parent, step._replace(family=family))
        if step.status is StepStatus.BLOCKED:
            # Of a loop there is nothing to let go; and one that waited for its turn frees none.
            if not family.calls and number - family.first < family.released:
                self.release(parent)
            if is_decided(family):
                self.complete.append(parent)

    def release(self, parent: int) -> None:
        """Let the next child of a list go, past those that have ended."""
        family = self.family(parent)
        while family.released < family.size:
            number = family.first + family.released
            family = family._replace(released=family.released + 1)
            child = self.step(number) if number < self.size else None
            if child is not None and child.status is StepStatus.PENDING:
                self.put(parent, self.step(parent)._replace(family=family))
                self.put(number, child._replace(waiting=0, opening=Opening.OPEN))
                return
        if family != self.family(parent):
            self.put(parent, self.step(parent)._replace(family=family))


def is_decided(family: Family) -> bool:
    """Whether all children have ended, or too many failed for the others to matter."""
    return family.live == 0 or family.size - family.failed < family.needed


def members(family: Family) -> range | tuple[int, ...]:
    """The numbers of a family's children, in order."""
    if family.calls:
        return tuple(number for _key, number in family.calls)
    return range(family.first, family.first + family.size)


def counted(step: StepState, spec: StepSpec, *, done: bool, bad: bool, cut: bool) -> StepState:
    """The step after one more of its needs ended."""
    waiting, all_done = step.waiting - 1, step.done + done
    all_bad, all_cut = step.bad + bad, step.cut + cut
    opened = opening(spec.trigger, waiting, all_done, all_bad, all_cut)
    return step._replace(waiting=waiting, done=all_done, bad=all_bad, cut=all_cut, opening=opened)


def cascades(step: StepState, spec: StepSpec, status: StepStatus) -> bool:
    """Whether a step that ends with *status* takes its dependents along."""
    if status is StepStatus.SKIPPED:
        return step.is_cut or spec.on_skip is OnSkip.CASCADE
    return status is StepStatus.FAILED and spec.on_fail is OnFail.CASCADE
