"""The agent's side of the protocol, to the letter."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from dispatch.adapters.real import a_project, processes_at
from dispatch.apiagent.endpoint import an_endpoint, call, text
from dispatch.apiagent.raw import Program, a_program
from fixtures.waiting import until
from model_server.script import Hang, Say
from model_server.server import a_model

ROOT = Path(__file__).resolve().parents[3]


def test_a_session_to_the_letter(tmp_path: Path) -> None:
    """F49: greeting, session, prompts that know the ones before, and their tokens."""
    project = a_project(tmp_path)
    with (
        an_endpoint(text("First."), text("Second.")) as endpoint,
        a_program(project, endpoint.address) as program,
    ):
        hello = program.ask(1, "initialize", protocolVersion=1)["result"]
        session = program.ask(2, "session/new", cwd=str(project), mcpServers=[])["result"]
        program.prompt(3, "One?")
        said, used, first = program.hear(), program.hear(), program.hear()
        program.prompt(4, "Two?")
        second = program.answer_to(4)["result"]

    assert (hello["protocolVersion"], hello["agentInfo"]["name"]) == (1, "flowrunner-api")
    assert isinstance(session["sessionId"], str)
    update = said["params"]["update"]
    assert (update["sessionUpdate"], update["content"]["text"]) == ("agent_message_chunk", "First.")
    assert used["params"]["update"]["_meta"]["usage"]["totalTokens"] == 120
    assert first["result"]["stopReason"] == "end_turn"
    assert second["usage"]["inputTokens"] == 200
    assert [m["content"] for m in endpoint.asked[1]["messages"]][1:] == ["One?", "First.", "Two?"]


def test_what_is_out_of_order_is_refused(tmp_path: Path) -> None:
    """P11: each request is answered, whatever it is, and noise is passed by."""
    project = a_project(tmp_path)
    with a_model(Hang()) as model, a_program(project, f"{model.address}/v1") as program:
        assert program.ask(1, "session/prompt", prompt=[])["error"]["code"] == -32600
        assert program.ask(2, "session/new", cwd="relative")["error"]["code"] == -32600
        assert program.ask(3, "session/new", cwd=str(project / "nothing"))["error"]
        assert program.ask(4, "session/load")["error"]["code"] == -32601
        program.stdin.write(b"noise\n[]\n{}\n")
        program.tell(method="session/cancel", params={})
        assert "result" in program.ask(5, "session/new", cwd=str(project))
        assert program.ask(6, "session/new", cwd=str(project))["error"]["code"] == -32600
        program.prompt(7)
        assert program.ask(8, "session/prompt", prompt=[])["error"]["code"] == -32600


@pytest.mark.anyio
@pytest.mark.parametrize("step", [Hang(), Say("tick " * 500, pause=0.1)], ids=["asking", "hearing"])
async def test_cancel_is_answered_soon(tmp_path: Path, step: Hang | Say) -> None:
    """P12: while it waits for the first word, and among the words; then it can be asked again."""
    project = a_project(tmp_path)
    with a_model(step) as model, a_program(project, f"{model.address}/v1") as program:
        program.ask(1, "session/new", cwd=str(project))
        program.prompt(2)
        await until(lambda: model.asked)
        if isinstance(step, Say):
            program.hear()
        program.tell(method="session/cancel", params={"sessionId": "s"})
        assert program.answer_to(2)["result"]["stopReason"] == "cancelled"
        program.prompt(3)
        await until(lambda: len(model.asked) == 2)


@pytest.fixture
def searching(tmp_path: Path) -> Generator[tuple[Path, Program]]:
    """One that has begun a search that will not end, in its project."""
    project = a_project(tmp_path)
    (project / "long.txt").write_text("a" * 60 + "b", encoding="utf-8")
    with (
        an_endpoint(call("grep", {"pattern": "(a+)+$"})) as endpoint,
        a_program(project, endpoint.address) as program,
    ):
        program.ask(1, "session/new", cwd=str(project))
        program.prompt(2)
        yield project, program


def about(project: Path, what: str, having: bytes) -> list[bytes]:
    """Return what /proc tells of those at work in *project* whose command line has *having*."""
    told: list[bytes] = []
    for number in processes_at(project):
        with suppress(OSError):
            place = Path(f"/proc/{number}")
            if having in (place / "cmdline").read_bytes():
                told.append((place / what).read_bytes())
    return told


@pytest.mark.anyio
async def test_cancel_ends_what_was_started(searching: tuple[Path, Program]) -> None:
    """P12: a search that would go on for twenty seconds is gone."""
    project, program = searching
    await until(lambda: about(project, "cmdline", b"apiagent.search"))
    program.tell(method="session/cancel", params={"sessionId": "s"})

    assert program.answer_to(2)["result"]["stopReason"] == "cancelled"
    await until(lambda: not about(project, "cmdline", b"apiagent.search"))


STUBBORN = """
import os, signal, sys, time
from mcp.server.mcpserver import MCPServer
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = MCPServer("docs")
os.chdir({project!r})
server.run()
time.sleep(60)
"""


@pytest.mark.anyio
async def test_cancel_waits_for_no_server(tmp_path: Path) -> None:
    """P12: an MCP server that will not end is ended after the answer, which does not wait for it."""
    project = a_project(tmp_path)
    script = STUBBORN.format(project=str(project))
    mcp = {"docs": {"command": sys.executable, "args": ["-I", "-c", script]}}
    with a_model(Hang()) as model, a_program(project, f"{model.address}/v1", mcp=mcp) as program:
        program.ask(1, "session/new", cwd=str(project))
        program.prompt(2)
        await until(lambda: model.asked, deadline=30)
        program.tell(method="session/cancel", params={"sessionId": "s"})
        assert program.answer_to(2)["result"]["stopReason"] == "cancelled"
        assert about(project, "cmdline", b"SIG_IGN")
        await until(lambda: not about(project, "cmdline", b"SIG_IGN"), deadline=30)


@pytest.mark.anyio
async def test_it_ends_with_its_stdin(searching: tuple[Path, Program]) -> None:
    """P2, P12: whoever asked is gone, so it goes, and what it had started."""
    project, program = searching
    await until(lambda: about(project, "cmdline", b"apiagent.search"))
    program.stdin.close()
    await until(lambda: program.process.poll() is not None)

    assert program.process.returncode == 0
    await until(lambda: processes_at(project) == [])


@pytest.mark.anyio
async def test_the_key_is_not_handed_on(searching: tuple[Path, Program]) -> None:
    """P8: what it starts finds no key in its environment."""
    project, _program = searching
    await until(lambda: about(project, "cmdline", b"apiagent.search"))

    assert all(b"sk-raw" not in told for told in about(project, "environ", b"apiagent.search"))
    assert b"sk-raw" in b"".join(about(project, "environ", b"apiagent.__main__"))


WORKER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from dispatch.apiagent.stage import ask
asyncio.run(ask({address!r}, Path({project!r})))
"""


