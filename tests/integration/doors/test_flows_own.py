"""A flow that was just begun runs as it is: the static agent, no model, no key, no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.databases import Database
from integration.doors.commands import Terminal, a_terminal

pytestmark = pytest.mark.anyio


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Terminal:
    """A terminal in a small project, whose programs use the test's database."""
    (tmp_path / "work.py").write_text("def f(x=[]):\n    return eval(x)\n", encoding="utf-8")
    return a_terminal(tmp_path, FLOWRUNNER_DATABASE_URL=database.address("service"))


@pytest.mark.parametrize("options", [(), ("--yaml",)], ids=["py", "yaml"])
async def test_a_new_flow_runs_as_it_is(terminal: Terminal, options: tuple[str, ...]) -> None:
    """F1: `flows new` gives a flow that runs to its report in a fresh project."""
    made = await terminal.run("flows", "new", "first-try", *options)
    done = await terminal.run("run", "first-try", "focus=security", "--report", "--json")

    assert made.code == 0
    assert done.code == 0, done.err
    shown = (await terminal.run("report", "--json")).json
    assert shown["outcome"] in {"clean", "findings"}
    assert "findings" in shown["data"]
