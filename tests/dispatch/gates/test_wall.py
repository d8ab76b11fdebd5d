"""One call before an agent starts: it comes back behind a proved gate, or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.agents import a_command
from dispatch.gates import stage
from flowrunner.dispatch.gates.gate import OPEN, REQUIRED
from flowrunner.dispatch.gates.policy import Policy, Refusal
from flowrunner.dispatch.gates.wall import Guarded, Wall
from flowrunner.dispatch.process import AgentProcess, ProcessLimits

pytestmark = pytest.mark.anyio
NOWHERE = "/nonexistent"


@pytest.fixture
def folder() -> Iterator[Path]:
    with stage.ground() as ground:
        yield ground


def a_wall(folder: Path, policy: Policy = "strict", path: str = NOWHERE) -> Wall:
    return Wall(policy, folder / "room", path)


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_a_guarded_agent_runs_and_cannot_write(folder: Path) -> None:
    """P8, F54, F56: the command that comes back is run as any other, and its project is kept."""
    project = stage.a_project(folder)
    script = "print('read', open('tracked.txt').read())\nopen('planted', 'w')"

    guarded = await a_wall(folder).guard(a_command(script, project))

    assert isinstance(guarded, Guarded)
    agent = AgentProcess(guarded.command, ProcessLimits(), folder / "room", lambda _a, _b: None)
    ended = await agent.run()
    assert ended.output.text == "read kept\n\n"
    assert ended.exit_code == 1
    assert "planted" in ended.stderr_tail
    assert not (project / "planted").exists()


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_a_project_is_proved_once(folder: Path) -> None:
    """P8: the second task of a project waits for no probe; its record is the same."""
    wall, command = a_wall(folder), a_command("", stage.a_project(folder))
    first = await wall.guard(command)
    began = time.monotonic()

    second = await wall.guard(command)

    assert isinstance(first, Guarded)
    assert isinstance(second, Guarded)
    assert second.closed.proof is first.closed.proof
    assert time.monotonic() - began < 1.0


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_what_was_proved_is_kept_with_the_attempt(folder: Path) -> None:
    """P8, P11: the gate, what it covers, what it does not, and what there was nothing to try on."""
    guarded = await a_wall(folder).guard(a_command("", stage.a_project(folder)))

    assert isinstance(guarded, Guarded)
    record = guarded.record()
    assert record["gate"] == guarded.command.gate.name
    assert record["policy"] == "strict"
    assert str(record["probe"]).startswith("holds: ")
    assert (
        guarded.closed.proof.proved
        | guarded.closed.proof.untried
        | guarded.closed.proof.gate.uncovered
        >= REQUIRED
    )


async def test_strict_refuses_where_nothing_holds(folder: Path) -> None:
    """P8, F68: a project that is not there can be proved nothing of, and nothing is started."""
    project = stage.a_project(folder)
    wall, command = a_wall(folder), a_command("", project)
    shutil.rmtree(project)

    refused = await wall.guard(command)

    assert isinstance(refused, Refusal)
    assert refused.code == "no_gate"
    stage.a_project(folder)
    if stage.ABI:
        assert isinstance(await wall.guard(command), Guarded)


async def test_tool_level_runs_without_a_gate_and_says_so(folder: Path) -> None:
    """P8, P11: the operator wanted it; the record does not pretend."""
    project = stage.a_project(folder)
    wall, command = a_wall(folder, "tool-level"), a_command("", project)
    shutil.rmtree(project)

    guarded = await wall.guard(command)

    assert isinstance(guarded, Guarded)
    assert guarded.command.gate == OPEN
    assert guarded.record()["gate"] == "none"
    assert guarded.record()["probe"] == "no gate: nothing was probed"
