"""A database with runs in every state is upgraded while nobody runs; today's code ends them all."""

from __future__ import annotations

import signal

import pytest

from chaos.conftest import Measured
from chaos.site import Watch
from chaos.verdicts import assert_losses
from chaos.waiting import until
from flowrunner.client import Client
from flowrunner.db import migrations
from upgrade.runs import SIDES, assert_each_ended_once, await_end, await_states, finish, launched
from upgrade.stage import Stage
from upgrade.trees import Tree

STOPS = [pytest.param(signal.SIGTERM, id="stopped"), pytest.param(signal.SIGKILL, id="killed")]
SLOTS = ("--slots", "9")


@pytest.mark.parametrize("how", STOPS)
def test_runs_in_every_state_are_finished_by_the_next_release(
    last_stage: Stage, last: Tree, how: signal.Signals, measured: Measured
) -> None:
    """P1, P3, P4, F22, D2-02, D2-03, D2-18: agents, code that calls, half a list, an open question, a wait, a
    retry's delay, a paused, a queued and a failed run of the release before end under this one.
    """
    stage = last_stage
    server = stage.serve(last, *SLOTS)
    with server.client() as client:
        cancelled = one(client, stage, "other")
        client.cancel_run(cancelled)
        paused = one(client, stage, "paused")
        client.pause_run(paused)
        states = launched(client, stage, "never")
        await_states(stage, client, states)
        queued = str(client.launch("watched", stage.body(gate="never")).id)
        until(lambda: stage.site.sql("SELECT 1 FROM task_queue WHERE epoch IS NULL"))
        stand = {step.key: step.status for step in client.list_steps(states).items}

        server.program.end(how)
        until(lambda: not stage.site.diary.living())
        stage.upgrade()
        watch = Watch()
        server = stage.serve(None, *SLOTS, port=server.port)

        assert stage.revision() == migrations.head()
        assert stand["nap"] == "blocked" or stand["flaky"] == "pending"
        assert client.get_run(paused).status == "paused"
        stage.site.diary.open("never")
        finish(client, states)
        client.resume_run(paused)
        client.retry_run(cancelled, from_step="plan")
        for gate in ("paused", "other"):
            stage.site.diary.open(gate)
        lost = 0
        for run in (states, paused, queued, cancelled):
            await_end(client, run)
            lost += assert_each_ended_once(client, run) if run != cancelled else 0
        measured("all ended after the upgrade", watch.seconds)
    measured("attempts lost", lost)
    assert (lost > 0) == (how is signal.SIGKILL)
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()
    stage.site.assert_checked()


@pytest.mark.parametrize("how", STOPS)
def test_runs_of_two_releases_ago_are_finished(
    spine_stage: Stage, spine: Tree, how: signal.Signals
) -> None:
    """P1, P3, F22: over two revisions at once, from before children and approvals were rows."""
    stage = spine_stage
    server = stage.serve(spine, "--slots", "3")
    with server.client() as client:
        running = one(client, stage, "never")
        queued = str(client.launch("watched", stage.body(gate="never")).id)
        until(lambda: stage.site.sql("SELECT 1 FROM task_queue WHERE epoch IS NULL"))

        server.program.end(how)
        stage.upgrade()
        server = stage.serve(None, port=server.port)

        stage.site.diary.open("never")
        losses: dict[str, int] = dict.fromkeys(SIDES, 1) if how is signal.SIGKILL else {}
        for run, lost in ((running, losses), (queued, {})):
            await_end(client, run)
            assert_losses(list(client.events(run)), lost)
            assert_each_ended_once(client, run)
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()


def one(client: Client, stage: Stage, gate: str) -> str:
    """A run of the simple flow whose agents wait for *gate*."""
    run = str(client.launch("watched", stage.body(gate=gate)).id)
    stage.site.diary.await_starts(run, *SIDES)
    return run
