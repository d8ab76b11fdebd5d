"""Clocks step, of our processes and of the database's machine: work goes on as if nothing was."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from chaos.conftest import Measured
from chaos.programs import LEASE_SECONDS, Program
from chaos.site import Site, Watch, an_embedded_site
from chaos.test_every_kind import decide_on, launched
from chaos.verdicts import assert_finished, assert_losses, undisturbed
from chaos.waiting import until
from faults.clusters.clocks import WallClock, why_no_clocks
from faults.clusters.hosts import loopback
from faults.clusters.ledger import Ledger
from faults.clusters.pairs import a_node, furnish

pytestmark = pytest.mark.skipif(
    why_no_clocks() is not None, reason=f"CLOCKS ARE NOT TESTED: {why_no_clocks()}"
)

HOUR, DAY = 3600, 86_400
SIDES = ("left", "middle", "right")
# Long between two renewals, so that a look in between finds what it must not believe.
SELDOM = {
    "FLOWRUNNER_LEASE_SECONDS": "20",
    "FLOWRUNNER_RENEW_SECONDS": "5",
    "FLOWRUNNER_START_GRACE_SECONDS": "7",
}


@pytest.mark.parametrize(
    "steps", [(HOUR,), (-DAY,), (0, HOUR, -DAY, 0)], ids=["ahead", "behind", "stepping"]
)
def test_our_processes_clocks_mean_nothing(
    site: Site, steps: Sequence[int], measured: Measured
) -> None:
    """P1, P2, P4, F29, L11: leases, waits, self-fences and time-outs go by the database's clock or by steady
    ones; only the times in the log are off.
    """
    clock = WallClock(site.installation.folder / "clock")
    settings = clock.environment()
    clock.step(steps[0])
    server = site.serve("--no-worker", settings=settings)
    worker = site.worker("--slots", "8", settings=settings)
    with server.client() as client:
        held = str(client.launch("watched", site.body(gate="late")).id)
        site.diary.await_starts(held, *SIDES)
        site.diary.open()
        began = Watch()
        every = launched(site, server)
        for seconds in steps:
            clock.step(seconds)
            hold_on(1.5 * LEASE_SECONDS / len(steps))
            decide_on([server], set())
        until(lambda: client.get_run(every).status == "completed", 30.0)
        measured("every kind of step ended within", began.seconds)
        site.diary.open("late")
        assert list(client.events(held))[-1].type == "run.completed"
        assert_losses(assert_finished(client, held, undisturbed()), {})
    assert {offset_of(server.program), offset_of(worker)} <= {round(s / 60) for s in steps}
    assert_unmoved(server.program, worker)
    site.assert_sound()


def offset_of(program: Program) -> int:
    """How many minutes the last line of its log is off, by its own word."""
    logged = [line["timestamp"] for line in program.lines() if "timestamp" in line]
    if not logged:
        return 0
    return round((datetime.fromisoformat(logged[-1]) - datetime.now(UTC)).total_seconds() / 60)


def assert_unmoved(*programs: Program) -> None:
    """Nobody lost a lease, fenced himself off, or complained."""
    for program in programs:
        events = {line["event"] for line in program.lines()}
        assert not events & {"lease.lost", "leases.reaped", "lease.returned", "worker.disowned"}
        assert program.complaints() == []


@pytest.mark.parametrize("seconds", [HOUR, -DAY], ids=["ahead", "behind"])
def test_the_databases_clock_steps(place: Path, seconds: int, measured: Measured) -> None:
    """P1, P2, P3, P4, L11: put forward by an hour it has ended every lease: nobody is declared dead for that,
    no agent is started twice; runs go on, those at work and those launched afterwards.
    """
    clock = WallClock(place / "clock")
    with loopback("a") as network:
        node = a_node(network.hosts["a"], place / "node", clock.environment())
        try:
            furnish(node)
            address = {"FLOWRUNNER_DATABASE_URL": node.address("service")}
            with an_embedded_site(place / "own", **address, **SELDOM) as site:
                server, worker = site.serve("--no-worker"), site.worker("--slots", "4")
                with server.client() as client:
                    run = str(client.launch("watched", site.body(gate="late")).id)
                    site.diary.await_starts(run, *SIDES)
                    site.diary.open()
                    clock.step(seconds)
                    assert abs(drift(node.sql("SELECT clock_timestamp()")[0][0]) - seconds) < 60
                    hold_on(1.5 * LEASE_SECONDS)
                    site.diary.open("late")
                    assert list(client.events(run))[-1].type == "run.completed"
                    assert_losses(assert_finished(client, run, undisturbed()), {})
                    watch = Watch()
                    run = str(client.launch("watched", site.body()).id)
                    assert list(client.events(run))[-1].type == "run.completed"
                    measured("a run afterwards", watch.seconds)
                jumped = [
                    line for line in server.program.lines() if line["event"] == "clock.jumped"
                ]
                assert len(jumped) == (seconds > 0)
                assert [line for line in worker.lines() if line["event"] == "lease.lost"] == []
                assert Ledger(node).live() == 0
                site.assert_sound()
        finally:
            node.kill()
            shutil.rmtree(node.folder)


def drift(said: datetime) -> float:
    return said.timestamp() - time.time()


def hold_on(seconds: float) -> None:
    """Let time pass: what is shown is that nothing happens in it."""
    Event().wait(seconds)
