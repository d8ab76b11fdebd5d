"""What is told to runs by hand: answers, pauses, retries, stops; each with its number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.services import Replicas
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.flow import Approval, Step
from integration.doors.commands import Terminal, a_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio


class Risk(BaseModel):
    risk: int
    note: str = ""


ASKING = a_flow(
    code("count", run=lambda _ctx: {"lines": list(range(9000))}),
    Step("publish", kind="approval", needs=("count",), run="Publish 14 pages?"),
    code("print", "publish"),
    name="asking",
)
FORMAL = a_flow(
    Step("publish", kind="approval", run="Publish?", approval=Approval(form=Risk)),
    Step("deploy", kind="approval", run="Deploy?"),
    name="formal",
)
WORKING = a_flow(agent("think"), code("print", "think"), name="working")


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(ASKING, FORMAL, WORKING))


@pytest.fixture
async def terminal(service: Service, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal whose environment names a running server."""
    async with served(service) as url:
        yield a_terminal(tmp_path, FLOWRUNNER_SERVER=url)


def _id(text: str) -> RunId:
    from uuid import UUID  # noqa: PLC0415

    return RunId(UUID(text))


async def launched(terminal: Terminal, flow: str) -> str:
    return (await terminal.ask("run", flow, "-d")).out.strip()


async def test_a_pipeline_stops_where_a_person_must_decide(terminal: Terminal) -> None:
    """F41, exit 5: --until waiting and --no-input say what to type; the run waits on."""
    waiting = await terminal.ask("run", "asking", "--until", "waiting")
    silent = await terminal.ask("watch", "--no-input", "--json", "-q")

    run = silent.json["id"]
    assert (waiting.code, silent.code, silent.json["exit_code"]) == (5, 5, 5)
    assert f"  approve: flowrunner approve {run[-8:]}" in waiting.err.splitlines()
    assert f"  reject:  flowrunner reject {run[-8:]} -m WHY" in waiting.err.splitlines()
    assert (await terminal.ask("show", "--json")).json["status"] == "running"


async def test_the_first_answer_stands(terminal: Terminal) -> None:
    """F42: the run goes on with it; who answers later is told who had, and when, and exits with 7."""
    run = await launched(terminal, "asking")
    await terminal.ask("watch", run, "--no-input")
    shown = await terminal.ask("approvals", run[:13])
    approved = await terminal.ask("approve", run[-8:], "-m", "ok")
    ended = await terminal.ask("watch", run)
    late = await terminal.ask("reject", run, "-m", "too late")
    inbox = await terminal.ask("approvals")
    kept = (await terminal.ask("approvals", "-s", "approved", "--json")).json["items"]
    row = next(line for line in (await terminal.ask("show")).out.splitlines() if "publish" in line)

    assert "Publish 14 pages?" in shown.out
    assert (approved.code, ended.code, late.code) == (0, 0, 7)
    assert approved.out.startswith("publish is approved by ")
    assert ("approved by" in row, row.endswith(": ok")) == (True, True)
    assert "approved by" in late.err
    assert (inbox.out, kept[0]["comment"]) == ("", "ok")


async def test_a_rejection_says_why(terminal: Terminal) -> None:
    """F41: a reason is demanded; `stop` fails the run (3), `continue` does not."""
    run = await launched(terminal, "asking")
    other = await launched(terminal, "asking")
    for each in (run, other):
        await terminal.ask("watch", each, "--no-input")

    mute = await terminal.ask("reject", run)
    stopped = await terminal.ask("reject", run, "publish", "-m", "no")
    going = await terminal.ask("reject", other, "-m", "not now", "--then", "continue", "-w")

    assert (mute.code, stopped.code, going.code) == (2, 0, 0)
    assert (await terminal.ask("watch", run)).code == 3


async def test_values_are_typed_and_steps_are_named(terminal: Terminal) -> None:
    """F42: `--set` fills the form; which of several questions is meant must be said."""
    run = await launched(terminal, "formal")
    await terminal.ask("watch", run, "--no-input")

    which = await terminal.ask("approve", run)
    wrong = await terminal.ask("approve", run, "publish", "--set", "risk=high")
    right = await terminal.ask("approve", run, "publish", "--set", "risk:=3", "--set", "note=n")
    rest = await terminal.ask("approve", run, "-w")
    nothing = await terminal.ask("approve", await launched(terminal, "working"))

    assert (which.code, "publish" in which.err, "deploy" in which.err) == (2, True, True)
    assert (wrong.code, "risk" in wrong.err) == (10, True)
    assert (right.code, rest.code, nothing.code) == (0, 0, 7)


