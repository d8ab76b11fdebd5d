"""A hostile agent under our supervisor, behind every gate, as root and as a normal user."""

from __future__ import annotations

import ast
import json
import os
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatch.gates import stage
from flowrunner.dispatch.gates.changes import compare
from flowrunner.dispatch.gates.digest import take
from flowrunner.dispatch.gates.gate import OPEN, Gate, Right

each_gate = pytest.mark.parametrize("name", stage.GATES)
each_user = pytest.mark.parametrize("user", stage.USERS)


@dataclass(frozen=True, slots=True)
class Scene:
    """A hostile agent's surroundings."""

    who: stage.Actor
    folder: Path
    project: Path
    nonce: str

    @property
    def outside(self) -> list[str]:
        return [str(self.folder), str(self.folder / "room"), *stage.SHARED]

    def plan(self, through: Gate, service: int, *, stays: bool = False) -> dict[str, object]:
        return {
            "project": str(self.project),
            "outside": self.outside,
            "rights": sorted(through.rights),
            "service": service,
            "mark": stage.MARK,
            "nonce": self.nonce,
            "stays": stays,
        }


@pytest.fixture
def scene(user: str) -> Generator[Scene]:
    """A project and a folder of the user's own."""
    who = stage.actor(user)
    with stage.ground(who.user) as folder:
        project = stage.a_project(folder, who.user)
        yield Scene(who, folder, project, f"hostile-{secrets.token_hex(8)}")


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
    """P8, I8, F55, F56: 0 bytes, and 0 metadata where the gate claims it; nothing else is touched."""
    through = stage.gate(name)
    look = stage.snapshot if Right.METADATA in through.rights else stage.contents
    before, head = look(scene.project), stage.git(scene.project, "rev-parse", "HEAD")

    end = attacked(scene, through)

    assert (end["cause"], end["exit_code"]) == ("ended", 0), end["stderr_tail"]
    worked = {tuple(pair) for pair in json.loads(end["output"]["text"])}
    assert worked <= {("outside", "elsewhere"), ("survival", "outlive")}
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


