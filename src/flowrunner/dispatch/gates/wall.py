"""The wall around agents: what `dispatch.execution` asks before it starts one.

guarded = await kit.wall.guard(command)
if isinstance(guarded, Refusal): ...   # the task fails with its code, message and hint
AgentProcess(guarded.command, ...)     # and guarded.record() belongs to the attempt
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.dispatch.gates.detection import detect
from flowrunner.dispatch.gates.gate import OPEN, REQUIRED, Gate
from flowrunner.dispatch.gates.places import mounts_below
from flowrunner.dispatch.gates.policy import Policy, Refusal, choose
from flowrunner.dispatch.gates.probe import ProbeResult, probe
from flowrunner.dispatch.spawning import AgentCommand


@dataclass(frozen=True, slots=True)
class Guarded:
    """A command behind its gate, and what was proved of that gate in its project."""

    command: AgentCommand
    proof: ProbeResult
    policy: Policy

    def record(self) -> Mapping[str, object]:
        """What is kept with the attempt and shown to people."""
        gate = self.proof.gate
        return {
            "gate": gate.name,
            "policy": self.policy,
            "proved": sorted(self.proof.proved),
            "claimed_untried": sorted(self.proof.untried),
            "uncovered": sorted(gate.uncovered),
            "probe": self.proof.told() if gate != OPEN else "no gate: nothing was probed",
            "probe_seconds": self.proof.seconds,
        }


class Wall:
    """Detects gates once in its life, and proves the chosen one once per project and its mounts.

    *room* is where tasks have their private folders; *path* is where programs are looked for.
    """

    def __init__(self, policy: Policy, room: Path, path: str) -> None:
        self.policy: Policy = policy
        self._room = room
        self._path = path
        self._lock = asyncio.Lock()
        self._detected: tuple[ProbeResult, ...] | None = None
        self._proofs: dict[object, ProbeResult] = {}

    async def detected(self) -> tuple[ProbeResult, ...]:
        """Return what this machine has, also what does not work here and why."""
        async with self._lock:
            return await self._detect()

    async def guard(self, command: AgentCommand) -> Guarded | Refusal:
        """Return *command* behind the best gate that holds in its project, or why it may not run.

        Where nothing held it is tried again each time: the operator may have repaired it.
        """
        async with self._lock:
            proof = await self._prove(command.cwd)
        if isinstance(proof, Refusal):
            return proof
        return Guarded(replace(command, gate=proof.gate), proof, self.policy)

    async def _prove(self, project: Path) -> ProbeResult | Refusal:
        key = await asyncio.to_thread(_identity, project)
        if key in self._proofs:
            return self._proofs[key]
        found = await self._detect()
        results = [result for result in found if not result.holds]
        for gate in _ranked(found):
            results.append(await asyncio.to_thread(probe, gate, project, self._room))
            if results[-1].holds and gate.rights >= REQUIRED:
                break
        chosen = choose(self.policy, results)
        if isinstance(chosen, Refusal):
            return chosen
        held = (result for result in results if result.gate == chosen and result.holds)
        proof = next(held, ProbeResult(gate=OPEN, project=project))
        if proof.gate != OPEN:
            self._proofs[key] = proof
        return proof

    async def _detect(self) -> tuple[ProbeResult, ...]:
        if self._detected is None:
            self._detected = await asyncio.to_thread(detect, self._room, self._path)
        return self._detected


def _ranked(found: tuple[ProbeResult, ...]) -> list[Gate]:
    holding = [result.gate for result in found if result.holds]
    return sorted(holding, key=lambda gate: -len(gate.rights))


def _identity(project: Path) -> object:
    """The folder and all file systems in it: another one mounted there has to be proved anew."""
    root = project.resolve()
    places = (root, *mounts_below(root))
    return tuple((os.fspath(place), *_numbers(place)) for place in places)


def _numbers(place: Path) -> tuple[int, ...]:
    try:
        found = place.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino)
