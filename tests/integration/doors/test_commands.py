"""Commands against a server: what they print, and the number they exit with."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from fixtures.dispatchers import Dispatcher, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId, RunStatus
from flowrunner.definitions.context import Context
from integration.doors.commands import Terminal, a_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio


class Asked(BaseModel):
    question: str = ""
    depth: int = 1


class WithRepo(BaseModel):
    repo: str


def echo(ctx: Context) -> object:
    return ctx.input.model_dump()


QUICK = a_flow(code("a", run=echo), code("b", "a"), name="quick", input=Asked)
REPO = a_flow(code("a", run=echo), name="with-repo", input=WithRepo)
ASKING = a_flow(agent("a"), agent("b", "a"), name="asking")


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(QUICK, ASKING, REPO))


@pytest.fixture
async def terminal(service: Service, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal whose environment names a running server."""
    async with served(service) as url:
        yield a_terminal(tmp_path, FLOWRUNNER_SERVER=url)


async def test_a_run_is_followed_to_its_end(terminal: Terminal, tmp_path: Path) -> None:
    """F66: progress on stderr, a line per change; the report alone on stdout; exit 0."""
    done = await terminal.run("run", "quick", "question=why?", "depth:=3", "--report")

    assert (done.code, done.out) == (0, "# quick\n")
    lines = done.err.splitlines()
    assert lines[0].endswith("started: quick, band small, 2 steps")
    assert [line.split(" in ")[0] for line in lines[1:5]] == [
        "a: running",
        "a: completed",
        "b: running",
        "b: completed",
    ]
    assert lines[-1].split()[1:3] == ["completed", "in"]
    shown = (await terminal.run("show", "--json")).json
    assert shown["input"] == {"question": "why?", "depth": 3}
    assert (shown["project_root"], shown["trigger"]) == (str(tmp_path), "cli")


async def test_machines_get_one_object(terminal: Terminal) -> None:
    """--json: the run on stdout with the exit code, and nothing else there."""
    done = await terminal.run("run", "quick", "--json", "-q")

    assert (done.code, done.err) == (0, "")
    assert (done.json["status"], done.json["outcome"], done.json["exit_code"]) == (
        "completed",
        "told",
        0,
    )


async def test_an_outcome_can_fail_a_pipeline(terminal: Terminal) -> None:
    """--fail-on: exit 11 if that was found, 0 if not; the run completed either way."""
    found = await terminal.ask("run", "quick", "--fail-on", "outcome=told")
    other = await terminal.ask("run", "quick", "--fail-on", "outcome=findings")
    wrong = await terminal.ask("run", "quick", "--fail-on", "status=failed")

    assert (found.code, other.code, wrong.code) == (11, 0, 2)


async def test_a_run_is_left_running(terminal: Terminal, service: Service) -> None:
    """F66: -d prints the id alone; watch takes it up; the same key is the same run."""
    done = await terminal.run("run", "asking", "-d", "--key", "k")
    again = await terminal.run("run", "asking", "-d", "--key", "k", "--json")

    run_id = done.out.strip()
    assert (done.code, again.json["id"], again.json["replayed"]) == (0, run_id, True)
    async with terminal.started("watch", run_id[-8:]) as watching:
        await service.runs.cancel(RunId(done_uuid(run_id)), "enough", "test")
        assert await asyncio.wait_for(watching.wait(), 10) == 4


def done_uuid(text: str) -> RunId:
    from uuid import UUID  # noqa: PLC0415

    return RunId(UUID(text))


async def test_a_failed_run_exits_with_three(terminal: Terminal, dispatcher: Dispatcher) -> None:
    """Exit 0 on a failed run is a bug class of its own."""
    async with terminal.started("run", "asking") as process:
        (task,) = await until(dispatcher.claim)
        await dispatcher.leave(task, "failed", None, error={"code": "agent_error", "message": "no"})
        assert await asyncio.wait_for(process.wait(), 15) == 3
        assert process.stderr is not None
        assert b"a: failed" in await process.stderr.read()
    assert failed(task).error is not None


async def test_an_interrupt_leaves_the_run(terminal: Terminal, service: Service) -> None:
    """Ctrl-C detaches: exit 130, how to come back is said, and the run goes on."""
    async with terminal.started("run", "asking") as process:
        assert process.stderr is not None
        await process.stderr.readuntil(b"a: running\n")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 130
        assert b"goes on: flowrunner watch " in await process.stderr.read()

    head = await service.runs.head(await service.runs.resolve("@last"))
    assert head.status is RunStatus.RUNNING


