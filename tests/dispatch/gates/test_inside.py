"""What an agent has behind a gate, and what it has not."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from dispatch.gates import stage
from dispatch.gates.scenes import Scene, each_gate, each_user, said_inside
from flowrunner.dispatch.gates.changes import compare
from flowrunner.dispatch.gates.digest import take
from flowrunner.dispatch.gates.gate import Gate, Right

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
    """P12: what a gate ignores for itself, and Python for us, is not inherited.

    The C library keeps two signals for itself, which nobody may set: what our parents did stays.
    """
    through = stage.gate(name)
    argv = ["/bin/grep", "SigIgn", "/proc/self/status"]

    end = stage.ended(stage.start_play(scene.who, through, argv, scene.folder))

    ignored = int(end["output"]["text"].removeprefix("SigIgn:"), 16)
    assert [number for number in signal.valid_signals() if ignored >> (number - 1) & 1] == []


@each_user
def test_the_init_of_its_processes_is_not_its_own(scene: Scene) -> None:
    """P8: it has no powers, cannot be traced or read, and tells how the agent ended."""
    script = "print(open('/proc/1/status').read())\nopen('/proc/1/environ').read()"

    end = said_inside(scene, stage.gate("namespaces"), script)

    assert f"CapEff:\t{'0' * 16}" in end["output"]["text"]
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
    if abi > stage.ABI:
        pytest.skip(f"this kernel has version {stage.ABI}")
    before = take(scene.project)

    end = said_inside(scene, Gate(landlock=abi), f"import os; {script}")

    assert end["exit_code"] == 0, end["stderr_tail"]
    changed = {change.path for change in compare(before, take(scene.project, earlier=before))}
    assert changed >= {"tracked.txt"}


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
