"""`make crashpoints`: the whole campaign, or one play again with all that was said in it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import get_args

from crashpoints.campaign import Extent, Plan, a_place, baseline, campaign, run_on
from crashpoints.judge import judge
from crashpoints.points import Doom, Mode
from crashpoints.repertoire import MAKERS
from crashpoints.stage import Stage


def main() -> int:
    """Return 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="crashpoints", description=__doc__)
    parser.add_argument("--points", type=int, default=10_000, help="how many plays at least")
    parser.add_argument("--seed", type=int, default=1, help="of the random pairs and triples")
    parser.add_argument("--no-singles", action="store_true", help="only pairs and triples")
    parser.add_argument("--most-bad", type=int, default=1000, help="violations that are enough")
    parser.add_argument("--processes", type=int, default=(os.cpu_count() or 2) + 1)
    parser.add_argument("--shape", action="append", choices=sorted(MAKERS), help="only this one")
    parser.add_argument("--play", type=_plan, help="one play again, such as 17:before,4:kill")
    given = parser.parse_args()
    shapes = given.shape or sorted(MAKERS)
    if given.play is not None:
        return _again(shapes[0], given.play)
    return _all(shapes, given)


def _plan(text: str) -> Plan:
    dooms: list[Doom] = []
    for word in text.split(","):
        at, _colon, name = word.partition(":")
        modes: dict[str, Mode] = {mode: mode for mode in get_args(Mode)}
        dooms.append(Doom(int(at), modes[name]))
    return tuple(dooms)


def _all(shapes: list[str], given: argparse.Namespace) -> int:
    began = time.monotonic()
    extent = Extent(given.points, given.seed, not given.no_singles, given.most_bad)
    tally = campaign(shapes, extent, given.processes)
    seconds = time.monotonic() - began
    plays = tally.plays.total()
    for shape, count in sorted(tally.plays.items()):
        _say(f"{shape:12} {count:6} plays")
    modes = ", ".join(f"{count} {mode}" for mode, count in sorted(tally.struck.items()))
    _say(f"{plays} plays in {seconds:.0f} s, {plays / seconds:.1f}/s, seed {given.seed}")
    _say(f"{tally.struck.total()} points struck: {modes}; {tally.missed} plays ended before theirs")
    _say(f"violations: {len(tally.bad)}")
    return 1 if tally.bad else 0


def _again(shape: str, plan: Plan) -> int:
    async def again(stage: Stage) -> int:
        wanted, _size = await baseline(stage, shape)
        play = await stage.play(MAKERS[shape](), plan)
        judged = await judge(stage.admin, play, wanted)
        for number, label in enumerate(play.dooms.labels, 1):
            _say(f"{number:4} {label}")
        for line in play.logs:
            _say(str(dict(line)))
        for text in (*play.dooms.struck, str(play.book), *judged.violations):
            _say(text)
        return 1 if judged.violations else 0

    with a_place() as place:
        return run_on(place, again)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