async def test_repo_is_the_project(terminal: Terminal, tmp_path: Path) -> None:
    """`repo=DIR` is where it runs, unless the flow has a field of that name."""
    (tmp_path / "tree").mkdir()
    await terminal.run("run", "quick", "repo=tree")
    moved = (await terminal.run("show", "--json")).json
    await terminal.run("run", "with-repo", "repo=tree")
    kept = (await terminal.run("show", "--json")).json
    missing = await terminal.run("run", "quick", "repo=nowhere")

    assert (moved["project_root"], moved["input"]) == (
        str(tmp_path / "tree"),
        {"question": "", "depth": 1},
    )
    assert (kept["project_root"], kept["input"]) == (str(tmp_path), {"repo": "tree"})
    assert (missing.code, "no folder" in missing.err) == (10, True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("run", "quikc"), 6, "quick"),
        (("run", "quick", "depth=deep", "x=1", "huge"), 10, "/band"),
        (("run", "quick", "--title", "x" * 201), 10, "/title"),
        (("run", "quick", "???"), 2, "KEY=VALUE"),
        (("run",), 2, "Missing argument"),
        (("run", "quick", "--raport"), 2, "--report"),
        (("show", "abcd"), 6, "abcd"),
        (("cancel", "abcd"), 6, "abcd"),
        (("report", "abcd"), 6, "abcd"),
        (("ps", "--since", "yesterday"), 2, "24h"),
        (("ps", "-l", "x"), 2, "NAME=VALUE"),
        (("flows", "show", "nope"), 6, "nope"),
        (("--server", "http://127.0.0.1:9", "ps"), 9, "no server answers"),
        (("--server", "nonsense", "ps"), 2, "http://host:port"),
    ],
)
async def test_refusals_have_numbers(
    terminal: Terminal, words: tuple[str, ...], code: int, told: str
) -> None:
    """Each kind of refusal has its exit code, what is wrong on stderr, and nothing on stdout."""
    done = await terminal.ask(*words)

    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [("show", "abcd"), ("run", "quick", "???"), ("nonsense",)])
async def test_refusals_are_json_too(terminal: Terminal, words: tuple[str, ...]) -> None:
    """--json: the same numbers and codes on stdout, for machines."""
    done = await terminal.ask(*words, "--json")

    assert done.json["exit_code"] == done.code
    assert done.json["error"]


async def test_lists_are_for_eyes_and_pipes(terminal: Terminal) -> None:
    """`ps` shows a table, `ps -q` ids that `cancel` takes, `--json` everything."""
    ids = [(await terminal.ask("run", "asking", "-d", "-l", "team=a")).out.strip() for _ in "ab"]
    await terminal.ask("run", "quick", "-q")

    table = (await terminal.ask("ps")).out.splitlines()
    quiet = (await terminal.ask("ps", "-q", "--live", "-l", "team=a")).out.split()
    page = (await terminal.ask("ps", "--json", "-n", "1")).json
    rest = (await terminal.ask("ps", "-q", "--cursor", page["next_cursor"])).out.split()
    cancelled = await terminal.ask("cancel", *quiet, "--reason", "enough")
    again = await terminal.ask("cancel", quiet[0], "@last", "--json")

    assert table[0].split() == ["ID", "FLOW", "STATUS", "STEPS", "AGE", "TOOK", "TITLE"]
    assert [line.split()[:2] for line in table[2:]] == [[i[-8:], "asking"] for i in ids[::-1]]
    assert quiet == rest == ids[::-1]
    assert (cancelled.code, cancelled.out.split()[0]) == (0, quiet[0])
    assert again.code == 7
    assert [each.get("was_live", each.get("code")) for each in again.json] == [False, "conflict"]


async def test_a_run_is_shown_with_its_steps(terminal: Terminal) -> None:
    """What it is, how it stands, and every step with why it stands so."""
    await terminal.ask("run", "asking", "-d", "--title", "two\x1blines")

    shown = (await terminal.ask("show", "--input")).out

    assert "asking " in shown
    assert "two\ufffdlines" in shown
    assert "no worker has it yet" in shown
    assert "waits for a" in shown


async def test_reports_go_where_they_are_sent(terminal: Terminal, tmp_path: Path) -> None:
    """To stdout as it is, or to a file; as JSON when that is asked for."""
    await terminal.ask("run", "quick", "-o", str(tmp_path / "first.md"))
    text = await terminal.ask("report")
    machine = (await terminal.ask("report", "@last", "--json")).json
    to_file = await terminal.ask("report", "--format", "json", "-o", str(tmp_path / "out.json"))
    sarif = await terminal.ask("report", "--format", "sarif")

    assert (tmp_path / "first.md").read_text(encoding="utf-8") == "# quick"
    assert (text.code, text.out) == (0, "# quick\n")
    assert (machine["outcome"], to_file.out) == ("told", "")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["flow"] == "quick"
    assert (sarif.code, "no SARIF" in sarif.err) == (6, True)


async def test_flows_and_workers_are_listed(terminal: Terminal) -> None:
    """Those of the server, in tables and as JSON."""
    flows = (await terminal.ask("flows", "--json")).json
    detail = (await terminal.ask("flows", "show", "quick")).out
    workers = (await terminal.ask("workers")).out

    assert [flow["name"] for flow in flows["items"]] == ["asking", "quick", "with-repo"]
    assert "question" in detail
    assert "code@" in workers


async def test_the_input_may_come_from_stdin(terminal: Terminal) -> None:
    """`-i -` is the whole input, `KEY=-` one field of it."""
    await terminal.run("run", "quick", "-i", "-", stdin=b'{"question": "whole"}')
    whole = (await terminal.run("show", "--json")).json
    await terminal.run("run", "quick", "question=-", stdin="zwölf\n".encode())
    field = (await terminal.run("show", "--json")).json
    broken = await terminal.run("run", "quick", "question=-", stdin=b"\xff")

    assert (whole["input"]["question"], field["input"]["question"]) == ("whole", "zwölf\n")
    assert (broken.code, "not UTF-8" in broken.err) == (2, True)
