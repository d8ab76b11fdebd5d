"""A cancel is final and quick, wherever the agent runs and whatever it thinks of it."""

from __future__ import annotations

from chaos.conftest import Measured
from chaos.diary import Note
from chaos.site import Site, Watch
from chaos.verdicts import assert_once
from chaos.waiting import until
from flowrunner.client import Client

# What is promised is a second; a busy machine gets three.
SECONDS = 3.0
SIDES = ("left", "middle", "right")


def test_a_cancel_reaches_the_agents_of_the_same_process(site: Site, measured: Measured) -> None:
    """P6, P12, I3, F36: they and their children are gone at once, and nothing begins after it."""
    server = site.serve()
    with server.client() as client:
        run = str(client.launch("watched", site.body()).id)
        agents = site.diary.await_starts(run, *SIDES)

        measured("agents gone after the cancel's answer, seconds", cancelled(client, run, agents))

        assert_cancelled(site, client, run)
    site.assert_sound()
    site.assert_no_complaints()


def test_a_cancel_reaches_agents_everywhere(site: Site, measured: Measured) -> None:
    """P5, P12, I3, F36, F37: launched here, cancelled there, running elsewhere, and deaf to SIGTERM."""
    first, second = site.installation.serve("--no-worker"), site.installation.serve("--slots", "2")
    for server in (first, second):
        server.ready()
    site.worker("--slots", "2")
    with second.client() as launching, first.client() as cancelling:
        run = str(launching.launch("watched", site.body(*SIDES)).id)
        agents = site.diary.await_starts(run, *SIDES)

        measured("agents gone after the cancel's answer", cancelled(cancelling, run, agents))

        assert_cancelled(site, launching, run)
        again = cancelling.cancel_run(run)
        assert (again.status, again.was_live) == ("cancelled", False)
    site.assert_sound()
    site.assert_no_complaints()


def cancelled(client: Client, run: str, agents: list[Note]) -> float:
    """Cancel the run; return how many seconds after the answer the last agent was gone."""
    assert len(agents) == len(SIDES)
    reply = client.cancel_run(run, "enough")
    watch = Watch()
    assert reply.was_live
    until(lambda: not any(agent.is_alive for agent in agents), SECONDS)
    return watch.seconds


def assert_cancelled(site: Site, client: Client, run: str) -> None:
    """The log ends with the cancel, no step went on, and the gates change nothing."""
    events = assert_once(client, run)
    assert events[-1].type == "run.cancelled"
    assert client.get_run(run).status == "cancelled"
    ends = {event.key: event.type for event in events if event.type == "step.cancelled"}
    assert ends.keys() == {*SIDES, "count", "last"}
    site.diary.open()
    assert {note.key for note in site.diary.notes("start", run)} == set(SIDES)
    assert site.diary.notes("stop", run) == []
