"""Where benchmarks run: one server for all of them, a database and a replica for each."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from flowrunner.bootstrap import Addresses, Service, build_service, running
from flowrunner.core.model import RunId
from flowrunner.db import migrations
from flowrunner.definitions.library import Library
from flowrunner.embedded.cluster import Cluster
from flowrunner.service.runs import LaunchRequest
from flowrunner.settings import Settings

Figures: TypeAlias = dict[str, float]

_AT_ONCE = 100
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Stage:
    """What every benchmark is given; *quick* asks for sizes that take seconds."""

    cluster: Cluster
    library: Library
    folder: Path
    quick: bool = False
    _made: list[str] = field(default_factory=list)

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @contextmanager
    def database(self) -> Generator[Addresses]:
        """A database of its own: what one benchmark leaves behind is not in another's way."""
        name = f"bench_{len(self._made)}"
        self._made.append(name)
        self.cluster.create_database(name)
        owner = self.cluster.address("owner", name)
        migrations.upgrade(owner)
        service = self.cluster.address("service", name)
        try:
            yield Addresses(service, service, owner)
        finally:
            self.cluster.drop_database(name)

    @asynccontextmanager
    async def replica(self, addresses: Addresses, **settings: Any) -> AsyncGenerator[Service]:
        """One replica in this process, with many slots for code and everything else by default."""
        chosen = Settings(**({"code_slots": 100} | settings))
        service = build_service(chosen, addresses, library=self.library)
        async with running(service):
            yield service

    @asynccontextmanager
    async def service(self, **settings: Any) -> AsyncGenerator[Service]:
        """A fresh database with a replica that has warmed up: plans made, flows loaded."""
        with self.database() as addresses:
            async with self.replica(addresses, **settings) as service:
                await launch(service, "diamond", 20)
                await ended(service)
                yield service

    def admin(self, addresses: Addresses) -> psycopg.Connection[tuple[Any, ...]]:
        name = psycopg.conninfo.conninfo_to_dict(addresses.database)["dbname"]
        return psycopg.connect(self.cluster.address("admin", str(name)), autocommit=True)


async def launch(service: Service, flow: str, count: int = 1) -> list[RunId]:
    """Launch *count* runs, a hundred at a time, as a door under load would."""
    request = LaunchRequest(project_root=Path.cwd())
    found: list[RunId] = []
    for at in range(0, count, _AT_ONCE):
        some = range(at, min(count, at + _AT_ONCE))
        launched = await asyncio.gather(*(service.runs.launch(flow, request) for _ in some))
        found += [one.run_id for one in launched]
    return found


async def ended(service: Service, pause: float = 0.05) -> None:
    """Wait until no run is live. One cheap statement now and then: watching must cost nothing."""
    while True:
        async with service.pool.connection() as conn:
            cur = await conn.execute("SELECT count(*) FROM live_runs")
            row = await cur.fetchone()
        if row is not None and row[0] == 0:
            return
        await asyncio.sleep(pause)


_SPAN = """
SELECT extract(epoch FROM max(r.finished_at) - min(m.created_at))::float8, count(*),
       count(*) FILTER (WHERE r.status <> 'completed')
  FROM flow_runs r JOIN flow_run_meta m ON m.run_id = r.id WHERE r.id = ANY (%s)
"""


async def span(service: Service, runs: list[RunId]) -> float:
    """Seconds from the first launch to the last end, by the database's clock."""
    async with service.pool.connection() as conn:
        row = await (await conn.execute(_SPAN, (runs,))).fetchone()
    assert row is not None and row[1] == len(runs) and row[2] == 0, row  # noqa: PT018
    return float(row[0])


async def timed(service: Service, flow: str, count: int = 1) -> float:
    """Launch, wait for the end of all, and return how long the database saw them."""
    runs = await launch(service, flow, count)
    await ended(service)
    return await span(service, runs)


@dataclass(frozen=True)
class Meter:
    """What was consumed up to now; the difference of two is what happened in between."""

    python: float
    postgres: float
    wal: int
    commits: int

    def per(self, before: Meter, count: int, name: str) -> Figures:
        """Costs of *count* things since *before*, as figures named after *name*."""
        return {
            f"{name}_python_us": (self.python - before.python) / count * 1e6,
            f"{name}_postgres_us": (self.postgres - before.postgres) / count * 1e6,
            f"{name}_wal_bytes": (self.wal - before.wal) / count,
            f"{name}_commits": (self.commits - before.commits) / count,
        }


def meter(conn: psycopg.Connection[tuple[Any, ...]], service: Service) -> Meter:
    row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    commits = service.committer.commits
    return Meter(time.process_time(), server_seconds(conn), int(row[0]), commits)


def server_seconds(conn: psycopg.Connection[tuple[Any, ...]]) -> float:
    """CPU seconds of the whole server: its postmaster, all that ended, and all that live."""
    mother = int(_stat(conn.info.backend_pid)[1])
    total = sum(map(int, _stat(mother)[11:15]))
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = _stat(int(folder.name))
            except OSError:
                continue
            if int(stat[1]) == mother:
                total += sum(map(int, stat[11:13]))
    return total / _TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def process_seconds(pid: int) -> float:
    """CPU seconds of one process."""
    return sum(map(int, _stat(pid)[11:13])) / _TICKS


def resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
