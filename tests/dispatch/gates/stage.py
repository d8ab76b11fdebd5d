"""Gates, users, projects and a service to attack, for the tests of the wall."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowrunner.dispatch.gates import landlock
from flowrunner.dispatch.gates.gate import Gate

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "src"
NOBODY = 65534
ABI = min(landlock.version(), landlock.NEWEST)
BWRAP = shutil.which("bwrap")
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/etc")  # noqa: S108
MARK = "only-for-the-service"

GATES = {
    "landlock": Gate(landlock=ABI or landlock.NEWEST),
    "namespaces": Gate(namespaces=True),
    "namespaces+landlock": Gate(namespaces=True, landlock=ABI or landlock.NEWEST),
    "bubblewrap": Gate(bubblewrap=BWRAP or "bwrap"),
    "bubblewrap+landlock": Gate(bubblewrap=BWRAP or "bwrap", landlock=ABI or landlock.NEWEST),
}
ME = os.getuid()
NORMAL = "user" if ME else "nobody"
USERS = ("root", NORMAL)
BOX = "import sys; sys.path.insert(0, {0!r}); from hostile.agent import main; main()"

Entry = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """A user who runs agents, with a Python that this user may run."""

    user: int
    python: str

    def run(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        become = {} if self.user == ME else {"user": self.user, "group": self.user}
        path = os.pathsep.join(
            [str(SOURCES), *(folder for folder in sys.path if "site-" in folder)]
        )
        env = {"PATH": os.defpath, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        extra: dict[str, Any] = {**become, "env": {**env, **options.pop("env", {})}}
        if become:
            extra["extra_groups"] = []
        return subprocess.Popen([self.python, *argv], text=True, **extra, **options)


def actor(name: str) -> Actor:
    """Return who is called *name*, or skip and say why."""
    user = {"root": 0, "nobody": NOBODY, "user": ME}[name]
    if ME not in {0, user}:
        pytest.skip(f"only root can try gates as {name}")
    python = _python_for(user)
    if python is None:
        pytest.skip(f"{name} can run no Python here that finds our sources")
    return Actor(user, python)


@cache
def _python_for(user: int) -> str | None:
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        with suppress(OSError):
            found = Actor(user, python).run("-c", "import flowrunner.dispatch.process, structlog")
            if found.wait() == 0:
                return python
    return None


def gate(name: str) -> Gate:
    """Return the gate called *name*, or skip and say why: a missing gate is a test less."""
    if "bubblewrap" in name and BWRAP is None:
        pytest.skip("bubblewrap is not installed")
    if "landlock" in name and not ABI:
        pytest.skip("this kernel has no Landlock")
    if "namespaces" in name and not _has_namespaces():
        pytest.skip("user namespaces are not allowed here")
    return GATES[name]


@cache
def _has_namespaces() -> bool:
    return subprocess.run(["unshare", "-Ur", "true"], check=False).returncode == 0


@contextmanager
def ground(user: int = ME) -> Generator[Path]:
    """A folder that *user* owns and may reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="gates-", dir="/var/tmp"))
    try:
        _give(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give(path: Path, user: int) -> None:
    if user != ME:
        os.chown(path, user, user)


def a_project(folder: Path, user: int = ME) -> Path:
    """A repository of *user*'s with tracked, new and ignored files, and extended attributes."""
    project = folder / "project"
    (project / "folder").mkdir(parents=True)
    (project / "tracked.txt").write_text("kept\n", encoding="utf-8")
    (project / "folder" / "inner.txt").write_text("kept\n", encoding="utf-8")
    (project / ".gitignore").write_text("ignored\n", encoding="utf-8")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    (project / "untracked.txt").write_text("new\n", encoding="utf-8")
    (project / "ignored").write_text("ignored\n", encoding="utf-8")
    with suppress(OSError):  # Not every file system has them.
        os.setxattr(project / "tracked.txt", "user.kept", b"1")
    for path in (project, *project.rglob("*")):
        _give(path, user)
    return project


def git(project: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*")
    done = subprocess.run(
        ["git", *who, "-C", str(project), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def contents(folder: Path) -> Mapping[str, Entry]:
    """What is there: kinds, links and bytes, without metadata."""
    return {path: entry[:2] for path, entry in snapshot(folder).items()}


def snapshot(folder: Path) -> Mapping[str, Entry]:
    """All that a gate may have to keep: not what reading changes."""
    return dict(_entries(folder))


def _entries(folder: Path) -> Iterator[tuple[str, Entry]]:
    for path in (folder, *sorted(folder.rglob("*"))):
        now = path.lstat()
        body = ""
        if path.is_symlink():
            body = str(path.readlink())
        elif path.is_file():
            body = hashlib.sha256(path.read_bytes()).hexdigest()
        marks = {
            n: os.getxattr(path, n, follow_symlinks=False)
            for n in os.listxattr(path, follow_symlinks=False)
        }
        rights = (now.st_mode, now.st_uid, now.st_gid, now.st_nlink, now.st_ino)
        yield str(path), (now.st_mode >> 12, body, rights, now.st_mtime_ns, now.st_ctime_ns, marks)


@contextmanager
def service(who: Actor, project: Path, nonce: str) -> Generator[subprocess.Popen[str]]:
    """A process of the same user: with a secret, in the project, and with a socket without a file."""
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind('\\0' + sys.argv[1]); s.listen(); print(flush=True); sys.stdin.read()"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = who.run("-c", script, nonce, env={"SECRET": MARK}, cwd=project, **streams)
    assert running.stdout is not None
    running.stdout.readline()
    with running:
        yield running
        running.kill()


def hostile_argv(who: Actor, plan: Mapping[str, object]) -> list[str]:
    return [who.python, "-I", "-S", "-B", "-c", BOX.format(str(HERE)), json.dumps(plan)]


def start_play(
    who: Actor, through: Gate, argv: Sequence[str], folder: Path, *, stops: bool = False
) -> subprocess.Popen[str]:
    """Start *argv* in the project of *folder*, behind *through*, under our supervisor."""
    room = folder / "room"
    room.mkdir(exist_ok=True)
    _give(room, who.user)
    scene = {
        "gate": asdict(through),
        "argv": list(argv),
        "cwd": str(folder / "project"),
        "room": str(room),
        "stops": stops,
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return who.run(str(HERE / "play.py"), json.dumps(scene), **pipes)


def ended(playing: subprocess.Popen[str]) -> dict[str, Any]:
    said, complaint = playing.communicate(timeout=90)
    assert said, complaint
    return json.loads(said)


def left_behind(nonce: str) -> list[int]:
    """Who is alive with *nonce* in its command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and nonce.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found
