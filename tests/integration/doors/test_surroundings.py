"""Commands in bad surroundings: readers that leave, streams that are closed, other encodings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fixtures.libraries import a_flow, a_library, code
from fixtures.services import Replicas
from flowrunner.definitions.flow import Step
from integration.doors.commands import Done, Terminal, a_terminal
from integration.doors.ptys import at_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

QUICK = a_flow(code("count"), name="quick")
NAPPING = a_flow(Step("nap", kind="wait", run="1h"), name="napping")


@pytest.fixture
async def terminal(replicas: Replicas, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal whose environment names a running server."""
    service = await replicas.start(a_library(QUICK, NAPPING))
    async with served(service) as url:
        yield a_terminal(tmp_path, FLOWRUNNER_SERVER=url)


async def shell(terminal: Terminal, script: str, **environment: str) -> Done:
    """Run a shell script in which `$F` is our command."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=terminal.folder,
        env={**terminal.variables(), "F": f"{sys.executable} -m flowrunner", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def unread(terminal: Terminal, *words: str, stream: str) -> Done:
    """Run a command whose *stream* is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowrunner", *words),
        cwd=terminal.folder,
        env=terminal.variables(),
        stdout=writer if stream == "stdout" else pipe,
        stderr=writer if stream == "stderr" else pipe,
    )
    os.close(writer)
    out, err = await process.communicate()
    return Done(process.returncode or 0, (out or b"").decode(), (err or b"").decode())


async def test_a_reader_that_has_enough_is_no_failure(terminal: Terminal) -> None:
    """C13: as of `| head -1`: no trace, no complaint, and no failure."""
    await terminal.ask("run", "quick", "-d")

    for words in (("ps",), ("show", "--events"), ("--help",), ("ps", "--json")):
        done = await unread(terminal, *words, stream="stdout")
        assert (words, done.code, done.err) == (words, 0, "")


async def test_progress_that_nobody_reads_changes_no_result(terminal: Terminal) -> None:
    """C13: stderr is beside the result: the run is followed to its end and its number told."""
    done = await unread(terminal, "run", "quick", "--report", stream="stderr")

    assert (done.code, done.out) == (0, "# quick\n")


async def test_closed_streams_are_no_failure(terminal: Terminal) -> None:
    """`>&-` and `2>&-`, as some daemons start what they start."""
    done = await shell(terminal, "$F ps >&-; echo $?; $F run quick 2>&-; echo $?")

    assert (done.out.split(), done.err) == (["0", "0"], "no runs: " + done.err[9:])


async def test_a_poor_locale_loses_no_letter(terminal: Terminal) -> None:
    """Arguments are UTF-8 whatever the locale says; what is shown there has plain signs."""
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = await shell(terminal, "$F run quick -q --title 'grün → main' && $F ps", **poor)

    assert done.code == 0, done.err
    assert (await terminal.ask("show", "--json")).json["title"] == "grün → main"
    assert done.out.isascii() or "grün" in done.out


async def test_bytes_that_are_no_text_are_named(terminal: Terminal) -> None:
    """Exit 2 with the argument, not a stack of calls."""
    done = await shell(terminal, "$F show $'a\\xff'")

    assert (done.code, done.out) == (2, "")
    assert done.err == "error: 'a\\udcff' is no UTF-8 text\n"


async def test_what_sleeps_says_until_when(terminal: Terminal) -> None:
    """§3.4: `show` tells as `watch` does when a wait ends, also on a narrow terminal."""
    await terminal.ask("run", "napping", "-d")

    for width in (40, 80):
        async with at_terminal(terminal, "show", width=width) as tty:
            assert await tty.wait() == 0
            assert "goes on in 1h00, at " in tty.text or "goes on in 59m" in tty.text
