"""What an agent costs beside its model: the protocol, the gate, memory; real ones if installed."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.dispatch.acp.driving import Drive
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.session import Opening
from flowrunner.dispatch.acp.turn import AcpTalk
from flowrunner.dispatch.adapters.adapter import Endpoint
from flowrunner.dispatch.adapters.installed import check, site_of
from flowrunner.dispatch.adapters.launching import Conversation, Listeners, Place, Plan, converse
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.agents import Surroundings
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.wire.tasks import ClaimedTask
from suite.gates import AROUND, gates_that_hold
from suite.stage import Figures, Stage

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

from model_server.script import Call, Say  # a program of the tests
from model_server.server import Model, a_model

INSTALLED = Path(
    os.environ.get("FLOWRUNNER_AGENTS_DIR") or Path.home() / ".cache/flowrunner/agents"
)
LIMITS = ProcessLimits(total_seconds=100, watchdog_seconds=110)
_NAMES = ("qwen", "gemini", "codex", "claude", "opencode", "copilot", "api")
_BARE_ADDRESS = frozenset({"claude", "gemini"})
_PAGE = os.sysconf("SC_PAGE_SIZE")
_RUN = UUID("01890000-0000-7000-8000-000000000001")
_PLAIN = "import sys; sys.stdin.read(); print('fine')"
_PEER = """
import json, sys
def tell(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + chr(10)); sys.stdout.flush()
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("method") == "session/prompt":
        content = {"type": "text", "text": "fine"}
        update = {"sessionUpdate": "agent_message_chunk", "content": content}
        tell(method="session/update", params={"sessionId": "s", "update": update})
        tell(id=asked["id"], result={"stopReason": "end_turn"})
    elif "id" in asked:
        tell(id=asked["id"], result={"sessionId": "s"})
"""


async def measure(stage: Stage) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fr-agents-", dir="/var/tmp") as folder:
        place = Path(folder)
        (place / "room").mkdir()
        (place / "project").mkdir()
        (place / "project" / "README.md").write_text("kept\n", encoding="utf-8")
        gate = next(iter(await asyncio.to_thread(gates_that_hold, place)), OPEN)
        figures = await _protocol(place, stage.size(30, 5))
        for name in _NAMES:
            if check(ADAPTERS[name], site_of(INSTALLED)) is None:
                figures |= await _agent(name, gate, place, stage.size(5, 1))
            else:
                print(f"not measured: {name} is not installed", file=sys.stderr)
        return figures


async def _protocol(place: Path, rounds: int) -> Figures:
    """A few lines of Python that answer: on stdout, and by the protocol. Both taking turns."""
    plain, spoken = [], []
    for _ in range(rounds):
        began = time.monotonic()
        command = _command(place, _PLAIN, cap=100)
        ended = await AgentProcess(command, LIMITS, place / "room", lambda _k, _p: None).run()
        assert ended.output.text == "fine\n", ended
        plain.append(time.monotonic() - began)
        began = time.monotonic()
        talk = AcpTalk(Opening(cwd="/", prompt="?"), Recorder(lambda _piece: None, 100))
        command = _command(place, _PEER, cap=0)
        turn = await Drive(command, LIMITS, place / "room", talk, lambda _k, _p: None).run()
        assert turn.recorder.answer().text == "fine", turn
        spoken.append(time.monotonic() - began)
    return {
        "agent_command_ms": median(plain) * 1000,
        "agent_acp_ms": median(spoken) * 1000,
        "agent_acp_to_command": median(spoken) / median(plain),
    }


def _command(place: Path, script: str, *, cap: int) -> AgentCommand:
    return AgentCommand(
        argv=(sys.executable, "-I", "-S", "-c", script),
        env={"PATH": AROUND},
        cwd=place,
        stdin=b"",
        output_cap=cap,
    )


async def _agent(name: str, gate: Gate, place: Path, rounds: int) -> Figures:
    """A whole task: start, a file read, an answer, the end. Behind the widest gate, and without."""
    seconds: dict[Gate, list[float]] = {OPEN: [], gate: []}
    peaks: list[float] = []
    project = place / "project"
    with a_model(Call("read", str(project / "README.md")), Say("It is all well.")) as model:
        plan = _plan(name, model)
        await _once(replace(plan, gate=gate), place)  # its files come into memory
        for _ in range(rounds):
            for through, kept in seconds.items():
                taken, peak = await _once(replace(plan, gate=through), place)
                kept.append(taken)
                peaks.append(peak)
    middle = median(seconds[OPEN])
    return {
        f"agent_{name}_seconds": middle,
        f"agent_{name}_gated_to_open": median(seconds[gate]) / middle,
        f"agent_{name}_peak_megabytes": max(peaks) / 1e6,
    }


def _plan(name: str, model: Model) -> Plan:
    address = model.address if name in _BARE_ADDRESS else f"{model.address}/v1"
    return Plan(
        adapter=ADAPTERS[name],
        endpoint=Endpoint("scripted", "sk-of-the-benchmark", address),
        site=site_of(INSTALLED),
    )


async def _once(plan: Plan, place: Path) -> tuple[float, float]:
    task = ClaimedTask(
        task_id=f"{_RUN}.0.1",
        run_id=_RUN,
        step_no=0,
        attempt=1,
        epoch=1,
        queue="default",
        step_key="look",
        project_root=str(place / "project"),
        agent=plan.adapter.name,
        mode_id="plan",
        limits=Limits(100.0),
        input=b"Which word is it?",
    )
    listeners = Listeners(lambda _piece: None, lambda _piece: None)
    around = Surroundings(AROUND, "C.UTF-8", None)
    made = converse(task, plan, around, Place(place / "room", LIMITS), listeners)
    assert isinstance(made, Conversation), made
    watch = _Peak(place / "project")
    watching = asyncio.create_task(watch.run())
    began = time.monotonic()
    judged = await made.run()
    taken = time.monotonic() - began
    watching.cancel()
    assert judged.report.outcome == "completed", judged
    return taken, watch.bytes


@dataclass
class _Peak:
    """The most memory that all processes in *folder* had at once, our supervisor and gate too."""

    folder: Path
    bytes: int = 0

    async def run(self) -> None:
        while True:
            self.bytes = max(self.bytes, await asyncio.to_thread(self._now))
            await asyncio.sleep(0.05)

    def _now(self) -> int:
        total = 0
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and (entry / "cwd").readlink() == self.folder:
                    total += int((entry / "statm").read_text().split()[1]) * _PAGE
        return total
