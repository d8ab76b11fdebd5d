"""What is told to runs by hand: answers, pauses, retries, stops; each with its number."""

from __future__ import annotations

import asyncio
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
from integration.doors.ptys import CTRL_C, at_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio


class Risk(BaseModel):
    risk: int
    note: str = ""


ASKING = a_flow(
    code("count"),
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


async def test_transcripts_are_read(
    terminal: Terminal, service: Service, dispatcher: Dispatcher
) -> None:
    """C5: what agents said, of all or of the failed ones; with the end of the prompt and the error."""
    run = await launched(terminal, "working")
    (task,) = await dispatcher.take(_id(run), "think")
    lines = [(0, "text", "first\nsecond\nthi"), (1, "text", "rd\x1b[2J\n"), (2, "stderr", "bad\n")]
    await say(dispatcher, task.task_id, task.epoch, lines)
    live = await terminal.ask("logs", run)
    tail = await terminal.ask("logs", run, "--step", "think", "--tail", "1", "--kind", "text")
    early = await terminal.ask("logs", run, "--failed")
    async with terminal.started("logs", run, "-f", "--json") as following:
        assert following.stdout is not None
        first = await asyncio.wait_for(following.stdout.readline(), 10)
        await service.tasks.report(task.task_id, failed(task, "agent_error", message="gave up"))
        assert await asyncio.wait_for(following.wait(), 15) == 0
    bad = await terminal.ask("logs", run, "--failed")

    assert live.out.splitlines() == [
        "think#1 | first",
        "think#1 | second",
        "think#1 | third\ufffd[2J",
        "think#1 | bad",
    ]
    assert (tail.out, early.out, early.code) == ("third\ufffd[2J\n", "", 0)
    assert b'"step": "think"' in first
    assert "> think()" in bad.out
    assert "error: agent_error: gave up" in bad.out


async def say(
    dispatcher: Dispatcher, task: str, epoch: int, lines: list[tuple[int, str, str]]
) -> None:
    from flowrunner.db.transcripts import Chunk, append  # noqa: PLC0415

    assert await append(dispatcher.conn, task, epoch, [Chunk(*line) for line in lines])


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
    assert {"events", "attempts", "input", "result", "step_list", "approvals"} <= machine.keys()
    assert machine["events"][0]["type"] == "run.started"
    assert [each["step"] for each in machine["attempts"]][:1] == ["count"]


async def test_ctrl_c_twice_offers_to_cancel(terminal: Terminal) -> None:
    """P12: once leaves the run (130); twice asks, and only a yes cancels (4)."""
    async with at_terminal(terminal, "run", "working") as once:
        await once.shows("○ print")
        once.type(CTRL_C)
        assert await once.wait() == 130
        assert "goes on: flowrunner watch" in once.text
    run = (await terminal.ask("ps", "-q")).out.split()[0]
    for answer, number in ((b"n\n", 130), (b"y\n", 4)):
        async with at_terminal(terminal, "watch", run) as twice:
            await twice.shows("○ print")
            twice.type(CTRL_C)
            await twice.shows("Ctrl-C again")
            twice.type(CTRL_C)
            await twice.shows("for good?")
            twice.type(answer)
            assert await twice.wait() == number
    assert (await terminal.ask("show", "--json")).json["status"] == "cancelled"


async def test_colours_can_be_had_and_not(terminal: Terminal) -> None:
    """C13: NO_COLOR and --no-color take colours and nothing else; TTY or not is seen by itself."""
    await launched(terminal, "working")
    texts: list[list[str]] = []
    for words, no_color in ((("ps",), ""), (("--no-color", "ps"), ""), (("ps",), "1")):
        async with at_terminal(terminal, *words, width=120, NO_COLOR=no_color) as tty:
            assert await tty.wait() == 0
            texts.append(tty.screen.lines()[1].split()[:4])
            assert bool(tty.screen.colours - {"0"}) == (words == ("ps",) and not no_color)

    assert texts[0] == texts[1] == texts[2]
    assert texts[0][2:4] == ["●", "running"]


HEAVY = (
    "fastapi",
    "uvicorn",
    "psycopg",
    "sqlalchemy",
    "alembic",
    "rich",
    "pydantic_settings",
    "flowrunner.settings",
    "flowrunner.bootstrap",
    "flowrunner.service",
    "flowrunner.engine",
    "flowrunner.definitions",
    "flowrunner.db",
)


async def test_who_only_asks_a_server_imports_none(terminal: Terminal) -> None:
    """C15: over a whole command, answered or refused, no module of a service is loaded."""
    from unit.doors.test_start import started  # noqa: PLC0415

    run = await launched(terminal, "asking")
    server = ("--server", terminal.environment["FLOWRUNNER_SERVER"])
    for words, number in (
        (("watch", run, "--no-input"), 5),
        (("ps",), 0),
        (("show", run, "--events"), 0),
        (("logs", run), 0),
        (("approvals",), 0),
        (("retry", run), 7),
        (("show", "nope"), 6),
        (("approve", run, "-w"), 0),
        (("report", run), 0),
    ):
        told = await asyncio.to_thread(started, *server, *words)
        assert (words, told["code"]) == (words, number)
        assert [name for name in HEAVY if name in told["modules"]] == []


async def test_a_shell_can_complete(terminal: Terminal) -> None:
    """C14: click's own completion, for three shells."""
    for name in ("bash", "zsh", "fish"):
        assert "_FLOWRUNNER_COMPLETE" in (await terminal.ask("completion", name)).out
    assert (await terminal.ask("completion", "tcsh")).code == 2
