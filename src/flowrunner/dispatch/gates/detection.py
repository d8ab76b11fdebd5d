"""Which gates this machine has: looked for once, and believed only after a probe."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from flowrunner.dispatch.gates import landlock
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.probe import ProbeResult, probe

PROGRAM = "bwrap"


def candidates(path: str) -> tuple[Gate, ...]:
    """Return every gate whose parts this machine seems to have, the one that covers most first."""
    if sys.platform != "linux":
        return ()
    abi = min(landlock.version(), landlock.NEWEST)
    program = shutil.which(PROGRAM, path=path) or ""
    boxes = [Gate(bubblewrap=program)] if program else []
    boxes.append(Gate(namespaces=True))
    if not abi:
        return tuple(boxes)
    stacks = [
        Gate(bubblewrap=box.bubblewrap, namespaces=box.namespaces, landlock=abi) for box in boxes
    ]
    return (*stacks, *boxes, Gate(landlock=abi))


def detect(room: Path, path: str, ports: tuple[int, ...] | None = None) -> tuple[ProbeResult, ...]:
    """Try out every gate there is, for people to read. Takes about a second; blocking.

    Gates that are missing are in the answer, with the reason.
    """
    found = [try_out(replace(gate, ports=ports), room) for gate in candidates(path)]
    return (*found, *missing([result.gate for result in found], room))


def try_out(gate: Gate, room: Path) -> ProbeResult:
    """Probe *gate* on a project of our own, made in *room* for the purpose; blocking."""
    room.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="project-", dir=room) as folder:
        return probe(gate, _planted(Path(folder)), room)


def missing(found: Collection[Gate], room: Path) -> Iterator[ProbeResult]:
    """Yield what this machine could have beside *found*, and why it has not."""
    if sys.platform != "linux":
        return
    if not any(gate.bubblewrap for gate in found):
        problem = f"{PROGRAM} is not installed"
        yield ProbeResult(gate=Gate(bubblewrap=PROGRAM), project=room, problem=problem)
    if not any(gate.landlock for gate in found):
        problem = "this kernel has no Landlock, or it is not switched on"
        gate = Gate(landlock=landlock.NEWEST)
        yield ProbeResult(gate=gate, project=room, problem=problem)


def _planted(folder: Path) -> Path:
    """A project with what a probe wants to try itself on."""
    (folder / "file").write_text("kept\n", encoding="utf-8")
    (folder / "folder").mkdir()
    return folder
