"""Measure the engine beside PostgreSQL's own limit, in one run on one server.

A figure alone says little on a machine with neighbours: read the ratios. Steps do nothing, so what
is left is the cost of moving a run. `python benchmarks/run.py [--repeat N] [--json FILE]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import structlog

from flowrunner.bootstrap import Addresses, Service, build_service, running
from flowrunner.db import migrations
from flowrunner.definitions.library import Library
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.cluster import Cluster
from flowrunner.service.runs import LaunchRequest
from flowrunner.settings import Settings

FLOWS = """
from flowrunner import Flow, Report, Step
def nothing(ctx): return None
def report(ctx): return Report("done")
def code(name, *needs): return Step(name, kind="code", run=nothing, needs=needs)
"""
CHAIN = (
    'flow = Flow("chain", steps=[code(f"s{i}", *([f"s{i-1}"] if i else []))'
    " for i in range(100)], render=report)"
)
FAN = (
    'flow = Flow("fan", steps=[code("a"), *(code(f"s{i}", "a") for i in range(1000)),'
    ' code("z", *(f"s{i}" for i in range(1000)))], render=report)'
)
DIAMOND = (
    'flow = Flow("diamond", steps=[code("a"), code("b", "a"), code("c", "a"), code("d", "a"),'
    ' code("e", "b", "c", "d")], render=report)'
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with (
        tempfile.TemporaryDirectory(prefix="fr-bench-") as folder,
        Cluster(Path(folder) / "data") as cluster,
    ):
        migrations.upgrade(cluster.address("owner"))
        figures = measure(cluster, Path(folder), asked.repeat)
    show(figures)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1))
    return 0


def measure(cluster: Cluster, folder: Path, repeat: int) -> dict[str, float]:
    """Medians of *repeat* rounds; the floor is measured in each round, between the others."""
    flows = folder / "flows"
    flows.mkdir()
    for name, text in (("chain", CHAIN), ("fan", FAN), ("diamond", DIAMOND)):
        (flows / f"{name}.py").write_text(FLOWS + text)
    library = Library.discover([flows])
    rounds: dict[str, list[float]] = {}
    for _ in range(repeat):
        rounds.setdefault("commits_per_second_1", []).append(floor(cluster, 1))
        rounds.setdefault("commits_per_second_8", []).append(floor(cluster, 8))
        for name, figure in asyncio.run(one_round(cluster, library)).items():
            rounds.setdefault(name, []).append(figure)
    return {name: statistics.median(values) for name, values in rounds.items()}


def floor(cluster: Cluster, clients: int) -> float:
    """PostgreSQL's smallest durable commit: one narrow row updated, by pgbench."""
    address = cluster.address("admin")
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS bench_floor (id int PRIMARY KEY, n int)"
            " WITH (fillfactor = 50)"
        )
        conn.execute(
            "INSERT INTO bench_floor SELECT g, 0 FROM generate_series(1, 64) g"
            " ON CONFLICT DO NOTHING"
        )
        info = conn.info
        where = ["-h", info.host, "-p", str(info.port), "-U", info.user, info.dbname]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("UPDATE bench_floor SET n = n + 1 WHERE id = :client_id + 1;\n")
        script.flush()
        command = [str(find_binaries(None).bindir / "pgbench"), "-n", "-M", "prepared", "-T", "2"]
        command += ["-c", str(clients), "-j", "1", "-f", script.name, *where]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split()[2])


async def one_round(cluster: Cluster, library: Library) -> dict[str, float]:
    service_address = cluster.address("service")
    addresses = Addresses(service_address, service_address, cluster.address("owner"))
    service = build_service(Settings(code_slots=32), addresses, library=library)
    async with running(service):
        await one_run(service, "diamond")
        chain = await timed(lambda: one_run(service, "chain"))
        fan = await timed(lambda: one_run(service, "fan"))
        many = await timed(lambda: runs(service, "diamond", 400))
    return {
        "chain_hop_ms": chain / 100 * 1000,
        "chain_steps_per_second": 100 / chain,
        "fan_1000_steps_per_second": 1002 / fan,
        "runs_400_steps_per_second": 400 * 5 / many,
    }


async def runs(service: Service, flow: str, count: int) -> None:
    await asyncio.gather(*(one_run(service, flow) for _ in range(count)))


async def one_run(service: Service, flow: str) -> None:
    launched = await service.runs.launch(flow, LaunchRequest(project_root=Path.cwd()))
    last = ""
    async for event in service.feed.follow(launched.run_id):
        last = event.type
    if last != "run.completed":
        raise RuntimeError(f"{flow} ended with {last}")


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def show(figures: dict[str, float]) -> None:
    single = figures["commits_per_second_1"]
    print(f"{'figure':32}{'median':>12}{'ratio to one client':>22}")
    for name, value in figures.items():
        ratio = f"{value / single:.2f}" if name.endswith(("per_second", "_1", "_8")) else ""
        print(f"{name:32}{value:12.1f}{ratio:>22}")
    print(f"\n{machine()}")


def machine() -> str:
    return f"{platform.platform()}, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
