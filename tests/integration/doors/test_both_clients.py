"""The sync and the async client: a run in the hand, decisions, and events through a cut line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.client import (
    AmbiguousApprovalError,
    AsyncClient,
    Client,
    ConflictError,
    DeniedError,
    GoneError,
    InvalidInputError,
    NoApprovalError,
    RunFailedError,
    UnreachableError,
)
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.wire.flows import ValidateBody
from flowrunner.wire.runs import LaunchBody
from integration.doors.asking import Choice, question
from integration.doors.cutting import Cutter
from integration.doors.serving import served

pytestmark = pytest.mark.anyio


class Take(BaseModel):
    repo: str = "."
    flow: str = ""


class Told(BaseModel):
    repo: str
    flow: str


def echo(ctx: ReportContext) -> Report:
    return Report("# echo", data=ctx.given(Take).model_dump(), outcome="told")


def fail(_ctx: Context) -> object:
    raise RuntimeError("broken")


FLOWS = (
    a_flow(code("a"), input=Take, render=echo),
    a_flow(code("a", run=fail), name="broken"),
    a_flow(question(form=Choice), question("other"), name="asking"),
    a_flow(question("only", approvers=["ana"]), name="one"),
    a_flow(question(expires="1h"), name="expiring"),
    a_flow(agent("a"), agent("b", "a"), name="working"),
)


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(*FLOWS))


@pytest.fixture
async def url(service: Service) -> AsyncIterator[str]:
    async with served(service) as at:
        yield at


async def test_a_script_holds_a_run_in_its_hand(url: str) -> None:
    """Experience 5.6: run, wait, status, outcome, a typed result; input by name, even `flow`."""

    def script() -> None:
        with Client(url) as client:
            run = client.run("demo", repo="here", flow="x", wait=True)
            assert (run.status, run.outcome, run.is_ended) == ("completed", "told", True)
            assert run.result(Told) == Told(repo="here", flow="x")
            assert run.report() == "# echo"
            broken = client.run("broken")
            with pytest.raises(RunFailedError) as told:
                broken.result(Told)
            assert told.value.run.status == "failed"
            assert "broken" in str(told.value)
            titled = client.run("demo", LaunchBody(title="T", input={"repo": "a"}), repo="b")
            assert (titled.seen.title, titled.refresh().seen.input) == (
                "T",
                {"repo": "b", "flow": ""},
            )

    await asyncio.to_thread(script)


async def test_a_coroutine_holds_a_run_in_its_hand(url: str) -> None:
    """Experience 5.6: the same, awaited."""
    async with AsyncClient(url) as client:
        run = await client.run("demo", repo="here", flow="x", wait=True)
        assert (run.status, run.outcome, run.is_ended) == ("completed", "told", True)
        assert await run.result(Told) == Told(repo="here", flow="x")
        assert await run.report() == "# echo"
        broken = await client.run("broken")
        with pytest.raises(RunFailedError):
            await broken.result(Told)
        types = [event.type async for event in run.events()]
        assert (types[0], types[-1]) == ("run.started", "run.completed")
        assert (await client.count_runs()).completed == 1
        assert (await client.list_runs(status=["failed"])).items[0].id == broken.seen.id
        checked = await client.validate_flow(ValidateBody(text="flow: ["))
        assert not checked.valid
        assert "<svg" in await client.flow_picture("demo")
        assert [node.key for node in (await client.graph(run.id)).nodes] == ["a"]
        assert (await client.diff(run.id, run.id)).inputs == ()


async def test_decisions_find_their_question(url: str, service: Service) -> None:
    """F41, F42: by step, or the only open one; the typed refusals say what was wrong."""
    async with AsyncClient(url, actor="ana") as ana, AsyncClient(url, actor="ben") as ben:
        run = await ana.run("asking")
        await until(lambda: _open(ana, run.id, 2))
        with pytest.raises(AmbiguousApprovalError) as several:
            await run.approve()
        assert set(several.value.steps) == {"ask", "other"}
        with pytest.raises(NoApprovalError):
            await run.approve("nobody")
        with pytest.raises(InvalidInputError) as wrong:
            await run.approve("ask", values={"target": "moon"})
        assert wrong.value.problem.errors[0].pointer == "/values/target"
        first = await run.approve("ask", values={"target": "staging"}, comment="ok")
        assert (first.decided_by, first.decision) == ("ana", "approve")
        assert (await run.approve("ask", values={"target": "staging"})).replayed
        with pytest.raises(ConflictError) as late:
            await ben.reject(run.id, "ask")
        assert late.value.problem.context["actor"] == "ana"
        assert (await ben.reject(run.id, comment="no", then="continue")).decision == "reject"
        one = await ben.run("one")
        await until(lambda: _open(ben, one.id, 1))
        with pytest.raises(DeniedError):
            await one.approve()
    assert await ended(service, RunId(run.seen.id)) == "completed"


async def _open(client: AsyncClient, run: str, count: int) -> bool:
    return len((await client.list_approvals(run=run)).items) == count


async def test_a_run_is_steered_from_a_script(
    url: str, service: Service, dispatcher: Dispatcher
) -> None:
    """F38..F40: every verb of both clients, with who acts."""

    def script() -> str:
        with Client(url, actor="ana") as client:
            run = client.run("working")
            assert client.pause_run(run.id, "lunch").actor == "ana"
            assert not client.pause_run(run.id).changed
            assert client.resume_run(run.id).status == "running"
            assert client.stop_step(run.id, "a", "slow").status == "failed"
            assert run.wait().status == "failed"
            assert run.retry(reason="again").generation == 2
            with pytest.raises(ConflictError):
                client.render_run(run.id)
            return run.id

    async def again(run: RunId) -> None:
        async with AsyncClient(url, actor="ben") as client:
            assert not (await client.resume_run(str(run))).changed
            assert (await client.cancel_run(str(run), "enough")).actor == "ben"
            assert (await client.render_run(str(run))).status == "cancelled"
            assert (await client.retry_run(str(run), from_step="a")).generation == 3
            await dispatcher.finish(service, run)
            assert await client.output(str(run), "b") == "b says"
            assert (await client.get_step(str(run), "b")).output_bytes == 6
            page = await client.list_steps(str(run), attempt="all", status=["completed"])
            assert [len(row.attempts or ()) for row in page.items] == [3, 1]
            assert len((await client.list_attempts(str(run), "a")).items) == 3
            assert (await client.get_attempt(str(run), "b", 1)).prompt == "b(a=a says)"
            assert (await client.transcript(str(run), "b")).ended

    await again(RunId(UUID(await asyncio.to_thread(script))))


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_cut_line_loses_no_event(
    service: Service, url: str, dispatcher: Dispatcher, kind: str
) -> None:
    """Experience 5.6: cut in the middle of an event, again and again: each once and in order."""
    seen: list[int] = []
    async with Cutter(url) as cutter:
        run_id = await launch(service, "working")

        def follow() -> None:
            with Client(cutter.url) as client:
                seen.extend(event.seq for event in client.events(str(run_id)))

        async def follow_async() -> None:
            async with AsyncClient(cutter.url) as client:
                seen.extend([event.seq async for event in client.events(str(run_id))])

        watching = asyncio.create_task(
            follow_async() if kind == "async" else asyncio.to_thread(follow)
        )
        await dispatcher.finish(service, run_id)
        await watching

    assert cutter.cuts >= 2
    assert seen == list(range(1, 7))


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_sifted_events_survive_cuts_too(
    service: Service, url: str, dispatcher: Dispatcher, kind: str
) -> None:
    """Holes that were asked for are none: the stream goes on after them, each event once."""
    seen: list[str] = []
    async with Cutter(url) as cutter:
        run_id = await launch(service, "working")

        def follow() -> None:
            with Client(cutter.url) as client:
                found = client.events(str(run_id), types=["step.completed", "run.completed"])
                seen.extend(event.key or event.type for event in found)

        async def follow_async() -> None:
            async with AsyncClient(cutter.url) as client:
                found = client.events(str(run_id), types=["step.completed", "run.completed"])
                seen.extend([event.key or event.type async for event in found])

        watching = asyncio.create_task(
            follow_async() if kind == "async" else asyncio.to_thread(follow)
        )
        await dispatcher.finish(service, run_id)
        await watching

    assert seen == ["a", "b", "run.completed"]


async def test_a_retried_run_is_followed_over_its_end(
    service: Service, url: str, dispatcher: Dispatcher
) -> None:
    """F40: who reads a retried run from the start sees its first end, and then its second."""
    async with AsyncClient(url) as client:
        run_id = RunId((await client.launch("working")).id)
        (a,) = await dispatcher.take(run_id, "a")
        await service.tasks.report(a.task_id, failed(a))
        await ended(service, run_id)
        await client.retry_run(str(run_id))
        await dispatcher.finish(service, run_id)

        types = [event.type async for event in client.events(str(run_id))]

    ends = [kind for kind in types if kind in {"run.failed", "run.retried", "run.completed"}]
    assert ends == ["run.failed", "run.retried", "run.completed"]


async def test_a_lost_server_is_told_in_time(service: Service) -> None:
    """Patience ends for coroutines as for threads."""
    async with served(service) as url:
        pass
    async with AsyncClient(url, patience_seconds=0.2) as client:
        with pytest.raises(UnreachableError):
            await client.list_runs()
        with pytest.raises(UnreachableError):
            await anext(client.events("@last"))


async def test_what_expired_is_gone(url: str, service: Service, database: Database) -> None:
    """F43: 410 has a type of its own: there is nothing to try again."""
    async with AsyncClient(url) as client:
        run = await client.run("expiring")
        await until(lambda: _open(client, run.id, 1))
        await lapse(database, service, run.seen.id)
        await run.wait()
        with pytest.raises(GoneError) as told:
            await run.approve()
    assert told.value.problem.code == "expired"
