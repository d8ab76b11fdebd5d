"""Workers are killed, frozen and come back as zombies; their agents never run twice at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from chaos.conftest import Measured
from chaos.diary import Note
from chaos.programs import LEASE_SECONDS, Program, Server
from chaos.site import Site, Watch
from chaos.verdicts import assert_finished, assert_losses, undisturbed
from chaos.waiting import until
from flowrunner.client import Client
from flowrunner.wire.events import Event

SIDES = ("left", "middle", "right")
WATCHDOG_SECONDS = 0.5
"""Half of the leases' margin: when agents of a silent worker are ended."""
DIE_SECONDS = 3.0


def test_the_agents_of_lost_workers_die_and_run_elsewhere(site: Site, measured: Measured) -> None:
    """P2, P3, I2, I6, D2-18, F29: one is killed, one frozen beyond its lease and thawed as a zombie.

    Their agents end within seconds, with their children; after the lease others go on.
    """
    server = site.serve("--no-worker")
    with server.client() as client:
        killed, killed_run, killed_agents = occupied(site, client)
        frozen, frozen_run, frozen_agents = occupied(site, client)
        last = site.worker("--slots", "6")

        killed.kill()
        frozen.tell(signal.SIGSTOP)

        watch = Watch()
        until(lambda: not any(agent.is_alive for agent in killed_agents), DIE_SECONDS)
        measured("agents gone after the kill", watch.seconds)
        until(lambda: not any(agent.is_alive for agent in frozen_agents), DIE_SECONDS)
        measured(f"agents gone after the freeze, watchdog {WATCHDOG_SECONDS} s", watch.seconds)
        for run in (killed_run, frozen_run):
            site.diary.await_starts(run, *SIDES, attempt=2)
            measured(f"begun elsewhere, lease {LEASE_SECONDS} s", watch.seconds)
        frozen.tell(signal.SIGCONT)
        until(lambda: "lease.lost" in frozen.err.read_text(encoding="utf-8"))
        site.diary.open()
        for run in (killed_run, frozen_run):
            assert_losses(finished(client, run), dict.fromkeys(SIDES, 1))
        assert last.end() == 0
        assert_losses(finished(client, str(client.launch("watched", site.body()).id)), {})
    site.assert_sound()
    site.assert_no_complaints()


def occupied(site: Site, client: Client) -> tuple[Program, str, list[Note]]:
    """One more worker, the run that keeps it busy, and its agents; one is deaf to SIGTERM."""
    worker = site.worker("--slots", str(len(SIDES)))
    run = str(client.launch("watched", site.body("left")).id)
    return worker, run, site.diary.await_starts(run, *SIDES)


def test_a_worker_frozen_for_a_moment_costs_no_attempt(site: Site) -> None:
    """P3: its agents are ended, for it may stay away; but that is no failure of the flow's."""
    server = site.serve("--no-worker")
    with server.client() as client:
        worker = site.worker()
        run = str(client.launch("watched", site.body()).id)
        agents = site.diary.await_starts(run, *SIDES)

        worker.tell(signal.SIGSTOP)
        until(lambda: not any(agent.is_alive for agent in agents), DIE_SECONDS)
        worker.tell(signal.SIGCONT)

        until(lambda: len(site.diary.notes("start", run)) >= 2 * len(SIDES))
        site.diary.open()
        assert_losses(finished(client, run), {})
    site.assert_sound()
    site.assert_no_complaints()


def test_the_last_word_of_a_zombie_is_refused_and_kept(site: Site) -> None:
    """P1, P2, P11, D2-17: late while the run lives, and late after its end."""
    server = site.serve("--no-worker")
    with server.client() as client:
        run = str(client.launch("watched", site.body()).id)
        with a_zombie(site.postgres.address("dispatcher"), lease=1.0) as zombie:
            task = said_by(zombie)
            zombie.send_signal(signal.SIGSTOP)
            site.worker()
            site.diary.await_starts(run, *SIDES, attempt=1)
            key = key_of(server, task)
            site.diary.await_starts(run, key, attempt=2)
            zombie.send_signal(signal.SIGCONT)
            tell(zombie, "early lie")
            until(lambda: stale(site) == ["early lie"])
            site.diary.open()
            events = finished(client, run)
            tell(zombie, "late lie")
            until(lambda: stale(site) == ["early lie", "late lie"])
    assert_losses(events, {key: 1})
    assert [e.key for e in events if e.type == "result.rejected"] == [key]
    site.assert_sound()
    site.assert_no_complaints()


def finished(client: Client, run: str) -> list[Event]:
    """Wait for the end; every event of the run."""
    assert list(client.events(run))[-1].type == "run.completed"
    return assert_finished(client, run, undisturbed())


@contextmanager
def a_zombie(address: str, lease: float) -> Generator[subprocess.Popen[str]]:
    program = str(Path(__file__).with_name("zombie.py"))
    argv = [sys.executable, program, address, str(lease)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def key_of(server: Server, task: str) -> str:
    run, number, _attempt = task.split(".")
    with server.client() as client:
        return client.list_steps(run).items[int(number)].key


def stale(site: Site) -> list[str]:
    """The answers that were refused, as they are kept."""
    rows = site.sql("SELECT output FROM task_results WHERE verdict = 'stale' ORDER BY id")
    return [output for (output,) in rows]
