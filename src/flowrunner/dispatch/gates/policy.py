"""Run behind the best gate that holds; without one it is the operator's decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowrunner.dispatch.gates.gate import OPEN, REQUIRED, Gate, Right
from flowrunner.dispatch.gates.probe import ProbeResult
from flowrunner.wire.tasks import TaskError

Policy: TypeAlias = Literal["strict", "tool-level"]
"""Without a gate `strict` refuses to run; `tool-level` trusts the agent's own read-only mode."""

NO_GATE = "no_gate"
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is started."""

    code: str
    message: str
    hint: str

    def error(self) -> TaskError:
        """The task's failure; no attempt on this machine would differ."""
        return TaskError(code=self.code, message=self.message, hint=self.hint)


def choose(
    policy: Policy, found: Sequence[ProbeResult], asked: frozenset[Right] = REQUIRED
) -> Gate | Refusal:
    """Return the gate that covers most of those that hold; the first of equals.

    *asked* are the rights without which `strict` takes none.
    """
    holding = [result.gate for result in found if result.holds]
    enough = [gate for gate in holding if gate.rights >= asked]
    match policy:
        case "strict":
            return _widest(enough) if enough else _refusal(found, asked)
        case "tool-level":
            return _widest(enough or holding or [OPEN])


def _widest(gates: Sequence[Gate]) -> Gate:
    return max(gates, key=lambda gate: len(gate.rights))


def _refusal(found: Sequence[ProbeResult], asked: frozenset[Right]) -> Refusal:
    told = [f"{result.gate.name}: {_why_not(result, asked)}" for result in found][:_TOLD]
    reasons = "; ".join(told) or "this system has none that we know"
    return Refusal(
        NO_GATE,
        f"no gate keeps an agent from writing here ({reasons})",
        "install bubblewrap, allow user namespaces, or use a kernel with Landlock (6.2 or later);"
        " to rely on the agents' own read-only modes set the policy to 'tool-level'",
    )


def _why_not(result: ProbeResult, asked: frozenset[Right]) -> str:
    missing = asked - result.gate.rights
    if result.holds and missing:
        return f"holds, but does not cover {', '.join(sorted(missing))}"
    return result.told()
