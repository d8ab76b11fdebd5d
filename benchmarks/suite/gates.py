"""What a gate costs: a program's start behind each, the probe of it, and a look at a tree."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from flowrunner.dispatch.gates.detection import candidates, try_out
from flowrunner.dispatch.gates.digest import take
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.gates.probe import probe
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand
from suite.stage import Figures, Stage

AROUND = "/usr/local/bin:/usr/bin:/bin"
_TRUE = ("/bin/true",)


async def measure(stage: Stage) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fr-gates-", dir="/var/tmp") as folder:
        place = Path(folder)
        gates = await asyncio.to_thread(gates_that_hold, place)
        figures = await _starts(place, [OPEN, *gates], stage.size(40, 5))
        figures |= await asyncio.to_thread(_probes, place, gates, stage.size(10, 2))
        for files in (1_000, stage.size(20_000, 2_000)):
            figures |= await asyncio.to_thread(_looks, place, files)
        return figures


def gates_that_hold(place: Path) -> list[Gate]:
    """Every gate of this machine that was proved, the one that covers most first."""
    found = candidates(os.environ.get("PATH", AROUND))
    return [gate for gate in found if try_out(gate, place / "room").holds]


def label(gate: Gate) -> str:
    return gate.name.replace("+", "_").replace("-", "_")


async def _starts(place: Path, gates: list[Gate], rounds: int) -> Figures:
    """A start and an end of /bin/true under our supervisor, gates taking turns."""
    room = place / "room"
    room.mkdir(exist_ok=True)
    seconds: dict[str, list[float]] = {label(gate): [] for gate in gates}
    for _ in range(rounds):
        for gate in gates:
            seconds[label(gate)].append(await _once(gate, place, room))
    middle = {name: median(taken) for name, taken in seconds.items()}
    figures = {f"gate_{name}_start_ms": taken * 1000 for name, taken in middle.items()}
    beside = {f"gate_{name}_to_none": middle[name] / middle["none"] for name in middle}
    return figures | {name: ratio for name, ratio in beside.items() if name != "gate_none_to_none"}


async def _once(gate: Gate, place: Path, room: Path) -> float:
    command = AgentCommand(
        argv=_TRUE, env={"PATH": AROUND}, cwd=place, stdin=b"", output_cap=100, gate=gate
    )
    began = time.monotonic()
    ended = await AgentProcess(command, ProcessLimits(), room, lambda _kind, _piece: None).run()
    assert ended.exit_code == 0, ended
    return time.monotonic() - began


def _probes(place: Path, gates: list[Gate], rounds: int) -> Figures:
    project = place / "project"
    (project / "folder").mkdir(parents=True)
    (project / "file").write_text("kept\n", encoding="utf-8")
    found = {
        gate: median(probe(gate, project, place / "room").seconds for _ in range(rounds))
        for gate in gates
    }
    return {f"gate_{label(gate)}_probe_ms": taken * 1000 for gate, taken in found.items()}


def _looks(place: Path, files: int) -> Figures:
    """A repository of *files*: the first look, and the one after, which reads nothing again."""
    project = place / f"tree-{files}"
    for number in range(files):
        folder = project / f"folder-{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}").write_text(f"{number}\n" * 20, encoding="utf-8")
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0")
    git = ("git", "-C", str(project), *who)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], check=True)  # noqa: S603  # fixed words
    began = time.monotonic()
    before = take(project)
    middle = time.monotonic()
    take(project, earlier=before)
    ended = time.monotonic()
    return {
        f"look_{files}_before_ms": (middle - began) * 1000,
        f"look_{files}_after_ms": (ended - middle) * 1000,
    }
