"""A schedule before it is played: what is launched, what people do, what goes wrong and when.

Everything that can be left out is listed, so that a schedule that fails can be made smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from simulation.shapes import SHAPES, Shape

GROUPS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "statement": (("unsent", 3), ("unanswered", 5), ("belated", 3), ("slow", 2)),
    "hint": (("deaf", 4), ("echo", 1), ("tardy", 2)),
    "call": (("unasked", 2), ("unheard", 4), ("twice", 2), ("tardy_call", 1)),
    "ask": (("away", 2), ("dawdles", 3), ("raises", 1)),
    "work": (("dies", 4), ("flaky", 4), ("fails", 1), ("stopped", 1), ("twice", 3), ("slow_work", 3),
             ("zombie", 4), ("returns", 2), ("marooned", 3), ("last_word", 3)),
    "replica": (("crash", 6), ("freeze", 2), ("stop", 2), ("cut", 2)),
    "worker": (("crash", 4), ("freeze", 3), ("stop", 2), ("cut", 3)),
    "clock": (("outage", 1), ("silence", 1)),
}  # fmt: skip
"""What may go wrong, by what is counted until it does, with weights."""

_SHARE = {
    "statement": 5,
    "hint": 3,
    "call": 3,
    "ask": 2,
    "work": 5,
    "replica": 5,
    "worker": 3,
    "clock": 2,
}
_SPREAD = {
    "statement": 60,
    "hint": 25,
    "call": 5,
    "ask": 3,
    "work": 3,
    "replica": 150,
    "worker": 60,
    "clock": 3,
}
"""How far into a run of this size the counts go, on average."""

LATEST = 9.0
"""Seconds after which a statement that was given up may still be executed: more than two leases."""


@dataclass(frozen=True, slots=True)
class Fault:
    """*kind* befalls the *at*th of its *group*; of processes, *who* at its *at*th turn."""

    group: str
    kind: str
    at: int
    who: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does at a moment, through which replica; *step* is used by those that name one."""

    kind: str
    at: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a schedule is made of; the seed decides only order and delays."""

    seed: int
    shape: str
    replicas: int
    workers: int
    runs: int
    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()

    @property
    def what(self) -> Shape:
        return SHAPES[self.shape]

    @property
    def size(self) -> int:
        return len(self.faults) + len(self.acts) + self.replicas + self.workers + self.runs


def plan_of(seed: int) -> Plan:
    """The schedule of *seed*: each shape has its turn."""
    chance = Random(seed * 2 + 1)  # noqa: S311  # to be repeated, not to be secret
    name = tuple(SHAPES)[seed % len(SHAPES)]
    shape = SHAPES[name]
    return Plan(
        seed=seed,
        shape=name,
        replicas=chance.choice((1, 2, 2, 2, 3)),
        workers=chance.choice((1, 2, 2)),
        runs=chance.choice((1, 1, 1, 2)),
        faults=tuple(_a_fault(chance) for _ in range(_how_many(chance))),
        acts=tuple(_acts(chance, shape)),
    )


def _how_many(chance: Random) -> int:
    return 0 if chance.random() < 0.05 else min(12, 1 + int(chance.expovariate(1 / 3)))


def _a_fault(chance: Random) -> Fault:
    group = _weighed(chance, tuple(_SHARE.items()))
    kind = _weighed(chance, GROUPS[group])
    at = int(chance.expovariate(1 / _SPREAD[group]))
    seconds = round(chance.choice((0.05, 0.4, 1.5, 6.0)) * (0.5 + chance.random()), 3)
    if group == "statement":
        seconds = min(seconds, LATEST)
    return Fault(group, kind, at, chance.randrange(3), seconds)


def _acts(chance: Random, shape: Shape) -> list[Act]:
    acts = [_an_act(chance, kind) for kind in shape.acts]
    while chance.random() < 0.15:
        acts.append(_an_act(chance, chance.choice(("cancel", "pause", "stop", "retry", "render"))))
    return sorted(acts, key=lambda act: act.at)


def _an_act(chance: Random, kind: str) -> Act:
    return Act(kind, round(chance.expovariate(1 / 1.5), 3), chance.randrange(8))


def _weighed(chance: Random, kinds: tuple[tuple[str, int], ...]) -> str:
    names, weights = [name for name, _ in kinds], [weight for _, weight in kinds]
    return chance.choices(names, weights)[0]
