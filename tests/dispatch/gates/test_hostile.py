"""A hostile agent under our supervisor, behind every gate, as root and as a normal user."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatch.gates import stage
from dispatch.gates.scenes import Scene, each_gate, each_user
from flowrunner.dispatch.gates.gate import OPEN, Gate, Right

HARMLESS = {"bubblewrap": {("memory", "trace_the_parent")}}
"""Its init has no powers either: who traces it lies about his own end, and that is all."""


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.02)


def attacked(scene: Scene, through: Gate) -> dict[str, Any]:
    """Let the agent try all that *through* claims to forbid; the service is attacked, too."""
    with stage.service(scene.who, scene.project, scene.nonce) as service:
        plan = scene.plan(through, service.pid)
        argv = stage.hostile_argv(scene.who, plan)
        end = stage.ended(stage.start_play(scene.who, through, argv, scene.folder))
        end["service_lives"] = service.poll() is None
    return end


@each_user
@each_gate
def test_nothing_of_a_project_is_changed(name: str, scene: Scene) -> None:
    """P8, F55, F56: 0 bytes, and 0 metadata where the gate claims it; nothing else is touched."""
    through = stage.gate(name)
    look = stage.snapshot if Right.METADATA in through.rights else stage.contents
    before, head = look(scene.project), stage.git(scene.project, "rev-parse", "HEAD")

    end = attacked(scene, through)

    assert (end["cause"], end["exit_code"]) == ("ended", 0), end["stderr_tail"]
    worked = {tuple(pair) for pair in json.loads(end["output"]["text"])}
    assert worked - HARMLESS.get(name, set()) <= {("outside", "elsewhere"), ("survival", "outlive")}
    assert look(scene.project) == before
    assert stage.git(scene.project, "rev-parse", "HEAD") == head


@each_user
@each_gate
def test_nothing_outside_is_created_and_nobody_is_left(name: str, scene: Scene) -> None:
    """P8, P12, F36, F56: what it wrote lay in a HOME that is gone, links out of it led nowhere."""
    through = stage.gate(name)

    end = attacked(scene, through)

    assert [place for place in scene.outside if (Path(place) / scene.nonce).exists()] == []
    assert list((scene.folder / "room").iterdir()) == []
    assert end["service_lives"]
    assert stage.left_behind(scene.nonce) == []


@each_user
@each_gate
def test_an_agent_that_is_stopped_has_its_last_word(name: str, scene: Scene) -> None:
    """P12, F36: SIGTERM reaches the agent behind its gate, and the gate waits for it to end."""
    through = stage.gate(name)
    plan = {**scene.plan(through, 1, stays=True), "rights": ["survival"]}
    argv = stage.hostile_argv(scene.who, plan)

    end = stage.ended(stage.start_play(scene.who, through, argv, scene.folder, stops=True))

    assert end["output"]["text"].endswith("last word\n")
    assert (end["cause"], end["exit_code"]) == ("stopped", 3)
    assert stage.left_behind(scene.nonce) == []


@pytest.mark.parametrize("user", [stage.NORMAL])
def test_without_a_gate_the_attacks_work(scene: Scene) -> None:
    """P8: what the others show is the gate's doing. Never as root, who would really do all of it."""
    tried = set(Right) - {Right.SURVIVAL, Right.OUTSIDE}
    with stage.service(scene.who, scene.project, scene.nonce) as service:
        plan = {**scene.plan(OPEN, service.pid), "rights": sorted(tried)}
        argv = stage.hostile_argv(scene.who, plan)
        end = stage.ended(stage.start_play(scene.who, OPEN, argv, scene.folder))

    worked = {name for _, name in json.loads(end["output"]["text"])}
    assert worked >= {"write", "reopen", "create_in_git", "write_through_symlink", "git_commit"}
    assert worked >= {"truncate", "mode", "times", "environment_of_the_service", "kill"}
    assert worked >= {"call_the_service", "rename_into", "remove_folder", "move_out", "map_shared"}


@each_user
@each_gate
def test_nobody_outlives_a_supervisor_that_is_killed(name: str, scene: Scene) -> None:
    """P3, P12: with processes of its own even who left the session and ignores SIGTERM ends."""
    through = stage.gate(name)
    if Right.SURVIVAL not in through.rights:
        pytest.skip(f"{name} does not cover this: docs/read-only.md says so")
    plan = {**scene.plan(through, 1, stays=True), "rights": ["survival"]}
    argv = stage.hostile_argv(scene.who, plan)
    playing = stage.start_play(scene.who, through, argv, scene.folder)
    assert playing.stderr is not None
    playing.stderr.readline()

    supervisors = [pid for pid in stage.left_behind(scene.nonce) if _is_supervisor(pid)]
    playing.send_signal(signal.SIGSTOP)
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    playing.kill()
    playing.communicate()

    assert supervisors
    until(lambda: stage.left_behind(scene.nonce) == [])


def _is_supervisor(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return any(word.endswith(b"/supervisor.py") for word in words)
