"""Two servers and three workers on one database, of which one dies every second."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from chaos.conftest import Measured
from chaos.load import Load, under_load
from chaos.programs import Program, Server, ready
from chaos.site import Site, Watch
from chaos.verdicts import assert_finished, undisturbed
from chaos.waiting import until

KILLS = 10
SEED = 7


@dataclass(slots=True)
class Mortal:
    """A process that is started again, just as it was, whenever it is killed."""

    begin: Callable[[], Program]
    program: Program
    deaths: int = 0

    def die(self) -> None:
        self.program.kill()
        self.deaths += 1
        self.program = self.begin()


def test_replicas_and_workers_come_and_go(site: Site, measured: Measured) -> None:
    """P1, P2, P3, P5, I6, I7, D2-01, D2-18, D2-29, F24: one run per key, each as if nothing happened."""
    servers = [site.installation.serve("--slots", "2") for _ in range(2)]
    mortals = [server_of(site, server) for server in servers]
    mortals += [worker_of(site) for _ in range(3)]
    for server in servers:
        server.ready()
    site.diary.open()
    with under_load(servers, site.body(), threads=8) as load:
        kill_at_random(mortals)
        watch = Watch()
    measured("all runs ended after the last kill", watch.seconds)
    measured("runs", len(load.runs))
    measured("attempts lost", site.sql("SELECT sum(crashes) FROM flow_steps")[0][0])
    assert {mortal.deaths > 0 for mortal in mortals} == {True}
    assert len(load.runs) >= 8
    assert_one_run_per_key(site, load)
    assert_cancelled_by_the_other(site, servers)
    site.assert_sound()
    site.assert_no_complaints()


def server_of(site: Site, server: Server) -> Mortal:
    return Mortal(
        lambda: site.installation.serve("--slots", "2", port=server.port).program, server.program
    )


def worker_of(site: Site) -> Mortal:
    def begin() -> Program:
        return site.installation.worker("--slots", "2")

    return Mortal(begin, ready(begin()))


def kill_at_random(mortals: Sequence[Mortal]) -> None:
    """One a second, each at least once; whoever comes after is not waited for."""
    chance = random.Random(SEED)  # noqa: S311  # the same deaths in each session
    order = [*mortals, *chance.choices(mortals, k=KILLS - len(mortals))]
    chance.shuffle(order)
    pause = Event()
    for mortal in order:
        pause.wait(1.0)
        mortal.die()


def assert_one_run_per_key(site: Site, load: Load) -> None:
    """Asked again, another server answers with the same run."""
    assert set(load.ended.values()) == {"run.completed"}
    ((count,),) = site.sql("SELECT count(*) FROM flow_runs")
    assert count == len(load.runs) == len(set(load.runs.values()))
    for number, (key, run) in enumerate(load.runs.items()):
        with load.servers[number % 2].client() as client:
            again = client.launch("watched", load.body, key=key)
            assert (str(again.id), again.replayed) == (run, True)
            assert_finished(client, run, undisturbed())


def assert_cancelled_by_the_other(site: Site, servers: Sequence[Server]) -> None:
    """A run that one server launched is cancelled by another one."""
    with servers[0].client() as launching, servers[1].client() as cancelling:
        run = str(launching.launch("watched", site.body(gate="never")).id)
        agents = site.diary.await_starts(run, "left", "middle", "right")
        assert cancelling.cancel_run(run).was_live
        until(lambda: not any(agent.is_alive for agent in agents), 3.0)
        assert launching.get_run(run).status == "cancelled"