@pytest.mark.anyio
async def test_a_killed_worker_leaves_nobody(tmp_path: Path) -> None:
    """P2: SIGKILL to it, and its agent is gone within seconds, with its private folder."""
    project = a_project(tmp_path)
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    with a_model(Hang()) as model:
        script = WORKER.format(paths=paths, address=f"{model.address}/v1", project=str(project))
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        await until(lambda: model.asked)
        assert processes_at(project)
        worker.kill()
        await worker.wait()
        await until(lambda: processes_at(project) == [])
        await until(lambda: list((tmp_path / "room").iterdir()) == [])


def test_the_environment_has_no_say(tmp_path: Path) -> None:
    """P8: should a proxy or another address ever get there, they are not used."""
    project = a_project(tmp_path)
    names = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL", "OPENAI_PROXY")
    env: dict[str, str] = dict.fromkeys(names, "http://127.0.0.1:9")
    with (
        an_endpoint(text("Well.")) as endpoint,
        a_program(project, endpoint.address, env) as program,
    ):
        program.ask(1, "session/new", cwd=str(project))
        program.prompt(2)
        assert program.answer_to(2)["result"]["stopReason"] == "end_turn"


def test_what_is_printed_is_no_message(tmp_path: Path) -> None:
    """P11: a library that prints does so beside the protocol: its stdout is our stderr."""
    project = a_project(tmp_path)
    with a_model(Hang()) as model, a_program(project, f"{model.address}/v1") as program:
        program.ask(1, "session/new", cwd=str(project))
        descriptors = Path(f"/proc/{program.process.pid}/fd")
        assert (descriptors / "1").readlink() == (descriptors / "2").readlink()
