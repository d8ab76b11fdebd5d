"""Commands without a server: they bring their own; and `serve`, which others then find."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from fixtures.databases import Database
from fixtures.waiting import until
from flowrunner.cli.address import FILE, ServerAddress, write_address
from integration.doors.commands import Terminal, a_terminal

pytestmark = pytest.mark.anyio

STOP_SECONDS = 15


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Terminal:
    """A terminal whose programs use the test's database."""
    return a_terminal(tmp_path, FLOWRUNNER_DATABASE_URL=database.address("service"))


async def test_a_run_brings_its_own_service(terminal: Terminal, database: Database) -> None:
    """No server: one is started for the run and is gone afterwards; later commands read the rest."""
    done = await terminal.run("run", "hello", "name=Ada", "--report")
    listed = (await terminal.run("ps", "--json")).json["items"]
    report = await terminal.run("report", "--json")

    assert (done.code, done.out) == (0, "# Hello Ada\n")
    assert [(run["status"], run["outcome"], run["launched_by"]) for run in listed] == [
        ("completed", "greeted", getpass.getuser())
    ]
    assert report.json["markdown"] == "# Hello Ada"
    assert await database.value("SELECT count(*) FROM task_queue") == 0


async def test_looking_moves_nothing(terminal: Terminal, database: Database) -> None:
    """`ps` and `show` without a server read; they take up nobody's run."""
    waiting = terminal.folder / "go"
    async with terminal.started("run", "hello", f"until={waiting}") as process:
        assert process.stderr is not None
        await process.stderr.readuntil(b"work: running\n")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    before = await database.value("SELECT max(version) FROM flow_runs")

    shown = (await terminal.run("show", "--json")).json

    assert shown["status"] == "running"
    assert await database.value("SELECT max(version) FROM flow_runs") == before

    # While leases of the dead look live, who looks is not told what is not known.
    assert "stands still" not in (await terminal.run("ps")).err
    await database.sql("UPDATE workers SET expires_at = now() - interval '1 hour'")
    assert "no server runs and no worker is live" in (await terminal.run("ps")).err
    assert "no server runs and no worker is live" in (await terminal.run("show")).err

    # And `watch` takes it up again, once its holder's lease is known to have ended.
    waiting.touch()
    again = await terminal.run("watch")
    assert again.code == 0, again.err


async def test_an_interrupt_cancels_what_only_we_run(
    terminal: Terminal, database: Database
) -> None:
    """P12: nobody would go on with it: Ctrl-C cancels the run and exits with 130."""
    async with terminal.started("run", "hello", "until=/nowhere/at/all") as process:
        assert process.stderr is not None
        await process.stderr.readuntil(b"work: running\n")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), STOP_SECONDS) == 130
        assert b"is cancelled" in await process.stderr.read()

    assert await database.value("SELECT status FROM flow_runs") == "cancelled"


async def test_a_failure_is_three_here_too(terminal: Terminal) -> None:
    """The exit code does not depend on whose server it was."""
    done = await terminal.run("run", "hello", "fail:=true", "--json")

    assert (done.code, done.json["status"], done.json["exit_code"]) == (3, "failed", 3)
    assert "told to fail" in done.json["error"]["message"]


async def test_there_is_nobody_to_leave_it_to(terminal: Terminal) -> None:
    """-d without a server is a mistake, told before anything is launched."""
    done = await terminal.run("run", "hello", "-d")

    assert (done.code, "flowrunner serve" in done.err) == (2, True)
    assert (await terminal.run("ps", "--json")).json["items"] == []


async def test_a_server_is_found_and_stops(terminal: Terminal) -> None:
    """`serve` writes its address for this user only; SIGTERM ends it at once, streams and all."""
    file = terminal.folder / "home" / FILE
    async with terminal.started("serve", "--port", "0", "--no-worker") as server:
        await until(file.exists, 20)
        url = json.loads(file.read_text(encoding="utf-8"))["url"]
        assert file.stat().st_mode & 0o777 == 0o600
        run = (await terminal.run("run", "hello", "until=/nowhere/at/all", "-d")).out.strip()
        assert (await terminal.run("ps", "-q")).out.strip() == run

        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            path = f"/api/v1/runs/{run}/events"
            headers = {"Accept": "text/event-stream"}
            async with client.stream("GET", path, headers=headers) as response:
                lines = response.aiter_lines()
                while "run.started" not in await anext(lines):
                    pass
                server.send_signal(signal.SIGTERM)
                assert "event: end" not in [line async for line in lines]
        assert await asyncio.wait_for(server.wait(), STOP_SECONDS) == 0
        assert not file.exists()
    assert (await terminal.run("cancel", run)).code == 0