async def test_a_run_is_paused_and_goes_on(terminal: Terminal, dispatcher: Dispatcher) -> None:
    """F38: nothing new begins meanwhile; a second pause changes nothing and says whose the first was."""
    run = await launched(terminal, "working")
    (task,) = await dispatcher.take(_id(run), "think")
    paused = await terminal.ask("pause", run, "--reason", "lunch")
    again = await terminal.ask("pause", run, "--json")
    shown = await terminal.ask("ps", "-s", "paused", "-q")
    await dispatcher.leave(task)
    resumed = await terminal.ask("resume", run, "-w")
    late = await terminal.ask("pause", run)

    assert (paused.code, paused.out) == (0, f"{run[-8:]} is paused\n")
    assert (again.json["changed"], again.json["status"], shown.out.strip()) == (
        False,
        "paused",
        run,
    )
    assert (resumed.code, late.code) == (0, 7)


async def test_a_failed_run_begins_anew(
    terminal: Terminal, service: Service, dispatcher: Dispatcher
) -> None:
    """F40: what failed, or from a step on; old attempts stay; a live run is refused with 7."""
    run = await launched(terminal, "working")
    live = await terminal.ask("retry", run)
    (task,) = await dispatcher.take(_id(run), "think")
    await service.tasks.report(task.task_id, failed(task, "agent_error", message="gave up"))
    lost = await terminal.ask("watch", run)
    both = await terminal.ask("retry", run, "--from", "think", "--all-failed")
    retried = await terminal.ask("retry", run, "--json")
    (second,) = await dispatcher.take(_id(run), "think", attempt=2)
    await service.tasks.report(second.task_id, done(second, "fine"))
    ended = await terminal.ask("watch", run)
    step = (await terminal.ask("show", run, "--step", "think", "--json")).json
    first = await terminal.ask("show", run, "--step", "think#1")
    none = await terminal.ask("show", run, "--step", "think#7")

    assert (live.code, lost.code, both.code, none.code) == (7, 3, 2, 6)
    assert "again:  flowrunner retry" in lost.err
    assert (retried.json["generation"], ended.code) == (2, 0)
    assert [each["status"] for each in step["attempts"]] == ["failed", "completed"]
    assert step["output"] == "fine"
    assert "gave up" in first.out


async def test_one_step_is_stopped(terminal: Terminal, dispatcher: Dispatcher) -> None:
    """F39: the step fails as stopped, by whom and why; its flow says what that means."""
    run = await launched(terminal, "working")
    await dispatcher.take(_id(run), "think")

    stopped = await terminal.ask("stop", run, "think", "--reason", "too dear")
    ended = await terminal.ask("watch", run)
    nothing = await terminal.ask("stop", run, "nowhere")

    assert (stopped.code, ended.code, nothing.code) == (0, 3, 6)
    assert stopped.out.startswith("think is stopped by ")


async def test_following_has_an_end(terminal: Terminal) -> None:
    """Exit 124 after --timeout, 0 once it has started; the run goes on either way."""
    short = await terminal.ask("run", "working", "--timeout", "0s")
    started = await terminal.ask("run", "working", "--until", "started")
    wrong = await terminal.ask("watch", "--timeout", "soon")

    assert (short.code, started.code, wrong.code) == (124, 0, 2)
    assert "goes on: flowrunner watch" in short.err
    assert len((await terminal.ask("ps", "--live", "-q")).out.split()) == 2


async def test_two_runs_are_compared(terminal: Terminal) -> None:
    """U15: from the first to the second; findings only where both reports have them."""
    a, b = await launched(terminal, "working"), await launched(terminal, "formal")

    shown = await terminal.ask("diff", a, b)
    step = await terminal.ask("diff", a, b, "--step", "think", "--json")
    none = await terminal.ask("diff", a, b, "--step", "nowhere")
    findings = await terminal.ask("diff", a, b, "--findings")

    assert (shown.code, step.code, none.code, findings.code) == (0, 0, 6, 6)
    assert "(no such step)" in shown.out
    assert [each["key"] for each in step.json["steps"]] == ["think"]


async def test_everything_of_a_run_can_be_shown(terminal: Terminal) -> None:
    """`--events`, `--usage`, `--input`, `--result`, for people and as JSON."""
    await terminal.ask("run", "asking", "--until", "waiting")

    parts = ("--events", "--usage", "--input", "--result")
    people = (await terminal.ask("show", "@last", *parts)).out
    machine = (await terminal.ask("show", *parts, "--json")).json

    assert "publish: waits for approval" in people
    assert next(line for line in people.splitlines() if "count " in line).endswith(" 9000 lines")
    assert {"events", "attempts", "input", "result", "step_list", "approvals"} <= machine.keys()
    assert machine["events"][0]["type"] == "run.started"
    assert [each["step"] for each in machine["attempts"]][:1] == ["count"]
