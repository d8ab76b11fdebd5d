"""`make interleavings`: every order of some sessions, committed or undone, or a sample of them."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence

from fixtures.cluster import embedded_server
from fixtures.databases import Database
from flowrunner.db import migrations
from interleavings.orders import Case, a_hall, cases, play

_NAME = "flowrunner_interleavings"


def main() -> int:
    """Return 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="interleavings", description=__doc__)
    parser.add_argument("--sessions", type=int, default=3, choices=(2, 3))
    parser.add_argument("--cases", type=int, default=3000, help="how many of all; 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--only", default="", help="cases whose name is this")
    given = parser.parse_args()
    every = cases(given.sessions, may_undo=True)
    wanted = [case for case in every if given.only in {"", str(case)}]
    sys.stdout.write(f"{len(wanted)} cases of {given.sessions} sessions\n")
    if 0 < given.cases < len(wanted):
        wanted = random.Random(given.seed).sample(wanted, given.cases)  # noqa: S311  # a seed
    with embedded_server() as server:
        server.create_database(_NAME)
        migrations.upgrade(server.address("owner", _NAME))
        return asyncio.run(_all(Database(_NAME, server), wanted))


async def _all(database: Database, wanted: Sequence[Case]) -> int:
    began = time.monotonic()
    bad = blocked = 0
    async with a_hall(database, 3) as hall:
        for case in wanted:
            found, was_blocked = await play(hall, case)
            blocked += was_blocked
            bad += bool(found)
            sys.stdout.writelines(f"{line}\n" for line in found)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(wanted)} played in {seconds:.0f} s; somebody waited in {blocked}\n")
    sys.stdout.write(f"violations: {bad}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
