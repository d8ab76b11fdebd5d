"""The network: by TCP an agent reaches what the operator named, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.agents import a_command
from dispatch.gates import stage
from flowrunner.dispatch.gates import landlock
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.dispatch.gates.policy import Refusal
from flowrunner.dispatch.gates.wall import Guarded, Wall
from flowrunner.dispatch.process import AgentProcess, ProcessLimits

pytestmark = pytest.mark.anyio
needs_ports = pytest.mark.skipif(
    landlock.CONNECTS > stage.ABI, reason="this kernel's Landlock knows no ports"
)
REACH = """
import socket
for port in ({0}, {1}):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        print("reached")
    except PermissionError:
        print("forbidden")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with stage.ground() as ground:
        yield ground


@needs_ports
async def test_only_named_ports_are_reached(folder: Path) -> None:
    """P8: the limit is proved as the others are, and is on record with the attempt."""
    with (
        socket.create_server(("127.0.0.1", 0)) as model,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        named, unnamed = model.getsockname()[1], other.getsockname()[1]
        wall = Wall("strict", folder / "room", "/nonexistent", ports=(named,))
        command = a_command(REACH.format(named, unnamed), stage.a_project(folder))
        guarded = await wall.guard(command)
        assert isinstance(guarded, Guarded), guarded
        agent = AgentProcess(guarded.command, ProcessLimits(), folder / "room", lambda _a, _b: None)
        ended = await agent.run()

    assert ended.output.text.split() == ["reached", "forbidden"], ended
    assert Right.TCP in guarded.closed.proof.proved
    assert guarded.record()["ports"] == [named]


@needs_ports
async def test_without_a_list_every_port_is_reached_and_that_is_said(folder: Path) -> None:
    """P11: the record does not pretend."""
    wall = Wall("strict", folder / "room", "/nonexistent")

    guarded = await wall.guard(a_command("", stage.a_project(folder)))

    assert isinstance(guarded, Guarded)
    assert guarded.record()["ports"] is None
    uncovered = guarded.record()["uncovered"]
    assert isinstance(uncovered, list)
    assert "tcp" in uncovered


async def test_where_something_must_be_hidden_landlock_alone_is_not_enough(folder: Path) -> None:
    """P8: an embedded database runs what it is told to, and its socket is a file like any other."""
    gates = [Gate(landlock=stage.ABI or landlock.NEWEST)]
    wall = Wall("strict", folder / "room", "/nonexistent", gates=gates, needs=(Right.HIDDEN,))
    command = a_command("", stage.a_project(folder))

    refused = await wall.guard(command)

    assert isinstance(refused, Refusal)
    if stage.ABI:
        assert "does not cover hidden" in refused.message
        trusting = Wall("strict", folder / "room", "/nonexistent", gates=gates)
        assert isinstance(await trusting.guard(command), Guarded)


async def test_a_list_that_cannot_be_kept_is_refused(folder: Path) -> None:
    """P8, F68: an operator who limits the network is not given agents with all of it."""
    gates = [Gate(namespaces=True), Gate(landlock=min(stage.ABI, landlock.TRUNCATES))]
    wall = Wall("strict", folder / "room", "/nonexistent", gates=gates, ports=(443,))

    refused = await wall.guard(a_command("", stage.a_project(folder)))

    assert isinstance(refused, Refusal)
    if stage.ABI:
        assert "does not cover tcp" in refused.message


def test_ports_count_only_where_the_kernel_knows_them() -> None:
    """P8: what is claimed is what the version brought."""
    claimed = {
        version: Right.TCP in Gate(landlock=version, ports=()).rights for version in range(1, 7)
    }

    assert [version for version, does in claimed.items() if does] == [4, 5, 6]
    assert Right.TCP not in Gate(landlock=6).rights
    assert Right.TCP not in Gate(namespaces=True, ports=()).rights
