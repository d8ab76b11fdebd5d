"""`make faults`: 300 cases of a broken wire, or one of them again with all that was said in it."""

from __future__ import annotations

import argparse
import sys
import time

from crashpoints.campaign import a_place, run_on
from faults.wire.campaign import campaign
from faults.wire.cases import KINDS, Case, Player, Tally
from faults.wire.stage import WireStage, a_wire_stage


def main() -> int:
    """Return 1 when a law was broken, or when hardly anything was."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--seed", type=int, help="this one again, with everything that happened")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if given.seed is not None:
        return _again(given.seed)
    return _all(range(given.first, given.first + given.cases), given.processes)


def _all(seeds: range, processes: int) -> int:
    began = time.monotonic()
    tally = campaign(seeds, processes)
    seconds = time.monotonic() - began
    for kind in KINDS:
        _say(f"{kind:12} {tally.plays[kind]:5} cases, {tally.struck[kind]:5} struck")
    asked = ", ".join(f"{count} {name}" for name, count in sorted(tally.asked.items()) if count)
    _say(f"answers under way when it struck: {asked}")
    _say(f"statements given up because no answer came: {tally.given_up}")
    _say(f"commits of unknown outcome: {tally.unknown}")
    _say(f"  read back: {tally.committed} had been committed, {tally.lost} had not")
    _say(f"results acknowledged and found in the log: {tally.acknowledged}")
    span = f"seeds {seeds.start} to {seeds.stop - 1}"
    _say(f"{len(seeds)} cases, {span}, {seconds:.0f} s; violations: {len(tally.bad)}")
    return 1 if tally.bad or tally.struck.total() < 0.8 * len(seeds) else 0


def _again(seed: int) -> int:
    async def again(stage: WireStage) -> int:
        tally = Tally()
        play = await Player(stage).one(Case.of(seed), tally)
        for line in play.logs:
            _say(str(dict(line)))
        for text in (*play.dooms.struck, str(play.book), str(tally), *map(str, tally.bad)):
            _say(text)
        return 1 if tally.bad else 0

    with a_place() as place:
        return run_on(place, again, a_wire_stage)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
