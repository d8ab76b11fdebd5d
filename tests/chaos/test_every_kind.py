"""Runs with every kind of step, on two servers of which one is killed again and again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from threading import Event

from chaos.conftest import Measured
from chaos.programs import Server
from chaos.site import Site, Watch
from chaos.test_replicas import Mortal, server_of
from chaos.verdicts import assert_once, reported
from chaos.waiting import until
from flowrunner.client import ClientError
from flowrunner.wire.approvals import DecisionBody
from flowrunner.wire.runs import LaunchBody

RUNS = 4
KILLS = 7
SEED = 11
CHILDREN = {
    *(f"look[{name}]" for name in "xyz"),
    *("polish[1]", "polish[2]", "judge/first", "judge/second"),
}


def test_every_kind_of_step_outlives_its_servers(site: Site, measured: Measured) -> None:
    """P1, P3, P4, I6, D2-10, D2-13, F13, F15, F18, F25, F41: lists, loops, calls, waits and questions go on
    on the other server or after a restart; who survives takes the decision; nothing ends twice.
    """
    servers = [site.installation.serve("--slots", "4") for _ in range(2)]
    mortals = [server_of(site, server) for server in servers]
    for server in servers:
        server.ready()
    site.diary.open()
    runs = [launched(site, servers[number % 2]) for number in range(RUNS)]
    decided = kill_and_decide(mortals, servers)
    watch = Watch()
    until(lambda: decide_on(servers, decided) and are_over(site), 60.0)
    measured("all runs ended after the last kill", watch.seconds)
    measured("attempts lost", site.sql("SELECT sum(crashes) FROM flow_steps")[0][0])
    with servers[0].client() as client:
        told = [reported(client, run) for run in runs]
        for run in runs:
            assert client.get_run(run).status == "completed"
            assert_whole(site, run, {step.key for step in client.list_steps(run).items})
            assert_once(client, run)
    assert told == [told[0]] * RUNS
    assert told[0]["polish"].startswith('polish-2 has seen ["polish-1 has seen')
    assert told[0]["judge"] == "['judge-first has seen []', 'judge-second has seen []']"
    assert len(decided) == RUNS
    site.assert_sound()
    site.assert_no_complaints()
    site.assert_checked()


def launched(site: Site, server: Server) -> str:
    with server.client() as client:
        body = LaunchBody(project=str(site.project), agent="watched")
        return str(client.launch("everything", body).id)


def kill_and_decide(mortals: Sequence[Mortal], servers: Sequence[Server]) -> set[str]:
    """Kill one, let the other decide what is open, go on; return what was decided."""
    chance, pause = random.Random(SEED), Event()  # noqa: S311  # the same deaths in each session
    decided: set[str] = set()
    for _ in range(KILLS):
        pause.wait(chance.uniform(0.3, 1.5))
        victim = chance.randrange(2)
        mortals[victim].die()
        decide_on([servers[1 - victim]], decided)
    return decided


def decide_on(servers: Sequence[Server], decided: set[str]) -> bool:
    """Approve what is open, on whichever of *servers* answers; whether one of them did."""
    for server in servers:
        try:
            with server.client(patience=1.0) as client:
                for approval in client.list_approvals().items:
                    client.decide_approval(approval.id, DecisionBody(decision="approve"))
                    decided.add(str(approval.id))
        except ClientError:
            continue
        return True
    return False


def are_over(site: Site) -> bool:
    ((live,),) = site.sql("SELECT count(*) FROM flow_runs WHERE finished_at IS NULL")
    return live == 0


def assert_whole(site: Site, run: str, keys: set[str]) -> None:
    """Each child was made once, and each question was asked and decided once."""
    assert keys >= CHILDREN
    ((steps,),) = site.sql("SELECT count(*) FROM flow_steps WHERE run_id = %s", run)
    assert steps == len(keys) == 7 + len(CHILDREN)
    asked = site.sql("SELECT attempt, status FROM flow_approvals WHERE run_id = %s", run)
    assert asked == [(1, "approved")]
