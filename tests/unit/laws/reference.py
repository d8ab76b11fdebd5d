"""The scheduler's rules once more, naively: a dict of statuses and sets recomputed at every look.

Of the core it knows only the shape of a graph. What it is told is meant for it: no epochs, no
repetitions. It is slow and plain on purpose.
"""

from flowrunner.core.graph import Graph, OnFail, StepKind

CRASHES = 3


class Reference:
    def __init__(self, graph: Graph, excluded: tuple[int, ...]) -> None:
        self.specs = graph.steps
        self.status = {
            n: "excluded" if n in excluded else "pending" for n in range(len(self.specs))
        }
        self.tries = dict.fromkeys(self.status, 0)
        self.failures = dict.fromkeys(self.status, 0)
        self.crashes = dict.fromkeys(self.status, 0)
        self.held: set[int] = set()
        self.run, self.failing = "running", False
        self.advance()

    def those(self, *statuses: str) -> set[int]:
        return {n for n, status in self.status.items() if status in statuses}

    def tolerated(self) -> set[int]:
        return {n for n in self.those("failed") if self.specs[n].on_fail is OnFail.TOLERATE}

    def satisfied(self) -> set[int]:
        """R2-20: completed, skipped and excluded steps, and tolerated failures (R2-17).

        Excluded steps are as if they were not there: what they were to follow has ended.
        """
        found = self.those("completed", "skipped") | self.tolerated()
        while more := {
            n for n in self.those("excluded") - found if set(self.specs[n].needs) <= found
        }:
            found |= more
        return found

    def ready(self) -> set[int]:
        """R2-19."""
        free = self.those("pending") - self.held
        return {n for n in free if set(self.specs[n].needs) <= self.satisfied()}

    def open(self) -> set[int]:
        return self.those("pending", "running")

    def advance(self) -> None:
        """R2-17, R2-25: a failure stops everything; code that asks nothing begins by itself."""
        if self.failing or self.those("failed") - self.tolerated():
            self.failing = True
            self.cancel_open()
        for n in self.ready():
            if self.specs[n].kind is StepKind.CODE and (
                self.tries[n] or not self.specs[n].has_when
            ):
                self.begin(n)

    def cancel_open(self) -> None:
        self.status |= dict.fromkeys(self.open(), "cancelled")
        self.held.clear()

    def begin(self, n: int) -> None:
        self.status[n] = "running"
        self.tries[n] += 1
        self.held.discard(n)

    def end(self, n: int, status: str) -> None:
        self.status[n] = status
        self.advance()

    def flaky(self, n: int) -> None:
        self.failures[n] += 1
        retry = self.specs[n].retry
        if self.failures[n] >= retry.max_attempts:
            self.end(n, "failed")
        elif retry.base_seconds > 0:
            self.status[n] = "pending"
            self.held.add(n)
        else:
            self.begin(n)

    def lost(self, n: int) -> None:
        self.crashes[n] += 1
        if self.crashes[n] >= CRASHES:
            self.end(n, "failed")
        else:
            self.begin(n)

    def deadline(self) -> None:
        if self.open():
            self.failing = True
            self.advance()

    def cancel(self) -> None:
        self.cancel_open()
        self.run = "cancelled"

    def reported(self, *, well: bool) -> None:
        """R2-21, R2-45."""
        if self.run == "running" and not self.open():
            self.run = "completed" if well and not self.failing else "failed"
