"""Which gate is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.gates import stage
from flowrunner.dispatch.gates.detection import detect
from flowrunner.dispatch.gates.gate import OPEN, REQUIRED, Gate, Right, wrap
from flowrunner.dispatch.gates.policy import Policy, Refusal, choose
from flowrunner.dispatch.gates.probe import ProbeResult

PROJECT = Path("/project")
BOX, FULL = Gate(bubblewrap="/bin/bwrap"), Gate(bubblewrap="/bin/bwrap", landlock=6)
NEW, OLD = Gate(landlock=6), Gate(landlock=2)


def holding(gate: Gate) -> ProbeResult:
    return ProbeResult(gate=gate, project=PROJECT, proved=gate.rights)


def broken(gate: Gate, problem: str = "it leaks") -> ProbeResult:
    return ProbeResult(gate=gate, project=PROJECT, problem=problem)


@pytest.mark.parametrize(
    ("policy", "found", "chosen"),
    [
        ("strict", [holding(NEW), holding(FULL), holding(BOX)], FULL),
        ("strict", [broken(FULL), holding(BOX), holding(NEW)], BOX),
        ("strict", [broken(BOX), holding(OLD), holding(NEW)], NEW),
        ("tool-level", [holding(NEW), holding(FULL)], FULL),
        ("tool-level", [broken(BOX), holding(OLD)], OLD),
        ("tool-level", [broken(BOX)], OPEN),
        ("tool-level", [], OPEN),
    ],
    ids=[
        "widest",
        "next",
        "new-enough",
        "tools-widest",
        "tools-weak",
        "tools-broken",
        "tools-none",
    ],
)
def test_the_widest_gate_that_holds_is_taken(
    policy: Policy, found: list[ProbeResult], chosen: Gate
) -> None:
    """P8, F54: only an operator's explicit word runs an agent without a gate."""
    assert choose(policy, found) == chosen


@pytest.mark.parametrize(
    "found", [[], [broken(BOX)], [holding(OLD)]], ids=["none", "broken", "weak"]
)
def test_strict_refuses_without_a_gate(found: list[ProbeResult]) -> None:
    """P8, F68: a code, what was tried and why it does not do, and what to do about it."""
    refusal = choose("strict", found)

    assert isinstance(refusal, Refusal)
    assert refusal.code == "no_gate"
    assert "tool-level" in refusal.hint
    assert (refusal.error().failure_class, refusal.error().hint) == ("fatal", refusal.hint)
    assert all(result.gate.name in refusal.message for result in found)


def test_a_weak_gate_is_refused_with_what_it_lacks() -> None:
    """P8, P11: an old Landlock holds, and lets files be cut."""
    refusal = choose("strict", [holding(OLD), broken(BOX, "not installed")])

    assert isinstance(refusal, Refusal)
    assert "landlock-2: holds, but does not cover truncation" in refusal.message
    assert "bubblewrap: not installed" in refusal.message


def test_what_gates_cover_adds_up() -> None:
    """P8: a stack covers what its parts do; what none covers is named."""
    assert OPEN.rights == frozenset()
    assert OPEN.name == "none"
    assert FULL.name == "bubblewrap+landlock-6"
    assert FULL.rights == BOX.rights | NEW.rights == frozenset(Right) - {Right.TCP}
    assert BOX.uncovered == {Right.ABSTRACT_SOCKETS, Right.TCP}
    assert NEW.uncovered == {Right.METADATA, Right.SURVIVAL, Right.HIDDEN, Right.TCP}
    assert NEW.rights >= REQUIRED


def test_without_a_gate_a_command_is_as_it_was() -> None:
    """F54: nothing stands between the supervisor and the agent."""
    assert wrap(OPEN, ("/bin/true", "-x"), cwd=PROJECT, writable=()) == ("/bin/true", "-x")


def test_detection_tells_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    """P8, F68: each gate of this machine was tried, and a missing one has its reason."""
    found = {result.gate.name: result for result in detect(tmp_path / "room", "/nonexistent")}

    assert found["bubblewrap"].problem == "bwrap is not installed"
    if stage.ABI:
        assert found[f"landlock-{stage.ABI}"].holds
    assert list((tmp_path / "room").iterdir()) == []


def test_parts_that_hold_are_stacked(tmp_path: Path) -> None:
    """P8: the widest comes first."""
    stage.gate("namespaces+landlock")

    found = detect(tmp_path / "room", "/nonexistent")

    assert found[0].gate == stage.GATES["namespaces+landlock"]
    assert found[0].holds, found[0].told()


def test_only_a_gate_makes_this_machine_fit_for_agents() -> None:
    """P8: if this is skipped, every test of the wall is: none of them counts for this machine."""
    if not (stage.ABI or stage.BWRAP):
        pytest.skip("this machine has neither Landlock nor bubblewrap")
    assert isinstance(choose("strict", [holding(NEW if stage.ABI else BOX)]), Gate)
