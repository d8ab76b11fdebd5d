"""From a number to a fault, and what many of them came to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from crashpoints.judge import Ending, judge
from crashpoints.repertoire import MAKERS
from crashpoints.stage import Play
from faults.wire.proxy import Fault, Kind, Stream, Way
from faults.wire.stage import WireStage

KINDS: tuple[Kind, ...] = get_args(Kind)
_WAYS: tuple[Way, ...] = get_args(Way)
# Commits most: a lost answer to one of them is what leaves nobody knowing.
_NAMES = {
    "flowrunner-commits": 8,
    "flowrunner": 5,
    "flowrunner-leases": 4,
    "flowrunner-listener": 2,
    "flowrunner-notifier": 2,
}
_TIMES: Mapping[str, tuple[float | None, ...]] = {
    "blackhole": (0.2, 3.0, 20.0, 60.0, None),
    "latency": (5.0, 20.0),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One fault in one shape. *part*: how far along the stream's bytes it comes."""

    seed: int
    shape: str
    kind: Kind
    stream: Stream
    part: float
    is_everywhere: bool
    seconds: float | None

    @classmethod
    def of(cls, seed: int) -> Case:
        """The case of that number; kinds take turns."""
        chance = random.Random(seed)  # noqa: S311  # whoever knows the seed plays the same
        kind = KINDS[seed % len(KINDS)]
        (name,) = chance.choices(list(_NAMES), list(_NAMES.values()))
        stream: Stream = (name, chance.choice(_WAYS))
        everywhere = chance.random() < 0.3
        times = [t for t in _TIMES.get(kind, (None,)) if t is not None or not everywhere] or [None]
        shape = chance.choice(sorted(MAKERS))
        return cls(seed, shape, kind, stream, chance.random(), everywhere, chance.choice(times))

    def fault(self, carried: Mapping[Stream, int]) -> Fault:
        """The fault in a play in which that many bytes pass."""
        at = 1 + int(self.part * max(0, carried[self.stream] - 1))
        return Fault(self.kind, self.stream, at, self.is_everywhere, self.seconds)


@dataclass(frozen=True, slots=True)
class Bad:
    """A case that broke a law, and how to see it again."""

    case: Case
    fault: Fault
    violations: tuple[str, ...]

    def __str__(self) -> str:
        told = "\n    ".join((f"{self.case.shape}: {self.fault}", *self.violations))
        return f'  make faults ARGS="--seed {self.case.seed}"\n    {told}'


@dataclass(slots=True)
class Tally:
    """What was played. *committed* and *lost*: how commits without an answer turned out."""

    plays: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])
    asked: Counter[str] = field(default_factory=Counter[str])
    unknown: int = 0
    committed: int = 0
    lost: int = 0
    given_up: int = 0
    acknowledged: int = 0
    bad: list[Bad] = field(default_factory=list[Bad])

    def add(self, other: Tally) -> None:
        for mine, theirs in (
            (self.plays, other.plays),
            (self.struck, other.struck),
            (self.asked, other.asked),
        ):
            mine.update(theirs)
        self.unknown += other.unknown
        self.committed += other.committed
        self.lost += other.lost
        self.given_up += other.given_up
        self.acknowledged += other.acknowledged
        self.bad += other.bad

    def count(self, kind: Kind, stage: WireStage, play: Play) -> None:
        self.plays[kind] += 1
        struck = stage.proxy.struck
        if struck is not None:
            self.struck[kind] += 1
            self.asked.update(struck.asked)
        self.acknowledged += len(play.book.kept)
        for line in play.logs:
            self.unknown += line["event"] == "commit.unknown"
            self.given_up += "no answer within" in str(line.get("error"))
            if line["event"] == "commit.resolved":
                self.committed += line["committed"]
                self.lost += not line["committed"]


@dataclass(frozen=True, slots=True)
class Calm:
    """A play in which nothing fails."""

    ending: Ending
    carried: Mapping[Stream, int]


class Player:
    """Plays cases on one stage; each shape once without a fault before."""

    def __init__(self, stage: WireStage) -> None:
        self._stage = stage
        self._calm: dict[str, Calm] = {}

    async def play(self, cases: Iterable[Case]) -> Tally:
        tally = Tally()
        for case in cases:
            await self.one(case, tally)
        return tally

    async def one(self, case: Case, tally: Tally) -> Play:
        """Play *case*, judge it, and count it."""
        calm = await self._calm_of(case.shape)
        fault = case.fault(calm.carried)
        play = await self._stage.strike(MAKERS[case.shape](), fault)
        judged = await judge(self._stage.admin, play, calm.ending)
        tally.count(case.kind, self._stage, play)
        if judged.violations:
            told = (*judged.violations, f"{play.book}", f"calm: {dict(calm.ending.answers)}")
            tally.bad.append(Bad(case, fault, told))
        return play

    async def _calm_of(self, shape: str) -> Calm:
        while shape not in self._calm:
            play = await self._stage.strike(MAKERS[shape](), None)
            judged = await judge(self._stage.admin, play, None)
            if judged.violations:
                raise AssertionError(f"{shape} breaks laws without a fault: {judged.violations}")
            if play.is_whole:
                self._calm[shape] = Calm(judged.ending, dict(self._stage.proxy.carried))
        return self._calm[shape]
