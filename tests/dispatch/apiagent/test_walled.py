"""The API agent behind a real gate: what it starts works there, and writes nowhere else."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.adapters.real import a_project, play
from dispatch.apiagent.endpoint import an_endpoint, call, text
from dispatch.apiagent.stage import a_plan
from dispatch.tasks import AROUND
from flowrunner.dispatch.gates.detection import detect
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.policy import choose

pytestmark = pytest.mark.anyio

SCRIPT = """
from pathlib import Path
from mcp.server.mcpserver import MCPServer
server = MCPServer("files")
@server.tool()
def write(place: str) -> str:
    try:
        Path(place).write_text("written")
    except OSError as exc:
        return str(exc)
    return "written"
server.run()
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The widest gate that holds on this machine."""
    found = choose("strict", detect(tmp_path_factory.mktemp("gates"), AROUND.path))
    if not isinstance(found, Gate):
        pytest.skip("NOT TRIED behind a gate: this machine has none that holds")
    return found


async def test_it_searches_and_its_servers_do_not_write(tmp_path: Path, gate: Gate) -> None:
    """P8, F54: a search is a process of its own, and so is an MCP server that wants to write."""
    project = a_project(tmp_path)
    answers = [
        call("grep", {"pattern": "marzipan"}),
        call("files_write", {"place": str(project / "planted")}),
        call("files_write", {"place": "in-its-home"}),
        text("Well."),
    ]
    mcp = {"files": {"command": sys.executable, "args": ["-I", "-c", SCRIPT]}}
    with an_endpoint(*answers) as endpoint:
        plan = replace(a_plan(endpoint.address, mcp=mcp), gate=gate)
        played = await play(plan, project, "Try.")

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    hit, refused, written = endpoint.told()
    assert hit.startswith("README.md:1: the word is marzipan")
    assert "Read-only file system" in refused or "Permission denied" in refused
    assert written == "written"
    assert [file.name for file in project.iterdir()] == ["README.md"]