INSIDE = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
words = [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs")]
spaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "ipc")]
print(words, spaces, sorted(os.listdir("/proc/self/fd")), sep="|")
"""
NEEDED = """
import multiprocessing, os, pty, tempfile
open("/dev/null", "w").write("x")
tempfile.TemporaryFile().write(b"x")
os.makedirs(os.path.expanduser("~/.agent/deep"))
os.rename(os.path.expanduser("~/.agent"), os.path.expanduser("~/.moved"))
print(open("tracked.txt").read().strip(), os.getcwd())
"""
NEEDED_BESIDE = "multiprocessing.Lock(); os.write(pty.openpty()[0], b'x')\n"


def said_inside(scene: Scene, through: Gate, script: str) -> dict[str, Any]:
    argv = [scene.who.python, "-I", "-B", "-c", script]
    return stage.ended(stage.start_play(scene.who, through, argv, scene.folder))


@each_user
@each_gate
def test_an_agent_has_no_powers_left(name: str, scene: Scene) -> None:
    """P8: no capability, none to be gained, nothing open but its streams, a namespace each."""
    through = stage.gate(name)

    end = said_inside(scene, through, INSIDE)

    words, spaces, opened = end["output"]["text"].strip().split("|")
    effective, permitted, bound, ambient, no_more = ast.literal_eval(words)
    assert {effective, permitted, ambient} == {"0" * 16}
    assert no_more == "1"
    assert scene.who.user or bound == "0" * 16
    assert opened == "['0', '1', '2', '3']"  # The last one lists them.
    if Right.SURVIVAL in through.rights:
        ours = [
            str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("user", "mnt", "pid", "ipc")
        ]
        assert not set(ast.literal_eval(spaces)) & set(ours)


@each_user
@each_gate
def test_an_agent_finds_what_it_needs(name: str, scene: Scene) -> None:
    """F54: its HOME and TMPDIR are its own; terminals and locks, too, where /dev is private."""
    through = stage.gate(name)
    beside = NEEDED_BESIDE if Right.SURVIVAL in through.rights else ""

    end = said_inside(scene, through, NEEDED + beside)

    assert end["exit_code"] == 0, end["stderr_tail"]
    assert end["output"]["text"] == f"kept {scene.project}\n"


@each_user
@each_gate
def test_a_device_in_a_project_is_no_device(name: str, scene: Scene) -> None:
    """P8: who planted the node of a disk there wants somebody else to write to it."""
    through = stage.gate(name)
    if os.getuid() != 0:
        pytest.skip("only root can make the node of a device")
    os.mknod(scene.project / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (scene.project / "device").chmod(0o666)

    end = said_inside(scene, through, "open('device', 'w')")

    assert end["exit_code"] == 1
    assert "Permission denied" in end["stderr_tail"]


@each_user
@pytest.mark.parametrize("name", ["namespaces", "bubblewrap"])
def test_there_are_no_namespaces_within_namespaces(name: str, scene: Scene) -> None:
    """P8: in one of its own an agent would have every capability again."""
    through = stage.gate(name)
    argv = [shutil.which("unshare") or "unshare", "-U", "true"]

    end = stage.ended(stage.start_play(scene.who, through, argv, scene.folder))

    assert end["exit_code"] == 1
    assert "unshare failed" in end["stderr_tail"]


@each_user
@each_gate
def test_an_agent_hears_every_signal(name: str, scene: Scene) -> None:
    """P12: what a gate ignores for itself, and Python for us, is not inherited."""
    through = stage.gate(name)
    argv = ["/bin/grep", "SigIgn", "/proc/self/status"]

    end = stage.ended(stage.start_play(scene.who, through, argv, scene.folder))

    assert end["output"]["text"].split() == ["SigIgn:", "0" * 16]


@each_user
def test_the_init_of_its_processes_is_not_its_own(scene: Scene) -> None:
    """P8: it cannot be traced or read, and so tells how the agent ended and nothing else."""
    end = said_inside(scene, stage.gate("namespaces"), "open('/proc/1/environ').read()")

    assert end["exit_code"] == 1
    assert "Permission denied" in end["stderr_tail"]


@each_user
@pytest.mark.parametrize(
    ("abi", "script"),
    [(2, "os.truncate('tracked.txt', 0)"), (6, "os.chmod('tracked.txt', 0o600)")],
    ids=["truncate", "chmod"],
)
def test_what_landlock_does_not_claim_goes_through(abi: int, script: str, scene: Scene) -> None:
    """P8, P11: the page does not list it for nothing; strict refuses the one, the look finds both."""
    stage.gate("landlock")
    if stage.ABI < abi:
        pytest.skip(f"this kernel has version {stage.ABI}")
    before = take(scene.project)

    end = said_inside(scene, Gate(landlock=abi), f"import os; {script}")

    assert end["exit_code"] == 0, end["stderr_tail"]
    changed = {change.path for change in compare(before, take(scene.project, earlier=before))}
    assert changed >= {"tracked.txt"}


@pytest.mark.parametrize("user", ["nobody"])
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
    return b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[3]


@each_user
@each_gate
def test_how_an_agent_ended_is_told_through_the_gate(name: str, scene: Scene) -> None:
    """F36: an exit code arrives as it was; a signal too, but for bubblewrap, which adds 128."""
    through = stage.gate(name)
    kill = ["/bin/sh", "-c", "kill -9 $$"]

    code = stage.ended(
        stage.start_play(scene.who, through, ["/bin/sh", "-c", "cat; exit 7"], scene.folder)
    )
    killed = stage.ended(stage.start_play(scene.who, through, kill, scene.folder))

    assert (code["exit_code"], code["output"]["text"]) == (7, "prompt")
    told = (killed["exit_code"], killed["signal"])
    assert told == ((137, None) if through.bubblewrap else (None, 9))


@each_user
@each_gate
def test_an_agent_that_does_not_exist_is_told(name: str, scene: Scene) -> None:
    """P11: a program that is missing is not blamed on the gate, and is not tried again."""
    through = stage.gate(name)

    end = stage.ended(stage.start_play(scene.who, through, ["/nonexistent"], scene.folder))

    assert end["exit_code"] == 127
    assert "/nonexistent" in end["stderr_tail"]
