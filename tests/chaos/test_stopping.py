"""An operator stops a server while agents run, or the terminal that runs a flow dies."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import httpx2

from chaos.conftest import Measured
from chaos.site import Site, Watch
from chaos.verdicts import assert_finished, assert_losses, undisturbed
from chaos.waiting import until
from embedded.support import processes_of

SIDES = ("left", "middle", "right")
STREAM_SECONDS = 5.0
DRAIN = {"FLOWRUNNER_DRAIN_SECONDS": "2"}


@dataclass(frozen=True, slots=True)
class Stream:
    """A run's events, read by a client that would read for ever."""

    url: str
    run: str
    opened: Event = field(default_factory=Event)

    def read(self) -> float:
        """Return when it ended; raises if it was cut off instead."""
        address = f"{self.url}/api/v1/runs/{self.run}/events"
        headers = {"Accept": "text/event-stream"}
        with httpx2.stream("GET", address, headers=headers, timeout=60.0) as answer:
            for _line in answer.iter_lines():
                self.opened.set()
        return time.monotonic()


def test_a_stopped_server_lets_agents_end_and_hands_back_the_rest(
    site: Site, measured: Measured
) -> None:
    """P1, P3, P6, D2-18: what ends in time is kept, the rest is offered again; no crash counts."""
    server = site.serve(settings=DRAIN)
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        run = str(client.launch("watched", site.body()).id)
        agents = site.diary.await_starts(run, *SIDES)
        stream = Stream(server.url, run)
        ended = pool.submit(stream.read)
        assert stream.opened.wait(10.0)

        stopped_at, watch = time.monotonic(), Watch()
        server.program.tell(signal.SIGTERM)

        until(lambda: "worker.draining" in server.program.err.read_text())
        site.diary.open("left")
        assert ended.result(STREAM_SECONDS) - stopped_at < STREAM_SECONDS
        measured("stream ended after SIGTERM", round(ended.result() - stopped_at, 2))
        assert server.program.process.wait(20.0) == 0
        measured("server ended after SIGTERM, drain 2 s", watch.seconds)
        assert not any(agent.is_alive for agent in agents)
        site.diary.open()
        again = site.serve(port=server.port)
        assert list(client.events(run))[-1].type == "run.completed"
        assert_losses(assert_finished(client, run, undisturbed()), {})
    began = [note.key for note in site.diary.notes("start", run)]
    assert min(began.count("middle"), began.count("right")) > began.count("left")
    assert again.program.end() == 0
    site.assert_sound()
    site.assert_no_complaints()


def test_a_run_whose_terminal_died_goes_on(
    embedded_site: Site, repository: Path, measured: Measured
) -> None:
    """P3, I6, D2-03, D2-18: whoever opens the same folder next takes it up, with another run or not."""
    site = embedded_site
    ours = ("--agent", "watched", "--project", str(site.project))
    first = site.installation.start("run", "-v", "run", "watched", *ours)
    (note, *_) = until(lambda: site.diary.notes("start"), 40.0)
    agents = site.diary.await_starts(note.run, *SIDES)

    first.kill()

    watch = Watch()
    until(lambda: not any(agent.is_alive for agent in agents), 4.0)
    measured("agents gone after the kill", watch.seconds)
    until(lambda: not processes_of(site.installation.home))
    measured("PostgreSQL gone after the kill", watch.seconds)
    site.diary.open()
    review = ("run", "code-review", f"repo={repository}", "--report")
    second = site.installation.start("review", "-v", *review)
    assert second.process.wait(60.0) == 0
    assert "legacy.py" in second.out.read_text(encoding="utf-8")
    server = site.serve()
    with server.client() as client:
        assert list(client.events(note.run))[-1].type == "run.completed"
        measured("the first run's end after the kill", watch.seconds)
        events = assert_finished(client, note.run, undisturbed())
        assert_losses(events, dict.fromkeys(SIDES, 1))
    assert server.program.end() == 0
    site.assert_sound()
    site.assert_no_complaints()
