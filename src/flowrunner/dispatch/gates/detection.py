"""Which gates this machine has: looked for once, and believed only after a probe."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from flowrunner.dispatch.gates import landlock
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.probe import ProbeResult, probe

PROGRAM = "bwrap"


def detect(room: Path, path: str) -> tuple[ProbeResult, ...]:
    """Probe every gate there is on a project of our own, so that users' projects meet no bad one.

    Takes about a second; blocking. Gates that are missing are in the answer, with the reason.
    """
    if sys.platform != "linux":
        return ()
    abi = min(landlock.version(), landlock.NEWEST)
    program = shutil.which(PROGRAM, path=path)
    room.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="project-", dir=room) as folder:
        project = _planted(Path(folder))
        found = [_bubblewrap(program, project, room), probe(Gate(namespaces=True), project, room)]
        found.append(_landlock(abi, project, room))
        stacks = [
            probe(
                Gate(bubblewrap=part.bubblewrap, namespaces=part.namespaces, landlock=abi),
                project,
                room,
            )
            for part in (result.gate for result in found if result.holds)
            if found[-1].holds and not part.landlock
        ]
    return (*stacks, *found)


def _bubblewrap(program: str | None, project: Path, room: Path) -> ProbeResult:
    if program is None:
        problem = f"{PROGRAM} is not installed"
        return ProbeResult(gate=Gate(bubblewrap=PROGRAM), project=project, problem=problem)
    return probe(Gate(bubblewrap=program), project, room)


def _landlock(abi: int, project: Path, room: Path) -> ProbeResult:
    if not abi:
        problem = "this kernel has no Landlock, or it is not switched on"
        gate = Gate(landlock=landlock.NEWEST)
        return ProbeResult(gate=gate, project=project, problem=problem)
    return probe(Gate(landlock=abi), project, room)


def _planted(folder: Path) -> Path:
    """A project with what a probe wants to try itself on."""
    (folder / "file").write_text("kept\n", encoding="utf-8")
    (folder / "folder").mkdir()
    return folder
