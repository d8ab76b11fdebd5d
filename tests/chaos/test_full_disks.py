"""The database's disc is full for a while: everybody is told, nothing is lost, and it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from chaos.conftest import Measured
from chaos.programs import HERE, Installation, Server, an_installation
from chaos.site import Watch
from chaos.waiting import until
from faults.clusters.disks import a_disc, why_no_discs
from faults.clusters.failovers import FLOWS, LEASES
from faults.clusters.hosts import loopback
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


def test_a_full_disk_is_told_and_outlived(place: Path, measured: Measured) -> None:
    """P1, P3, P4, P11: requests are refused for now, the log says why, health says so; what was acknowledged
    before is there; once there is room all runs end, and nobody restarted us.
    """
    with a_disc(place / "disc", MEGABYTES) as disc, loopback("a") as network:
        node = a_node(network.hosts["a"], disc.place / "a")
        try:
            furnish(node)
            with a_service(place / "service", node) as (installation, server):
                load = Load(server.url, LaunchBody(project=str(installation.folder)))
                with under_load(load):
                    until(lambda: len(load.diary.ended) >= 5, 40.0)

                    disc.fill(leave=1 << 16)

                    until(lambda: load.diary.doubts["launch"] > 5, 60.0)
                    until(lambda: is_told(server), 20.0)
                    before = len(load.diary.launches)
                    disc.make_room()
                    watch = Watch()
                    if node.process is not None and node.process.poll() is not None:
                        measured("the server had ended", node.process.returncode)
                        node.start()
                    until(lambda: len(load.diary.launches) > before, 40.0)
                    measured("served again after room was made", watch.seconds)
                    until(lambda: is_ready(server))
                    load.pause()
                    until(lambda: load.under_way == 0 and Ledger(node).live() == 0, 60.0)
                    measured("acknowledged", len(load.diary.launches))
                    assert Ledger(node).losses(load.diary) == []
                assert not server.program.is_over
                assert server.program.complaints() == []
        finally:
            node.kill()


def is_told(server: Server) -> bool:
    """The log has the server's own words; people and load balancers hear what it means."""
    logged = server.program.err.read_text(encoding="utf-8", errors="replace")
    answer = httpx2.get(f"{server.url}/healthz/ready")
    return FULL in logged and answer.status_code == 503 and "disk is full" in answer.text


def is_ready(server: Server) -> bool:
    return httpx2.get(f"{server.url}/healthz/ready").status_code == 200


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
