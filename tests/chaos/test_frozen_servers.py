"""A server is frozen with its worker, passed over by another one, and thawed again."""

from __future__ import annotations

import signal

from chaos.conftest import Measured
from chaos.programs import LEASE_SECONDS
from chaos.site import Site, Watch
from chaos.verdicts import assert_finished, assert_losses, undisturbed
from chaos.waiting import until

SIDES = ("left", "middle", "right")
DIE_SECONDS = 3.0


def test_a_frozen_server_is_passed_over_and_comes_back(site: Site, measured: Measured) -> None:
    """P2, P3, P5, I2, D2-18: its agents end, others go on; thawed it changes nothing, and serves again."""
    first = site.serve("--slots", str(len(SIDES)))
    second = site.serve("--no-worker")
    with second.client() as client:
        run = str(client.launch("watched", site.body()).id)
        agents = site.diary.await_starts(run, *SIDES)
        site.worker("--slots", "6")

        first.program.tell(signal.SIGSTOP)

        watch = Watch()
        until(lambda: not any(agent.is_alive for agent in agents), DIE_SECONDS)
        measured("agents gone after the freeze", watch.seconds)
        site.diary.await_starts(run, *SIDES, attempt=2)
        measured(f"begun elsewhere, lease {LEASE_SECONDS} s", watch.seconds)
        first.program.tell(signal.SIGCONT)
        until(lambda: "lease.lost" in first.program.err.read_text(encoding="utf-8"))
        site.diary.open()
        assert list(client.events(run))[-1].type == "run.completed"
        assert_losses(assert_finished(client, run, undisturbed()), dict.fromkeys(SIDES, 1))
    with first.client() as client:
        again = str(client.launch("watched", site.body()).id)
        assert list(client.events(again))[-1].type == "run.completed"
    site.assert_sound()
    site.assert_no_complaints()
