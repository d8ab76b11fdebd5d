"""The probe believes no gate: it tries, and the outside looks at what became of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dispatch.gates import stage
from flowrunner.dispatch.gates import landlock
from flowrunner.dispatch.gates.gate import REQUIRED, Gate, Right
from flowrunner.dispatch.gates.places import targets_in
from flowrunner.dispatch.gates.probe import Attempt, ProbeResult, probe

each_gate = pytest.mark.parametrize("name", stage.GATES)
PROBE = """
import json, sys
from pathlib import Path
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.probe import probe
found = probe(Gate(**json.loads(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
print(json.dumps({"proved": sorted(found.proved), "holds": found.holds, "told": found.told(),
    "failed": [(attempt.right, attempt.name) for attempt in found.failed]}))
"""
LEAKY = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that everybody may reach."""
    with stage.ground() as ground:
        ground.chmod(0o755)
        yield ground


def probed(who: stage.Actor, gate: Gate, project: Path, room: Path) -> dict[str, Any]:
    """Probe as another user."""
    words = json.dumps(asdict(gate))
    asked = who.run("-c", PROBE, words, str(project), str(room), stdout=subprocess.PIPE)
    said, _ = asked.communicate(timeout=60)
    return json.loads(said)


@pytest.mark.parametrize("user", stage.USERS)
@each_gate
def test_a_gate_keeps_what_it_claims(name: str, user: str) -> None:
    """P8, F55: every claimed right is tried and refused, and trying leaves no trace."""
    gate, who = stage.gate(name), stage.actor(user)
    with stage.ground(who.user) as folder:
        project = stage.a_project(folder, who.user)
        before = stage.snapshot(project)

        found = probed(who, gate, project, folder / "room")

        assert found["holds"], found["told"]
        assert set(found["proved"]) >= gate.rights - {Right.DEVICES}
        assert stage.snapshot(project) == before


def test_a_gate_that_leaks_is_found_out() -> None:
    """P8: a program that only looks like bubblewrap keeps nothing, and all of it is seen."""
    who = stage.actor(stage.NORMAL)
    with stage.ground(who.user) as folder:
        program = folder / "bwrap"
        program.write_text(LEAKY, encoding="utf-8")
        program.chmod(0o755)
        project = stage.a_project(folder, who.user)
        before = stage.contents(project)

        found = probed(who, Gate(bubblewrap=str(program)), project, folder / "room")

        rights = {right for right, _ in found["failed"]}
        names = {name for _, name in found["failed"]}
        assert (found["holds"], found["proved"]) == (
            False,
            ["devices"] if "devices" in found["proved"] else [],
        )
        assert rights == set(Right) - {Right.DEVICES, Right.ABSTRACT_SOCKETS, Right.TCP}
        assert names >= {"create", "append", "rename", "symlink", "hard link into", "rename into"}
        assert names >= {"truncate", "chmod", "utime", "environ", "kill", "double fork"}
        assert stage.contents(project) == before


@pytest.mark.parametrize("condition", ["[ ! -e {0}/marker ]", "true"], ids=["once", "always"])
def test_a_change_by_somebody_else_is_tried_again(condition: str, folder: Path) -> None:
    """P8, P11: once may be chance; if it goes on, nothing was proved, and nobody is blamed."""
    stage.gate("bubblewrap")
    project = stage.a_project(folder)
    lines = ("#!/bin/sh", f"if {condition.format(folder)}; then", f"touch {folder}/marker")
    more = (f"date > {project}/new-$$", "fi", f'exec {stage.BWRAP} "$@"')
    program = folder / "bwrap"
    program.write_text("\n".join((*lines, *more)), encoding="utf-8")
    program.chmod(0o755)

    found = probe(Gate(bubblewrap=str(program)), project, folder / "room")

    assert found.failed == ()
    assert found.holds == (condition != "true"), found.told()
    assert found.holds or "perhaps by somebody else" in found.told()


@pytest.mark.parametrize("abi", range(1, landlock.NEWEST + 1))
def test_each_version_of_landlock_covers_what_it_says(abi: int, folder: Path) -> None:
    """P8: the table in docs/read-only.md, version by version."""
    if abi > stage.ABI:
        pytest.skip(f"this kernel has version {stage.ABI}")
    gate = Gate(landlock=abi)

    found = probe(gate, stage.a_project(folder), folder / "room")

    assert found.holds, found.told()
    assert (Right.TRUNCATION in gate.rights) == (abi >= 3)
    assert (Right.DEVICES in gate.rights) == (abi >= 5)
    assert (Right.SIGNALS in gate.rights) == (abi >= 6)
    assert (gate.rights >= REQUIRED) == (abi >= 3)


def test_every_file_system_of_a_project_is_tried(folder: Path) -> None:
    """P8: what is mounted inside a project is a place of its own, and kept like the rest."""
    gate, who = stage.gate("namespaces"), stage.actor("root")
    project = stage.a_project(folder)
    script = f"""
import json, subprocess, sys
from pathlib import Path
from flowrunner.dispatch.gates import kernel
kernel.unshare(kernel.NEW_MOUNTS)
kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
inner = Path(sys.argv[1]) / "folder"
kernel.mount("tmpfs", str(inner), "tmpfs", 0)
(inner / "a file").touch()
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.places import targets_in
from flowrunner.dispatch.gates.probe import probe
found = probe(Gate(namespaces={gate.namespaces}), Path(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps([found.holds, found.told(), list(targets_in(Path(sys.argv[1])))]))
"""
    asked = who.run("-c", script, str(project), str(folder / "room"), stdout=subprocess.PIPE)
    holds, told, targets = json.loads(asked.communicate(timeout=60)[0])

    assert holds, told
    assert [str(project / "folder"), str(project / "folder" / "a file"), ""] in targets


def test_a_worktree_is_tried_where_git_keeps_it(folder: Path) -> None:
    """P8: its own folder and the common one lie elsewhere, and are no less the user's."""
    project = stage.a_project(folder)
    stage.git(project, "worktree", "add", "-q", str(folder / "other"))

    places = {target[0] for target in targets_in(folder / "other")}

    assert places >= {
        str(folder / "other"),
        str(project / ".git"),
        str(project / ".git/worktrees/other"),
    }


def test_a_project_that_cannot_be_read_is_told(folder: Path) -> None:
    """P8, F68: behind a gate root has no powers; an agent that sees nothing would find nothing."""
    who = stage.actor("nobody")
    project = stage.a_project(folder, who.user)
    project.chmod(0o700)

    found = probe(Gate(landlock=stage.gate("landlock").landlock), project, folder / "room")

    assert not found.holds
    assert "cannot be" in found.told() or "Permission denied" in found.told()


def test_a_private_file_of_another_is_no_obstacle(folder: Path) -> None:
    """P8: who reviews another's project reads what that user lets everybody read."""
    who, gate = stage.actor("nobody"), stage.gate("landlock")
    project = stage.a_project(folder, who.user)
    for name in (".gitignore", "ignored", "untracked.txt"):
        (project / name).chmod(0o600)

    found = probe(gate, project, folder / "room")

    assert found.holds, found.told()


def test_a_project_that_a_gate_hides_is_told() -> None:
    """P8, F68: with a private /dev nothing of the shared memory is there; nothing is run then."""
    gate = stage.gate("namespaces")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as project, stage.ground() as folder:
        found = probe(gate, Path(project), folder)

    assert "the gate could not be closed" in found.problem


def test_a_gate_whose_program_is_missing_is_told(folder: Path) -> None:
    """P11: the reason is in the answer."""
    found = probe(Gate(bubblewrap="/nonexistent/bwrap"), stage.a_project(folder), folder)

    assert not found.holds
    assert "/nonexistent/bwrap" in found.problem


def test_a_result_says_in_a_line_what_is_wrong() -> None:
    """P11: first what stopped the probe, then what was let through."""
    gate = Gate(landlock=3)
    attempt = Attempt(Right.CONTENT, "create", "/project", 0)
    place = Path("/project")

    failed = ProbeResult(gate=gate, project=place, failed=(attempt,))
    changed = ProbeResult(gate=gate, project=place, changed=("/project/a",))
    fine = ProbeResult(gate=gate, project=place, proved=gate.rights)

    assert failed.told() == "create in /project: it worked"
    assert failed.untried == gate.rights - {Right.CONTENT}
    assert changed.told() == "/project/a changed during the probe, perhaps by somebody else"
    assert fine.told() == "holds: content, memory, outside, truncation"
    assert [result.holds for result in (failed, changed, fine)] == [False, False, True]
