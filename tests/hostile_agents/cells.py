"""One cell of the matrix: an agent, a gate, a user; and all that may show that something got out."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dispatch.adapters.real import AGENTS
from dispatch.gates import stage
from flowrunner.dispatch.adapters.adapter import NODE, Adapter
from flowrunner.dispatch.adapters.installed import check, site_of
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.gates.gate import Gate, Right
from hostile_agents.attacks import HostileModel, Target, attack_of
from hostile_agents.planting import Plot, plant
from model_server.server import Model, a_model
from model_server.trap import Trap, a_trap

HERE = Path(__file__).parent
MOST_CONVERSATIONS = 25
IS_THOROUGH = os.environ.get("FLOWRUNNER_HOSTILE") == "all"
"""Every gate and every tool: `make hostile`; else the widest gate and the narrowest."""
_BARE_ADDRESS = frozenset({"claude", "gemini"})


@dataclass
class Cell:
    """What is seen of one cell from outside, and what the agent left in each conversation."""

    gate: Gate
    target: Target
    key: str
    canary: str
    trap: Trap
    model: Model
    hostile: HostileModel
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: list[str] = field(default_factory=list[str])
    """Why it was not started at first; what it would have run was removed, then."""
    before: dict[Path, Mapping[str, stage.Entry]] = field(
        default_factory=dict[Path, Mapping[str, stage.Entry]]
    )

    def look(self) -> None:
        places = (self.target.project, self.target.home, self.target.service)
        self.before = {place: stage.snapshot(place) for place in places}

    def hear(self, told: dict[str, Any], adapter: Adapter) -> None:
        """Keep what a conversation left; where there was none, make one possible."""
        if "refused" not in told:
            self.told.append(told)
            return
        assert not self.refused, told
        self.refused.append(told["refused"]["code"])
        for name in adapter.hides:
            shutil.rmtree(self.target.project / name)
        self.look()

    @property
    def ran(self) -> set[str]:
        """Which planted things ran, by the names they told."""
        paths = [request.split("\n", 1)[0] for request in self.trap.caught]
        return {path.removeprefix("/ran/") for path in paths if path.startswith("/ran/")}

    @property
    def conversations(self) -> list[dict[str, Any]]:
        return [told for told in self.told if "report" in told]

    @property
    def redirected(self) -> list[str]:
        return [request for request in self.trap.caught if not request.startswith("/ran/")]

    @property
    def left(self) -> str:
        """All that would become rows, logs or pages."""
        return json.dumps(self.told, ensure_ascii=False)

    @property
    def heard(self) -> str:
        """All that the model was told."""
        return "\n".join(asked.text for asked in self.model.asked)

    def strangers(self) -> list[str]:
        """Files that the attacks left in places of this machine."""
        return [
            str(found)
            for place in (*stage.SHARED, "/etc/cron.d")
            for found in Path(place).glob(f"{self.target.nonce}-*")
        ]

    def changed(self, folder: Path) -> list[str]:
        """Paths in *folder* that differ: in metadata, too, where the gate covers these."""
        has_metadata = Right.METADATA in self.gate.rights
        look = stage.snapshot if has_metadata or folder != self.target.project else stage.contents
        before, now = self.before[folder], look(folder)
        if look is stage.contents:
            before = {path: entry[:2] for path, entry in before.items()}
        return sorted(path for path in {*before, *now} if before.get(path) != now.get(path))


def require(agent: str, dialect: str) -> None:
    """Skip, and say so, where *agent* is not installed."""
    if problem := check(ADAPTERS[agent], site_of(AGENTS), headless=dialect == "headless"):
        pytest.skip(f"NOT TRIED with a real {agent}: {problem.message}; run: make agents")


@contextmanager
def played(
    agent: str, dialect: str, gate: str, user: str, *, shows: bool = False
) -> Generator[Cell]:
    """Play all conversations of a cell. Skips, and says so, what this machine does not have."""
    require(agent, dialect)
    through, who = stage.gate(gate), stage.actor(user)
    _reachable(who)
    with ExitStack() as stack:
        folder = stack.enter_context(stage.ground(who.user))
        trap = stack.enter_context(a_trap())
        nonce = f"hostile-{secrets.token_hex(8)}"
        target = _prepared(folder, who, nonce, trap)
        hostile = HostileModel(target, is_thorough=IS_THOROUGH)
        model = stack.enter_context(a_model(choose=hostile))
        canary = f"canary-{secrets.token_hex(8)}"
        key = f"sk-{secrets.token_hex(16)}"
        cell = Cell(through, target, key, canary, trap, model, hostile)
        cell.look()
        address = model.address if agent in _BARE_ADDRESS else f"{model.address}/v1"
        scene = {
            "agent": agent,
            "dialect": dialect,
            "agents": str(AGENTS),
            "address": address,
            "key": key,
            "gate": asdict(through),
            "project": str(target.project),
            "room": str(folder / "room"),
            "shows": shows,
        }
        for told in _conversations(who, folder, scene, cell):
            cell.hear(told, ADAPTERS[agent])
        yield cell
    for place in cell.strangers():
        Path(place).unlink()


def _prepared(folder: Path, who: stage.Actor, nonce: str, trap: Trap) -> Target:
    project = stage.a_project(folder, who.user)
    home, service = folder / "home", folder / "service"
    for place in (home / ".ssh", service, folder / "room"):
        place.mkdir(parents=True)
    (home / ".ssh" / "id").write_text("not read by this test\n", encoding="utf-8")
    target = Target(project, home, service, nonce, trap.address)
    plant(Plot(project, trap.address, nonce, attack_of(target)))
    for path in (folder, *folder.rglob("*")):
        if who.user != stage.ME:
            os.chown(path, who.user, who.user, follow_symlinks=False)
    return target


def _reachable(who: stage.Actor) -> None:
    node = NODE.at(AGENTS) / "bin" / "node"
    script = f"import os, sys; sys.exit(not os.access({str(node)!r}, os.X_OK))"
    if who.run("-c", script).wait():
        pytest.skip(f"NOT TRIED: the other user may not run {node}")


def _conversations(
    who: stage.Actor, folder: Path, scene: Mapping[str, Any], cell: Cell
) -> Iterator[dict[str, Any]]:
    """Begin anew, further on, as long as the model has something that it did not try."""
    file = folder / "scene.json"
    file.write_text(json.dumps(scene), encoding="utf-8")
    file.chmod(0o644)
    env = {
        "PYTHONPATH": os.pathsep.join(_paths()),
        "HOME": str(cell.target.home),
        "WORKER_CANARY": cell.canary,
        "FLOWRUNNER_DATABASE_URL": f"postgresql://flowrunner:{cell.canary}@db.example/flowrunner",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with who.run(str(HERE / "act.py"), str(file), env=env, cwd=folder, **pipes) as acting:
        assert acting.stdin is not None
        assert acting.stdout is not None
        proof = json.loads(acting.stdout.readline())
        assert "wall" in proof, proof
        yield proof
        for _ in range(MOST_CONVERSATIONS):
            if cell.hostile.is_done:
                break
            acting.stdin.write(json.dumps(cell.hostile.next_prompt()) + "\n")
            acting.stdin.flush()
            yield json.loads(acting.stdout.readline())
        acting.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            acting.wait(10)
        acting.kill()


def _paths() -> list[str]:
    return [str(stage.SOURCES), str(HERE.parent), *(p for p in sys.path if "site-" in p)]
