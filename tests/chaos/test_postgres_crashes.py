"""PostgreSQL is restarted, its keeper is killed, its connections are cut: everybody stays."""

from __future__ import annotations

import json
import os
import signal
from threading import Event

import pytest

from chaos.conftest import Measured
from chaos.load import Load, under_load
from chaos.site import Site, Watch
from chaos.verdicts import assert_finished, assert_losses, undisturbed
from chaos.waiting import until
from embedded.support import postmaster_of

SIDES = ("left", "middle", "right")
OURS = "datname = current_database() AND pid <> pg_backend_pid()"
LISTENERS = (
    f"SELECT pid FROM pg_stat_activity WHERE application_name = 'flowrunner-listener' AND {OURS}"  # noqa: S608  # our own words
)
CUT_LISTENERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flowrunner-listener' AND datname = current_database()"
CUT_ALL = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608  # our own words
SELDOM = {"FLOWRUNNER_POLL_SECONDS": "20"}
"""Nobody looks by himself in time: what happens at once was heard of."""


def test_restarts_of_postgres_lose_nothing(embedded_site: Site, measured: Measured) -> None:
    """P1, P3, P4: immediate and fast ones, under load, and with the keeper; no agent notices."""
    site = embedded_site
    server, worker = site.serve("--slots", "4"), site.worker("--slots", "4")
    site.diary.open()
    with server.client() as client:
        held = str(client.launch("watched", site.body(gate="late")).id)
        site.diary.await_starts(held, *SIDES)
        with under_load([server], site.body()) as load:
            for number in (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
                measured(f"next run finished after {number.name}", fallen(site, load, number))
            measured("next run finished after the keeper's death", keeper_killed(site, load))
        site.diary.open("late")
        assert list(client.events(held))[-1].type == "run.completed"
        runs = [held, *load.runs.values()]
        measured("runs", len(runs))
        assert len(runs) > 5
        for run in runs:
            assert_losses(assert_finished(client, run, undisturbed()), {})
    assert (server.program.end(), worker.end()) == (0, 0)
    site.assert_sound()
    site.assert_no_complaints()


def fallen(site: Site, load: Load, number: signal.Signals) -> float:
    """Signal the postmaster; seconds until another one runs and every launcher got an answer."""
    before = postmaster_of(site.installation.home)
    finished = len(load.ended)
    os.kill(before, number)
    watch = Watch()
    until(lambda: postmaster_of(site.installation.home) not in {0, before})
    until(lambda: len(load.ended) > finished + 1, 40.0)
    return watch.seconds


def keeper_killed(site: Site, load: Load) -> float:
    (lock,) = site.installation.home.glob("pg*.lock")
    finished = len(load.ended)
    os.kill(json.loads(lock.read_text())["keeper"], signal.SIGKILL)
    watch = Watch()
    until(lambda: len(load.ended) > finished + 1, 40.0)
    return watch.seconds


def test_a_cut_listener_listens_again(site: Site, measured: Measured) -> None:
    """P4, D2-24: hints come through again, and what was missed is looked for."""
    server = site.serve("--no-worker", settings=SELDOM)
    site.worker(settings=SELDOM)
    site.diary.open()
    with server.client() as client:
        before = {pid for (pid,) in site.sql(LISTENERS)}
        assert len(before) == 2

        site.sql(CUT_LISTENERS)

        watch = Watch()
        until(lambda: len({pid for (pid,) in site.sql(LISTENERS)} - before) == 2)
        measured("listening again", watch.seconds)
        watch = Watch()
        run = str(client.launch("watched", site.body()).id)
        assert list(client.events(run))[-1].type == "run.completed"
        measured("a run on hints alone", watch.seconds)
        assert watch.seconds < 10.0
        assert_losses(assert_finished(client, run, undisturbed()), {})
    site.assert_sound()
    site.assert_no_complaints()


def test_cut_connections_lose_nothing(site: Site, measured: Measured) -> None:
    """P1, P3: all of them, twice a second, while runs are launched and finished."""
    server, worker = site.serve("--slots", "2"), site.worker("--slots", "2")
    site.diary.open()
    pause = Event()
    with under_load([server], site.body()) as load:
        for _ in range(8):
            site.sql(CUT_ALL)
            pause.wait(0.5)
    measured("runs", len(load.ended))
    assert len(load.ended) >= 2
    with server.client() as client:
        for run in load.runs.values():
            assert_losses(assert_finished(client, run, undisturbed()), {})
    assert not worker.is_over
    site.assert_sound()
    site.assert_no_complaints()


@pytest.mark.parametrize("mode", ["off", "txn"])
def test_hints_are_only_hints(site: Site, mode: str, measured: Measured) -> None:
    """P4: without any, polling finds everything; sent with the commit, they do as well."""
    settings = {"FLOWRUNNER_NOTIFY_MODE": mode, **(SELDOM if mode == "txn" else {})}
    server = site.serve("--no-worker", settings=settings)
    site.worker(settings=settings)
    site.diary.open()
    with server.client() as client:
        watch = Watch()
        run = str(client.launch("watched", site.body()).id)
        assert list(client.events(run))[-1].type == "run.completed"
        measured(f"a run with {mode}", watch.seconds)
        assert watch.seconds < 10.0
        assert_losses(assert_finished(client, run, undisturbed()), {})
    site.assert_sound()
    site.assert_no_complaints()
