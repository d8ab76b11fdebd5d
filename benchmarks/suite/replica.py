"""One replica as a process of its own: `replica.py DATABASE OWNER FLOWS [SETTING=VALUE ...]`.

Prints `ready`, then obeys lines: `launch FLOW COUNT` answers `launched`; the end of input ends it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import structlog  # noqa: E402

from flowrunner.bootstrap import Addresses, Service, build_service, running  # noqa: E402
from flowrunner.bootstrap.collecting import collect_rarely  # noqa: E402
from flowrunner.definitions.library import Library  # noqa: E402
from flowrunner.settings import Settings  # noqa: E402
from suite.stage import launch  # noqa: E402


async def main() -> None:
    database, owner, flows, *given = sys.argv[1:]
    settings = Settings(**dict(pair.split("=", 1) for pair in given))
    library = Library.discover([Path(flows)])
    service = build_service(settings, Addresses(database, database, owner), library=library)
    async with running(service):
        collect_rarely()
        print("ready", flush=True)
        await _obey(service)


async def _obey(service: Service) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        _verb, flow, count = line.split()
        await launch(service, flow, int(count))
        print("launched", flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main())
