"""The release before this one, as real processes, while its database becomes today's."""

from __future__ import annotations

import psycopg

from chaos.verdicts import assert_finished, undisturbed
from chaos.waiting import until
from flowrunner.client import Client
from flowrunner.db import migrations
from upgrade.runs import SIDES, await_end, await_states, finish, launched
from upgrade.stage import Stage
from upgrade.trees import Tree

WAITING = """
SELECT 1 FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND query LIKE '%%apply_v%%' AND datname = current_database()
"""


def test_the_release_before_goes_on_when_its_database_is_upgraded(
    last_stage: Stage, last: Tree
) -> None:
    """P1, P3, P5, F22: old server and worker; runs begun before and after the upgrade are
    launched, approved, cancelled, retried and followed to their ends by the old code.
    """
    stage = last_stage
    server = stage.serve(last, "--slots", "12")
    with server.client() as client:
        before = launched(client, stage, "before")
        await_states(stage, client, before)

        stage.upgrade()

        assert stage.revision() == migrations.head()
        stage.site.diary.open("before")
        finish(client, before)
        steer(client, stage)
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()
    stage.site.assert_checked()


def steer(client: Client, stage: Stage) -> None:
    """Launch, pause, resume, cancel and retry on the upgraded database."""
    quiet = str(client.launch("watched", stage.body(gate="never")).id)
    stage.site.diary.await_starts(quiet, "left", "middle", "right")
    client.pause_run(quiet)
    until(lambda: client.get_run(quiet).status == "paused")
    client.resume_run(quiet)
    assert client.cancel_run(quiet).was_live
    until(lambda: client.get_run(quiet).status == "cancelled")
    stage.site.diary.open("open")
    client.retry_run(quiet, from_step="plan")
    stage.site.diary.open("never")
    until(lambda: client.get_run(quiet).status == "completed")
    whole = str(client.launch("watched", stage.body()).id)
    list(client.events(whole))
    assert_finished(client, whole, undisturbed())


def test_a_decision_in_flight_outlives_the_upgrade(last_stage: Stage, last: Tree) -> None:
    """P1, P3, ADR 15: a function that began with its old text calls what that text names; functions are not
    locked, so the upgrade comes in between.
    """
    stage = last_stage
    server = stage.serve(last)
    with server.client() as client:
        run = str(client.launch("watched", stage.body()).id)
        stage.site.diary.await_starts(run, *SIDES)
        with psycopg.connect(stage.site.postgres.address("admin")) as rival:
            rival.execute("SELECT FROM flow_runs FOR UPDATE")
            stage.site.diary.open("open")
            until(lambda: stage.site.sql(WAITING))
            stage.upgrade()
            rival.rollback()
        await_end(client, run)
        assert_finished(client, run, undisturbed())
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()
