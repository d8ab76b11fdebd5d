"""Make a schedule that fails smaller: leave out whatever it fails without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from simulation.plans import Plan, plan_of
from simulation.play import Outcome, play


@dataclass(frozen=True, slots=True)
class Cut:
    """What is kept of a seed's schedule; written and read as `f0,f3,a1/2/1/1`."""

    faults: tuple[int, ...]
    acts: tuple[int, ...]
    replicas: int
    workers: int
    runs: int

    @classmethod
    def none(cls, plan: Plan) -> Cut:
        """Everything is kept."""
        faults, acts = tuple(range(len(plan.faults))), tuple(range(len(plan.acts)))
        return cls(faults, acts, plan.replicas, plan.workers, plan.runs)

    @classmethod
    def read(cls, text: str) -> Cut:
        """Raises ValueError for what `str` would not write."""
        kept, replicas, workers, runs = text.split("/")
        names = [name for name in kept.split(",") if name]
        return cls(
            tuple(int(name[1:]) for name in names if name[0] == "f"),
            tuple(int(name[1:]) for name in names if name[0] == "a"),
            int(replicas),
            int(workers),
            int(runs),
        )

    def __str__(self) -> str:
        kept = [f"f{number}" for number in self.faults] + [f"a{number}" for number in self.acts]
        return f"{','.join(kept)}/{self.replicas}/{self.workers}/{self.runs}"

    def of(self, seed: int) -> Plan:
        """The seed's schedule without what was left out."""
        plan = plan_of(seed)
        return replace(
            plan,
            faults=tuple(plan.faults[number] for number in self.faults),
            acts=tuple(plan.acts[number] for number in self.acts),
            replicas=self.replicas,
            workers=self.workers,
            runs=self.runs,
        )

    def smaller(self) -> Iterator[Cut]:
        """Every way to leave out one thing more."""
        for number in self.faults:
            yield replace(self, faults=tuple(n for n in self.faults if n != number))
        for number in self.acts:
            yield replace(self, acts=tuple(n for n in self.acts if n != number))
        for part, count in (
            ("runs", self.runs),
            ("replicas", self.replicas),
            ("workers", self.workers),
        ):
            if count > 1:
                yield replace(self, **{part: count - 1})


def law_of(outcome: Outcome) -> str:
    """Which law the first complaint is about: a smaller schedule must break the same one."""
    first = outcome.complaints[0] if outcome.complaints else ""
    return first.partition(":")[0]


def shrink(seed: int, playing: Callable[[Plan], Outcome] = play) -> Cut:
    """The smallest part of the seed's schedule that still breaks the law that it breaks.

    Smallest in that nothing more can be left out, one thing at a time.
    """
    cut = Cut.none(plan_of(seed))
    broken = law_of(playing(cut.of(seed)))
    while broken:
        found = next((c for c in cut.smaller() if law_of(playing(c.of(seed))) == broken), None)
        if found is None:
            break
        cut = found
    return cut
