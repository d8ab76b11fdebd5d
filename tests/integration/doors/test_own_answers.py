"""Questions where no server runs: the run waits in the database, each command does its part."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.databases import Database
from integration.doors.commands import Terminal, a_terminal
from integration.doors.ptys import CTRL_C, at_terminal

pytestmark = pytest.mark.anyio

FLOW = """
from flowrunner import Flow, Report, Step

flow = Flow(
    "asking",
    steps=[
        Step("count", kind="code", run=lambda ctx: 3),
        Step("publish", kind="approval", needs=["count"], run="Publish it?"),
        Step("print", kind="code", needs=["publish"], run=lambda ctx: "printed"),
    ],
    render=lambda ctx: Report("# " + ctx.results["print"], outcome="told"),
)
"""


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Terminal:
    """A terminal whose programs use the test's database, and no server."""
    made = a_terminal(tmp_path, FLOWRUNNER_DATABASE_URL=database.address("service"))
    (tmp_path / "flows" / "asking.py").write_text(FLOW, encoding="utf-8")
    return made


async def test_an_answer_outlives_the_commands(terminal: Terminal) -> None:
    """F41: asked by one process, answered by a second, finished by a third."""
    asked = await terminal.run("run", "asking", "--until", "waiting")
    listed = await terminal.run("ps")
    answered = await terminal.run("approve", "@last", "-m", "ok")
    ended = await terminal.run("watch", "--report", "-q")

    assert (asked.code, answered.code, ended.code) == (5, 0, 0)
    assert listed.out.splitlines()[1].split()[2] == "waiting"
    assert "a decision waits: flowrunner approve" in listed.err
    assert "no server goes on with it: flowrunner watch" in answered.err
    assert ended.out == "# printed\n"


async def test_leaving_a_question_loses_nothing(terminal: Terminal) -> None:
    """P12: Ctrl-C cancels what only we run, but a run that waits for a person is left to wait."""
    async with at_terminal(terminal, "run", "asking") as tty:
        await tty.shows("Ctrl-C leaves it waiting", 30)
        tty.type(CTRL_C)
        assert await tty.wait() == 130
        assert "waits for a decision" in tty.text

    shown = (await terminal.run("show", "--json")).json
    assert (shown["status"], len(shown["approvals"])) == ("running", 1)