async def test_a_dead_servers_address_is_passed_over(terminal: Terminal) -> None:
    """A server that was killed leaves its file: the next command goes on without it."""
    home = terminal.folder / "home"
    write_address(home, ServerAddress("http://127.0.0.1:9", 1))

    done = await terminal.run("run", "hello", "-q")

    assert (done.code, done.err) == (0, "")


async def test_a_server_that_hangs_is_named_and_passed_over(terminal: Terminal) -> None:
    """F66: one that was frozen, say: commands do not wait for it in silence, nor use it."""
    home = terminal.folder / "home"
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        at = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        write_address(home, ServerAddress(at, os.getpid()))

        done = await terminal.run("ps")

    assert done.code == 0
    assert f"{at} (process {os.getpid()}) does not answer" in done.err


async def test_nothing_is_opened_without_a_token(terminal: Terminal) -> None:
    """S2: beyond this machine only with a token; told before anything is started."""
    done = await terminal.run("serve", "--host", "192.0.2.1")

    assert (done.code, "FLOWRUNNER_TOKENS" in done.err) == (10, True)


async def test_a_token_is_passed_on(terminal: Terminal) -> None:
    """With tokens set, the server's file lets this user in, and nobody else."""
    terminal.environment["FLOWRUNNER_TOKENS"] = "secret-a,secret-b"
    file = terminal.folder / "home" / FILE
    async with terminal.started("serve", "--port", "0") as server:
        await until(file.exists, 20)
        url = json.loads(file.read_text(encoding="utf-8"))["url"]
        ours = await terminal.run("ps")
        theirs = await terminal.run("--server", url, "ps")
        named = await terminal.run("--token", "secret-b", "--server", url, "ps", "--json")
        server.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(server.wait(), STOP_SECONDS) == 0

    assert (ours.code, theirs.code, named.code) == (0, 8, 0)


async def test_flows_are_validated_here(terminal: Terminal) -> None:
    """Every problem with file and line; exit 10 if there is one."""
    fine = await terminal.run("flows", "validate", "flows")
    broken = terminal.folder / "flows" / "broken.py"
    broken.write_text("flow = 1 +\n", encoding="utf-8")
    bad = await terminal.run("flows", "validate", "flows")
    only = await terminal.run("flows", "validate", "flows/hello.py", "--json")
    listed = await terminal.run("flows", "list")

    assert (fine.code, fine.out.split(":")[0]) == (0, "hello")
    assert bad.code == 10
    assert "flows/broken.py:1:11: syntax-error: " in bad.out
    assert (only.code, [flow["name"] for flow in only.json["items"]]) == (0, ["hello"])
    assert "broken" in listed.out


async def test_the_database_is_looked_after(terminal: Terminal, empty_database: Database) -> None:
    """`db check`, `upgrade` and `stats`, `doctor` and `check` on an empty and a ready database."""
    fine = await terminal.run("db", "check", "--json")
    stats = await terminal.run("db", "stats")
    checked = await terminal.run("check", "--json")
    doctor = await terminal.run("doctor", "--json")
    empty = Terminal(terminal.folder, {**terminal.environment})
    empty.environment["FLOWRUNNER_DATABASE_URL"] = empty_database.address("owner")
    before = await empty.run("db", "check")
    refused = await empty.run("run", "hello")
    upgraded = await empty.run("db", "upgrade")
    after = await empty.run("db", "check")

    assert (fine.code, fine.json["schema"]) == (0, fine.json["wanted"])
    assert "flow_runs" in stats.out
    assert (checked.code, checked.json["violations"]) == (0, [])
    assert doctor.json["exit_code"] == doctor.code == 0, doctor.out
    assert (before.code, "flowrunner db upgrade" in before.err) == (1, True)
    assert (refused.code, "flowrunner db upgrade" in refused.err) == (1, True)
    assert (upgraded.code, after.code) == (0, 0)


async def test_settings_that_are_none_are_told(terminal: Terminal) -> None:
    """A value that does not fit is named by its variable; a misspelt one by the right name."""
    terminal.environment.update(FLOWRUNNER_SLOTS="many", FLOWRUNNER_PROT="1")

    done = await terminal.run("run", "hello")
    del terminal.environment["FLOWRUNNER_SLOTS"]
    warned = await terminal.run("run", "hello")

    assert (done.code, "FLOWRUNNER_SLOTS" in done.err) == (10, True)
    assert "FLOWRUNNER_PROT is no setting: did you mean FLOWRUNNER_PORT?" in warned.err
    assert warned.code == 0
