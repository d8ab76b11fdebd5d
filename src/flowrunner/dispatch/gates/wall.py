"""The wall around agents: what is asked before one is started (P8).

closed = await wall.close(project)
if isinstance(closed, Refusal): ...   # the task fails with its code, message and hint
... start the agent behind closed.gate; closed.record() belongs to the attempt
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from flowrunner.dispatch.gates.detection import candidates, detect, missing, try_out
from flowrunner.dispatch.gates.gate import OPEN, REQUIRED, Gate, Right
from flowrunner.dispatch.gates.hiding import coverable
from flowrunner.dispatch.gates.places import mounts_below
from flowrunner.dispatch.gates.policy import Policy, Refusal, choose
from flowrunner.dispatch.gates.probe import ProbeResult, probe
from flowrunner.dispatch.spawning import AgentCommand


@dataclass(frozen=True, slots=True)
class Closed:
    """The gate for a project, and what was proved of it there."""

    proof: ProbeResult
    policy: Policy

    @property
    def gate(self) -> Gate:
        return self.proof.gate

    def record(self) -> dict[str, JsonValue]:
        """What is kept with the attempt and shown to people."""
        gate = self.proof.gate
        return {
            "gate": gate.name,
            "policy": self.policy,
            "proved": [right.value for right in sorted(self.proof.proved)],
            "claimed_untried": [right.value for right in sorted(self.proof.untried)],
            "ports": None if gate.ports is None else list(gate.ports),
            "uncovered": [right.value for right in sorted(gate.uncovered)],
            "probe": self.proof.told() if gate != OPEN else "no gate: nothing was probed",
            "probe_seconds": self.proof.seconds,
        }


@dataclass(frozen=True, slots=True)
class Guarded:
    """A command behind its gate."""

    command: AgentCommand
    closed: Closed

    def record(self) -> dict[str, JsonValue]:
        return self.closed.record()


class Wall:
    """Tries a gate once in its life, and proves the chosen one once per project and its mounts.

    *room* is where tasks have their private folders; *path* is where programs are looked for.
    *gates* are tried in their order; None: all that this machine seems to have, the best first.
    *hidden* are places that no agent gets to see, where its gate can hide. *ports* are all that
    agents may connect to by TCP; None: any. *needs* are rights that `strict` asks for beside those
    that it always does.
    """

    def __init__(
        self,
        policy: Policy,
        room: Path,
        path: str,
        *,
        gates: Sequence[Gate] | None = None,
        hidden: Sequence[Path] = (),
        ports: Sequence[int] | None = None,
        needs: Collection[Right] = (),
    ) -> None:
        self.policy: Policy = policy
        self._gates = gates
        self._hidden = tuple(hidden)
        self._ports = None if ports is None else tuple(ports)
        limits = () if ports is None else (Right.TCP,)
        self.asked: frozenset[Right] = REQUIRED.union(needs, limits)
        self._room = room
        self._path = path
        self._lock = asyncio.Lock()
        self._tried: dict[Gate, ProbeResult] = {}
        self._proofs: dict[object, ProbeResult] = {}

    async def detected(self) -> tuple[ProbeResult, ...]:
        """Return what this machine has, also what does not work here and why."""
        return await asyncio.to_thread(detect, self._room, self._path, self._ports)

    async def guard(self, command: AgentCommand) -> Guarded | Refusal:
        """Return *command* behind the gate for its directory, or why it may not run."""
        closed = await self.close(command.cwd)
        if isinstance(closed, Refusal):
            return closed
        return Guarded(replace(command, gate=closed.gate), closed)

    async def close(self, project: Path) -> Closed | Refusal:
        """Return the best gate that holds in *project*, or why no agent may run there.

        Where nothing held it is tried again each time: the operator may have repaired it.
        """
        async with self._lock:
            proof = await self._prove(project)
        return proof if isinstance(proof, Refusal) else Closed(proof, self.policy)

    async def _prove(self, project: Path) -> ProbeResult | Refusal:
        key = await asyncio.to_thread(_identity, project)
        if key in self._proofs:
            return self._proofs[key]
        results: list[ProbeResult] = []
        gates = candidates(self._path) if self._gates is None else self._gates
        programs = map(Path, self._path.split(os.pathsep))
        hidden = await asyncio.to_thread(coverable, self._hidden, (project, *programs))
        for gate in (replace(gate, hidden=hidden, ports=self._ports) for gate in gates):
            results.append(await self._try(gate, project))
            if results[-1].holds and gate.rights >= self.asked:
                break
        else:
            results += missing([result.gate for result in results], self._room)
        chosen = choose(self.policy, results, self.asked)
        if isinstance(chosen, Refusal):
            return chosen
        held = (result for result in results if result.gate == chosen and result.holds)
        proof = next(held, ProbeResult(gate=OPEN, project=project))
        if proof.gate != OPEN:
            self._proofs[key] = proof
        return proof

    async def _try(self, gate: Gate, project: Path) -> ProbeResult:
        """First on a project of our own, so that people's projects meet no gate that is none."""
        if gate not in self._tried:
            # Its project lies in our room, which may be hidden from people's.
            tried = await asyncio.to_thread(try_out, replace(gate, hidden=()), self._room)
            if not tried.holds:
                return tried
            self._tried[gate] = tried
        return await asyncio.to_thread(probe, gate, project, self._room)


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
