"""A worker without a way to the database: the same promises over REST."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from dispatch.stage import Outfit, an_outfit, at_work, patient
from dispatch.tasks import a_task
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.api.app import make_app
from flowrunner.bootstrap.service import Service
from flowrunner.core.errors import FlowRunnerError, InvalidInputError, UnavailableError
from flowrunner.dispatch.rest import RestTasks
from flowrunner.dispatch.worker import Worker
from flowrunner.leases.ports import Profile
from flowrunner.wire.tasks import Chunk, TaskReport

pytestmark = pytest.mark.anyio

ME = Profile("afar", "elsewhere", 1, ("default",), 1, "test")
REPORT = TaskReport(epoch=7, outcome="completed", output="answer")
CHUNKS = [Chunk(seq=0, kind="text", text="x")]


@asynccontextmanager
async def over_rest(outfit: Outfit, service: Service) -> AsyncGenerator[Worker]:
    """A worker that knows only an HTTP client; the server is the service's real door."""
    transport = httpx2.ASGITransport(app=make_app(service))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        port = RestTasks(client, outfit.profile)
        worker = Worker(outfit.profile, port, port, outfit.kit, times=outfit.times)
        async with at_work(worker):
            yield worker


async def test_a_run_is_worked_off_over_rest(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P1, P2: claimed, streamed and reported through the REST door alone."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    outfit = an_outfit("", tmp_path, {"static": "print('heard', sys.stdin.read())"})

    async with over_rest(outfit, service):
        run_id = await launch(service)
        assert await ended(service, run_id) == "completed"

    assert set((await steps(database, run_id, "attempt")).values()) == {"1"}
    texts = await database.sql("SELECT text FROM transcripts ORDER BY step_no")
    assert texts == [("heard a()\n",), ("heard b(a=heard a()\n)\n",)]
    assert await database.value("SELECT count(*) FROM workers WHERE name = 'tested'") == 0


async def test_a_cancel_reaches_an_agent_over_rest(replicas: Replicas, tmp_path: Path) -> None:
    """P12: without notifications it comes with the next renewal."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    script = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{note(file)}time.sleep(600)"
    outfit = an_outfit("", tmp_path, {"static": script}, times=patient(renew_seconds=0.5))

    async with over_rest(outfit, service):
        run_id = await launch(service)
        await until(noted(file, 1))
        await service.runs.cancel(run_id, "enough", "test")
        await until(lambda: not is_alive(numbers_in(file)[0]), 3.0)


async def test_a_row_that_is_gone_is_noticed_over_rest(replicas: Replicas) -> None:
    """P2: the server's word that it knows no such worker arrives as such."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    transport = httpx2.ASGITransport(app=make_app(service))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        renewal = await RestTasks(client, ME).renew(uuid4(), 30.0, [5])

    assert (renewal.known, list(renewal.lost)) == (False, [5])


def answering(status: int, body: str = "{}") -> RestTasks:
    """A port to a server that always answers so; 0 = it cannot be reached."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if status == 0:
            raise httpx2.ConnectError("refused", request=request)
        return httpx2.Response(status, text=body)

    transport = httpx2.MockTransport(answer)
    return RestTasks(httpx2.AsyncClient(transport=transport, base_url="http://server"), ME)


@pytest.mark.parametrize("status", [0, 302, 401, 403, 408, 429, 500, 502, 503])
async def test_what_may_pass_is_asked_again(status: int) -> None:
    """P3: a server that is away, busy, or being put right by its operator loses no result."""
    port = answering(status, "later")

    with pytest.raises(UnavailableError):
        await port.report(a_task(), REPORT)
    with pytest.raises(UnavailableError):
        await port.claim(uuid4(), 1)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_refused_as_such_is_not_repeated(status: int) -> None:
    """P4: the same report would be refused for ever; its task must be told to have failed."""
    with pytest.raises(InvalidInputError, match=f"POST .*/result: {status} too large"):
        await answering(status, "too large").report(a_task(), REPORT)


@pytest.mark.parametrize(
    ("status", "body"), [(404, ""), (200, '{"verdict": "stale"}'), (200, '{"verdict": "accepted"}')]
)
async def test_an_answered_report_is_settled(status: int, body: str) -> None:
    """R2-37: also where nobody wants it any more."""
    assert await answering(status, body).report(a_task(), REPORT) == "settled"


@pytest.mark.parametrize(
    ("status", "body", "kept"),
    [(404, "", False), (200, '{"kept": false}', False), (200, '{"kept": true}', True)],
)
async def test_a_transcript_ends_with_its_lease(status: int, body: str, *, kept: bool) -> None:
    """R2-33: what is not wanted is not sent on."""
    assert await answering(status, body).append(a_task(), CHUNKS) is kept


async def test_an_answer_from_somebody_else_is_no_answer() -> None:
    """A proxy's page is not a renewal: the fence falls, as it does without an answer."""
    with pytest.raises(FlowRunnerError, match="answers something else"):
        await answering(200, "<html>").renew(uuid4(), 30.0, [])


NEWER = {
    "partial": "so far",
    "provider": "acme",
    "quota_until": "2030-01-01T00:00:00Z",
    "record": {"gate": "none"},
}
FAILED = {
    "epoch": 7,
    "outcome": "failed",
    "error": {"code": "quota_exhausted", "message": "m", "failure_class": "quota"},
}


def of_the_release_before(heard: list[dict[str, object]]) -> RestTasks:
    """A port to a server that refuses what a report could not say then, as it refuses any typo."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        heard.append(body)
        status = 422 if NEWER.keys() & body.keys() else 200
        return httpx2.Response(status, text='{"verdict": "accepted"}')

    transport = httpx2.MockTransport(answer)
    return RestTasks(httpx2.AsyncClient(transport=transport, base_url="http://server"), ME)


async def test_a_server_of_the_release_before_gets_the_result_without_what_it_does_not_know() -> (
    None
):
    """P3, D2-18: a worker may be newer than its server; no result is lost by that."""
    heard: list[dict[str, object]] = []
    report = TaskReport.model_validate({**FAILED, **NEWER})

    assert await of_the_release_before(heard).report(a_task(), report) == "settled"

    first, second = heard
    assert first.keys() - second.keys() == NEWER.keys()
    assert TaskReport.model_validate(second) == TaskReport.model_validate(FAILED)


async def test_a_report_that_says_nothing_new_is_sent_once_as_it_ever_was() -> None:
    """P11: fields that say nothing are left out, and a refusal is a refusal."""
    heard: list[dict[str, object]] = []

    await of_the_release_before(heard).report(a_task(), REPORT)

    assert [body.keys() & NEWER.keys() for body in heard] == [set()]
    with pytest.raises(InvalidInputError):
        await answering(422, "no").report(a_task(), TaskReport.model_validate({**FAILED, **NEWER}))
