"""Play many seeds on a few processes."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from crashpoints.campaign import Place, a_place, run_on
from faults.wire.cases import Case, Player, Tally
from faults.wire.stage import WireStage, a_wire_stage

_CHUNK = 15


def campaign(seeds: range, processes: int) -> Tally:
    """Play the cases of *seeds* on so many processes; prints what goes wrong at once."""
    total = Tally()
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    with (
        a_place() as place,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        waiting = [pool.submit(_chunk, place, chunk) for chunk in chunks]
        for done in as_completed(waiting):
            tally = done.result()
            total.add(tally)
            for bad in tally.bad:
                print(bad, flush=True)  # noqa: T201  # whoever waits wants to see it now
            print(f"{total.plays.total()} cases", end="\r", file=sys.stderr, flush=True)  # noqa: T201
    return total


def _chunk(place: Place, seeds: range) -> Tally:
    async def play(stage: WireStage) -> Tally:
        return await Player(stage).play(map(Case.of, seeds))

    return run_on(place, play, a_wire_stage)
