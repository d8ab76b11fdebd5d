"""The database's disc is full for a while: everybody is told, nothing is lost, and it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx2
import psycopg
import pytest

from chaos.conftest import Measured
from chaos.load import under_load as under_runs
from chaos.programs import HERE, Installation, Server, an_installation
from chaos.site import Watch, an_embedded_site
from chaos.waiting import until
from faults.clusters.disks import a_disc, why_no_discs
from faults.clusters.failovers import FLOWS, LEASES
from faults.clusters.hosts import Host, loopback
from faults.clusters.ledger import Ledger
from faults.clusters.load import Load, under_load
from faults.clusters.nodes import Node
from faults.clusters.pairs import a_node, furnish
from flowrunner.wire.runs import LaunchBody

pytestmark = pytest.mark.skipif(
    why_no_discs() is not None, reason=f"FULL DISCS ARE NOT TESTED: {why_no_discs()}"
)

MEGABYTES = 200
FULL = "No space left on device"


@pytest.mark.parametrize("what", ["tables", "log"])
def test_a_full_disk_is_told_and_outlived(place: Path, what: str, measured: Measured) -> None:
    """P1, P3, P4, P11: requests are refused for now, the log says why, health says so; what was acknowledged
    before is there; once there is room all runs end, and nobody restarted us.
    """
    with (
        a_disc(place / "disc", MEGABYTES) as disc,
        loopback("a") as network,
        a_server(network.hosts["a"], disc.place / "a") as node,
        a_service(place / "service", node) as (installation, server),
    ):
        load = Load(server.url, LaunchBody(project=str(installation.folder)))
        with under_load(load):
            until(lambda: len(load.diary.ended) >= 5, 40.0)

            disc.fill(leave=1 << 16)
            if what == "log":
                exhaust_log(node)

            until(lambda: load.diary.doubts["launch"] > 5, 60.0)
            until(lambda: is_told(server) or has_ended(node), 20.0)
            disc.make_room()
            measured("served again after room was made", served_again(node, load))
            until(lambda: is_ready(server))
            load.pause()
            until(lambda: load.under_way == 0 and Ledger(node).live() == 0, 60.0)
            measured("acknowledged", len(load.diary.launches))
            assert Ledger(node).losses(load.diary) == []
        assert not server.program.is_over
        assert server.program.complaints() == []


@contextmanager
def a_server(host: Host, folder: Path) -> Generator[Node]:
    """PostgreSQL with our tables; it ends with the block."""
    node = a_node(host, folder)
    try:
        furnish(node)
        yield node
    finally:
        node.kill()


def served_again(node: Node, load: Load) -> float:
    """Seconds until launches are acknowledged; whoever keeps PostgreSQL running starts it again."""
    before, watch = len(load.diary.launches), Watch()
    if has_ended(node):
        node.start()
    until(lambda: len(load.diary.launches) > before, 40.0)
    return watch.seconds


def exhaust_log(node: Node) -> None:
    """Have the server need new segments of its log until it cannot have any."""

    def is_refused() -> bool:
        try:
            node.sql("SELECT pg_logical_emit_message(false, 'tests', repeat('x', 1000000))")
        except psycopg.OperationalError:
            return True
        return False

    until(is_refused, 40.0)


def has_ended(node: Node) -> bool:
    return node.process is not None and node.process.poll() is not None


def is_told(server: Server) -> bool:
    """The log has the server's own words; people and load balancers hear what it means."""
    logged = server.program.err.read_text(encoding="utf-8", errors="replace")
    answer = httpx2.get(f"{server.url}/healthz/ready", timeout=15.0)
    return FULL in logged and answer.status_code == 503 and "disk is full" in answer.text


def is_ready(server: Server) -> bool:
    return httpx2.get(f"{server.url}/healthz/ready", timeout=15.0).status_code == 200


@contextmanager
def a_service(folder: Path, node: Node) -> Generator[tuple[Installation, Server]]:
    settings = {**LEASES, "FLOWRUNNER_FLOWS": f"{HERE / 'flows'}:{FLOWS}"}
    settings["FLOWRUNNER_DATABASE_URL"] = node.address("service")
    installation = an_installation(folder, **settings)
    try:
        yield installation, installation.serve("--no-worker").ready()
    except BaseException:
        installation.finish()
        installation.tell()
        raise
    finally:
        installation.finish()
        shutil.rmtree(folder, ignore_errors=True)


def test_an_embedded_database_outlives_its_full_disk(place: Path, measured: Measured) -> None:
    """P1, P3, P4: its keeper, its log and the agents' folders lie on that disk as well.

    An agent that cannot have a folder of its own is a failure of its step, by that name.
    """
    with (
        a_disc(place / "small", MEGABYTES) as disc,
        an_embedded_site(place / "own", FLOWRUNNER_DATA=str(disc.place / "home")) as site,
    ):
        server = site.serve("--slots", "4")
        site.diary.open()
        with under_runs([server], site.body()) as load:
            until(lambda: len(load.ended) >= 2, 40.0)

            disc.fill()
            pause = Event()
            pause.wait(4.0)
            disc.make_room()

            watch = Watch()
            ended = len(load.ended)
            until(lambda: len(load.ended) >= ended + 3, 60.0)
            measured("runs end again after room was made", watch.seconds)
        with server.client() as client:
            steps = [
                step
                for key, how in load.ended.items()
                if how != "run.completed"
                for step in client.list_steps(load.runs[key], status=["failed"]).items
            ]
        measured("runs, and those whose agent had no folder", (len(load.ended), len(steps)))
        assert {step.error.code for step in steps if step.error} <= {"agent_not_started"}
        assert not server.program.is_over
        site.assert_checked()
