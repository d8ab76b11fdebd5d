"""Play many schedules, or one again: `make soak ARGS="--count 100000"`, `ARGS="--seed 780"`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice

from simulation.plans import plan_of
from simulation.play import play
from simulation.shrink import Cut, shrink

_CHUNK = 200
_COLLECT = 100


@dataclass(slots=True)
class Tally:
    """What many schedules came to."""

    played: int = 0
    failed: dict[int, str] = field(default_factory=dict[int, str])
    ends: Counter[str] = field(default_factory=Counter[str])
    completed_steps: int = 0
    faults: int = 0

    def add(self, other: Tally) -> None:
        self.played += other.played
        self.failed |= other.failed
        self.ends += other.ends
        self.completed_steps += other.completed_steps
        self.faults += other.faults


def played(seeds: Iterable[int], *, most_failed: int = 1000) -> Tally:
    """Play the schedules of *seeds*, until *most_failed* have failed."""
    tally = Tally()
    was_enabled = gc.isenabled()
    gc.disable()  # a third of the time would go into looking for garbage that there is little of
    try:
        for seed in seeds:
            plan = plan_of(seed)
            outcome = play(plan)
            tally.played += 1
            tally.faults += len(plan.faults)
            tally.ends.update(outcome.ends)
            tally.completed_steps += outcome.completed_steps
            if not outcome.is_good:
                tally.failed[seed] = outcome.complaints[0]
            if len(tally.failed) >= most_failed:
                break
            if tally.played % _COLLECT == 0:
                gc.collect()
    finally:
        if was_enabled:
            gc.enable()
    return tally


def replay(seed: int) -> str:
    """The command that plays a schedule again, and tells everything."""
    return f'make soak ARGS="--seed {seed}"'


def told(seed: int, cut: Cut | None = None) -> str:
    """Everything about one schedule: what it is, what happened, what was wrong."""
    plan = plan_of(seed) if cut is None else cut.of(seed)
    outcome = play(plan)
    lines = [
        f"seed {plan.seed}: {plan.shape}, {plan.replicas} replicas, {plan.workers} workers, {plan.runs} runs",
        *(f"  f{number} {fault}" for number, fault in enumerate(plan.faults)),
        *(f"  a{number} {act}" for number, act in enumerate(plan.acts)),
        *outcome.trace,
        *(outcome.complaints or ("nothing is wrong",)),
    ]
    return "\n".join(lines)


def main() -> int:
    """Return 1 when a schedule failed; each is told with the command that replays it."""
    args = _arguments()
    if args.seed is not None:
        cut = Cut.read(args.keep) if args.keep else None
        if args.shrink:
            cut = shrink(args.seed)
            sys.stdout.write(f'smallest: make soak ARGS="--seed {args.seed} --keep {cut}"\n')
        sys.stdout.write(told(args.seed, cut) + "\n")
        return 0
    begun = time.monotonic()
    tally = Tally()
    for part in _parts(args, begun):
        tally.add(part)
        for seed, complaint in part.failed.items():
            sys.stdout.write(f"seed {seed} FAILED: {complaint}\n  {replay(seed)}\n")
        sys.stdout.flush()
        if len(tally.failed) >= args.most:
            break
    seconds = time.monotonic() - begun
    sys.stdout.write(
        f"{tally.played} schedules with {tally.faults} faults in {seconds:.0f} s "
        f"({tally.played / seconds:.0f}/s on {args.processes} processes): "
        f"{len(tally.failed)} failed; runs {dict(tally.ends)}, {tally.completed_steps} steps completed\n"
    )
    return 1 if tally.failed else 0


def _parts(args: argparse.Namespace, begun: float) -> Iterator[Tally]:
    """Chunks of seeds as they are done, on all processes, until the count or the time is over."""
    chunks = (
        count(args.first, _CHUNK)
        if args.seconds
        else range(args.first, args.first + args.count, _CHUNK)
    )
    seeds = (
        range(at, at + _CHUNK if args.seconds else min(at + _CHUNK, args.first + args.count))
        for at in chunks
    )
    one = partial(played, most_failed=args.most)
    if args.processes == 1:
        for chunk in seeds:
            if args.seconds and time.monotonic() - begun > args.seconds:
                return
            yield one(chunk)
        return
    with ProcessPoolExecutor(args.processes) as pool:
        while wave := list(islice(seeds, args.processes * 4)):
            if args.seconds and time.monotonic() - begun > args.seconds:
                return
            yield from pool.map(one, wave)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=main.__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many schedules")
    parser.add_argument("--seconds", type=float, default=0.0, help="for how long, instead")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--most", type=int, default=10, help="stop after so many have failed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="play this one, and tell everything")
    parser.add_argument("--shrink", action="store_true", help="with --seed: make it smaller first")
    parser.add_argument("--keep", help="with --seed: only this part of it, as --shrink says")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
