"""Replicas and workers are replaced one by one, by the next release or by the one before, under load."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import pytest

from chaos.conftest import Measured
from chaos.load import Load, under_load
from chaos.programs import START_SECONDS, Program, Server, ready
from chaos.site import Watch
from chaos.verdicts import assert_finished, undisturbed
from chaos.waiting import until
from flowrunner.client import ClientError
from flowrunner.db import migrations
from flowrunner.wire.approvals import DecisionBody
from upgrade.runs import assert_each_ended_once, await_end, launched
from upgrade.stage import Stage
from upgrade.trees import Tree

SEED = 3
PAUSE_SECONDS = 1.0
SLOTS = ("--slots", "3")
STATES = 3


@dataclass(slots=True)
class Place:
    """Where one process is replaced by another: the code of today when *tree* is None."""

    begin: Callable[[Tree | None], Program]
    program: Program

    def replace(self, tree: Tree | None, how: signal.Signals) -> int:
        """End the process and start the next one; return how it ended."""
        code = self.program.end(how)
        self.program = self.begin(tree)
        return code


def server_place(stage: Stage, server: Server) -> Place:
    return Place(
        lambda tree: stage.begin_server(tree, *SLOTS, port=server.port).program, server.program
    )


def worker_place(stage: Stage, tree: Tree | None) -> Place:
    def begin(tree: Tree | None) -> Program:
        return stage.begin_worker(tree, *SLOTS)

    return Place(begin, begin(tree))


def test_a_release_rolls_out_under_load(last_stage: Stage, last: Tree, measured: Measured) -> None:
    """P1, P2, P3, P5, D2-01, D2-18, D2-29, F22, F24: the schema first, then two servers and two workers one after
    the other, stopped or killed; every run completes as if nothing had happened, once.
    """
    stage = last_stage
    stage.site.diary.open()
    servers, places = crew(stage, last)
    with under_load(servers, stage.body(), threads=2) as load, questions(stage, servers) as asked:
        watch = Watch()
        migrations.upgrade(stage.site.postgres.address("owner"))
        measured("upgrade under load", watch.seconds)
        roll(places, None)
    verdict(stage, load, asked, servers, measured)


def test_a_release_is_taken_back_under_load(stage: Stage, last: Tree, measured: Measured) -> None:
    """P1, P2, P3, P5, ADR 7: from this release to the one before, on this one's schema."""
    stage.site.diary.open()
    servers, places = crew(stage, None)
    with under_load(servers, stage.body(), threads=2) as load, questions(stage, servers) as asked:
        roll(places, last)
    verdict(stage, load, asked, servers, measured)


def crew(stage: Stage, tree: Tree | None) -> tuple[list[Server], list[Place]]:
    """Two servers and two workers, which start at the same time."""
    servers = [stage.begin_server(tree, *SLOTS) for _ in range(2)]
    places = [server_place(stage, server) for server in servers]
    workers = [worker_place(stage, tree) for _ in range(2)]
    for server in servers:
        server.ready()
    for place in workers:
        ready(place.program)
    return servers, [*places, *workers]


def roll(places: Sequence[Place], tree: Tree | None) -> None:
    """Replace them all, half of them without asking; nobody waits for who comes after."""
    chance, pause = random.Random(SEED), Event()  # noqa: S311  # the same order in each session
    hows = [signal.SIGTERM, signal.SIGKILL] * (len(places) // 2)
    order = list(zip(places, hows, strict=True))
    chance.shuffle(order)
    for place, how in order:
        pause.wait(PAUSE_SECONDS)
        assert place.replace(tree, how) == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    for place in places:
        until(lambda place=place: is_ready(place.program), START_SECONDS)


def is_ready(program: Program) -> bool:
    assert not program.is_over, program.err.read_text()[-3000:]
    return '"url"' in program.out.read_text() or "is ready" in program.err.read_text()


@contextmanager
def questions(stage: Stage, servers: Sequence[Server]) -> Generator[list[str]]:
    """Runs of every kind of step meanwhile, whose questions are answered as they come."""
    runs: list[str] = []
    stop = Event()

    def answer() -> None:
        turn = 0
        while not stop.wait(0.2):
            turn += 1
            try:
                with servers[turn % len(servers)].client(patience=1.0) as client:
                    if len(runs) < STATES * (1 + turn // 20) and len(runs) < 3 * STATES:
                        runs.append(launched(client, stage, "open"))
                    for approval in client.list_approvals().items:
                        client.decide_approval(approval.id, DecisionBody(decision="approve"))
            except ClientError:
                continue

    thread = Thread(target=answer, name="questions")
    thread.start()
    try:
        yield runs
        with servers[0].client() as client:
            for run in runs:
                await_end(client, run)
    finally:
        stop.set()
        thread.join()


def verdict(
    stage: Stage, load: Load, asked: Sequence[str], servers: Sequence[Server], measured: Measured
) -> None:
    """One run per key, each with the undisturbed report, each step ended once."""
    assert stage.revision() == migrations.head()
    assert set(load.ended.values()) == {"run.completed"}
    with servers[0].client() as client:
        for run in load.runs.values():
            assert_finished(client, run, undisturbed())
        lost = sum(assert_each_ended_once(client, run) for run in asked)
    ((count, crashes),) = stage.site.sql(
        "SELECT (SELECT count(*) FROM flow_runs), sum(crashes) FROM flow_steps"
    )
    assert len(asked) >= STATES
    assert len(load.runs) >= 8
    # A launch whose answer was lost is a run that nobody asked for again.
    assert count >= len(set(load.runs.values())) + len(asked)
    measured("runs", count)
    measured("attempts lost", f"{crashes}, {lost} of them in runs of every kind")
    stage.site.assert_no_complaints()
    stage.assert_sound()
    stage.site.assert_checked()


def test_tables_are_locked_under_load(spine_stage: Stage, spine: Tree, measured: Measured) -> None:
    """P1, P3, D2-18: the way over two revisions takes exclusive locks while two servers of long ago work."""
    stage = spine_stage
    stage.site.diary.open()
    servers = [stage.serve(spine, *SLOTS) for _ in range(2)]
    with under_load(servers, stage.body(), threads=2) as load:
        Event().wait(PAUSE_SECONDS)
        upgrade = stage.upgrade()
        measured("locked out", upgrade.err.read_text().count("migration.locked_out"))
        for server in servers:
            server.program.end()
            stage.serve(None, *SLOTS, port=server.port)
    assert set(load.ended.values()) == {"run.completed"}
    with servers[0].client() as client:
        for run in load.runs.values():
            assert_each_ended_once(client, run)
    measured("runs", len(load.runs))
    stage.site.assert_no_complaints()
    stage.assert_sound()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_release_before_takes_over(stage: Stage, last: Tree, how: signal.Signals) -> None:
    """P3, P5, ADR 7: runs that this release began in every state are finished by the one before."""
    server = stage.serve(None, "--slots", "9")
    with server.client() as client:
        run = launched(client, stage, "shut")
        stage.site.diary.await_starts(run, "look-x", "alone", "judge-one")
        server.program.end(how)

        server = stage.serve(last, "--slots", "9", port=server.port)
        stage.site.diary.open("shut")
        for approval in client.list_approvals().items:
            client.decide_approval(approval.id, DecisionBody(decision="approve"))
        await_end(client, run)
        assert (assert_each_ended_once(client, run) > 0) == (how is signal.SIGKILL)
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()
