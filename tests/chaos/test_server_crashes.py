"""A server is killed in the middle of a code review, at several moments, and started again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chaos.conftest import Measured
from chaos.site import Site, Watch, a_site
from chaos.verdicts import assert_once, reported
from fixtures.cluster import Server as Postgres
from flowrunner.wire.events import Event
from flowrunner.wire.runs import LaunchBody

CODE = {"scope", "fold", "decide"}

Moment: TypeAlias = Callable[[Event], bool]
Review: TypeAlias = dict[str, Any]

MOMENTS: Mapping[str, Moment] = {
    "it has begun": lambda e: e.type == "run.started",
    "agents are offered": lambda e: e.type == "step.dispatched" and e.key not in CODE,
    "one reviewer is done": lambda e: e.type == "step.completed" and e.key not in CODE,
    "the report is next": lambda e: e.type == "step.dispatched" and e.key == "fold",
}
UNDISTURBED = "nothing happens"


@pytest.fixture(scope="module")
def reviews(
    place: Path, repository: Path, cluster: Postgres, template: str
) -> Generator[Mapping[str, Future[Review]]]:
    """All reviews at once, each on a database of its own: they mostly wait for leases to end."""

    def play(number: int, moment: Moment | None) -> Review:
        with a_site(place / f"review{number}", cluster, template) as site:
            return review(site, repository, moment)

    with ThreadPoolExecutor(len(MOMENTS) + 1) as pool:
        moments = {UNDISTURBED: None, **MOMENTS}.items()
        yield {name: pool.submit(play, n, each) for n, (name, each) in enumerate(moments)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_server_goes_on_where_it_was(
    reviews: Mapping[str, Future[Review]], moment: str, measured: Measured
) -> None:
    """P1, P3, P4, P7, I6, D2-02, D2-03, D2-18, D2-35, F22, F25: the same report, nothing done twice."""
    expected, found = reviews[UNDISTURBED].result(), reviews[moment].result()

    measured(f"from the restart when {moment} to the end", found["seconds"])
    assert found["was_live"]
    assert found["findings"] == expected["findings"] != []
    assert found["verdict"] == expected["verdict"]
    assert found["finished"] == expected["finished"]


def review(site: Site, repository: Path, moment: Moment | None) -> Review:
    """Review, be killed at *moment*, go on; return what the report says, and how it went."""
    server = site.serve()
    was_live = True
    with server.client() as client:
        body = LaunchBody(project=str(repository))
        run = str(client.launch("code-review", body).id)
        for event in client.events(run) if moment else ():
            if moment and moment(event):
                server.program.kill()
                was_live = unfinished(site, run)
                break
        if moment:
            server = site.serve(port=server.port)
        watch = Watch()
        events = [event for event in client.events(run)]  # noqa: C416  # until its end
        seconds = watch.seconds
        assert events[-1].type == "run.completed"
        told = reported(client, run)
        assert_once(client, run)
    assert server.program.end() == 0
    site.assert_sound()
    site.assert_no_complaints()
    site.assert_checked()
    finished = sorted(str(e.key) for e in events if e.type == "step.completed")
    return {
        "findings": told["findings"],
        "verdict": told["verdict"],
        "finished": finished,
        "seconds": seconds,
        "was_live": was_live,
    }


def unfinished(site: Site, run: str) -> bool:
    """Whether the run has work left for whoever comes next."""
    ((status,),) = site.sql("SELECT status FROM flow_runs WHERE id = %s", run)
    return status == "running"
