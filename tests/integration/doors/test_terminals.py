"""Commands as a terminal and its user have them: keys, colours, completion, and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import click
import pytest

from fixtures.dispatchers import Dispatcher, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.services import Replicas
from flowrunner.bootstrap.service import Service
from flowrunner.cli.main import cli
from flowrunner.core.model import RunId
from flowrunner.definitions.flow import Step
from integration.doors.commands import Terminal, a_terminal
from integration.doors.ptys import CTRL_C, at_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

ASKING = a_flow(
    code("count"),
    Step("publish", kind="approval", needs=("count",), run="Publish 14 pages?"),
    code("print", "publish"),
    name="asking",
)
WORKING = a_flow(agent("think"), code("print", "think"), name="working")


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(ASKING, WORKING))


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


def _commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_speaks_json() -> None:
    """C3: `--json` before the command or after it, whichever command it is."""
    known = dict(_commands(cli))

    assert len(known) > 25
    for name, command in known.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert (name, "--json" in options) == (name, True)
