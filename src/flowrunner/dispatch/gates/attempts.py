"""The program that a probe runs inside a gate: try to write, and say what became of it.

Whatever it tries where it may succeed changes nothing, or is undone at once: the project is not
ours. The outside looks for itself afterwards. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_LINGER_SECONDS = 3.0
_HOPEFUL_DESCRIPTORS = range(3, 64)
_SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper")
"""By these root makes the kernel run or do something outside of every gate."""


class Plan(TypedDict):
    """What the outside says: a target is a folder, a file and a folder in it, each perhaps ''."""

    nonce: str
    rights: list[str]
    targets: list[list[str]]
    private: str
    outside: list[str]
    devices: list[str]
    decoy: int
    port: int
    """Where somebody listens, and nobody may be reached."""
    secret: str
    """A file in a folder that is hidden."""


Attempt = tuple[str, str, str, Callable[[], object]]
"""A right, what is tried, where, and the try itself: False or OSError when it did not work."""


def main() -> None:
    """Run as `PLAN`, as JSON; print the outcomes as JSON: right, name, place, errno, 0 for done."""
    plan: Plan = json.loads(sys.argv[1])
    wanted = set(plan["rights"])
    outcomes = [
        (right, name, place, _outcome(attempt))
        for right, name, place, attempt in _all(plan)
        if right in wanted
    ]
    sys.stdout.write(json.dumps({"outcomes": outcomes, "unreadable": _unreadable(plan)}))
    sys.stdout.flush()
    if "survival" in wanted:
        _leave_somebody(plan["nonce"])


def _outcome(attempt: Callable[[], object]) -> int:
    try:
        return errno.EPERM if attempt() is False else 0
    except OSError as exc:
        return exc.errno or errno.EIO


def _all(plan: Plan) -> Iterator[Attempt]:
    name = f".{plan['nonce']}"
    for target in plan["targets"]:
        folder, file, deeper = (Path(part) if part else None for part in target)
        if folder is not None:
            yield from _in_folder(folder, name, Path(plan["private"]))
            yield from _metadata(folder)
        if file is not None:
            yield from _on_file(file, name, Path(plan["private"]))
            yield from _metadata(file)
        if deeper is not None:
            yield "content", "unlink", str(deeper), lambda path=deeper: _would_unlink(path)
    for outside in plan["outside"]:
        yield "outside", "create", outside, lambda at=outside: _create(Path(at) / name)
    for setting in _SETTINGS:
        yield "outside", "open", setting, lambda at=setting: _open(Path(at), os.O_WRONLY)
    for device in plan["devices"]:
        yield "devices", "open", device, lambda at=device: _open(Path(at), os.O_WRONLY)
    nonce = plan["nonce"]
    yield "abstract_sockets", "connect", "this machine", lambda: _connect(nonce)
    yield "hidden", "read", plan["secret"], lambda: bool(Path(plan["secret"]).read_bytes())
    port = plan["port"]
    yield "tcp", "connect", f"port {port}", lambda: _reach(port)
    yield from _on_decoy(plan["decoy"], nonce)


def _in_folder(folder: Path, name: str, private: Path) -> Iterator[Attempt]:
    def undone(make: Callable[[Path], object], undo: Callable[[Path], object]) -> object:
        path = folder / name
        make(path)
        undo(path)
        return True

    def moved_in() -> object:
        mine = private / name
        mine.touch()
        return undone(mine.rename, Path.unlink)

    place = str(folder)
    yield "content", "create", place, lambda: undone(_create, Path.unlink)
    yield "content", "mkdir", place, lambda: undone(Path.mkdir, Path.rmdir)
    yield "content", "symlink", place, lambda: undone(_link_to_root, Path.unlink)
    yield "content", "mkfifo", place, lambda: undone(os.mkfifo, Path.unlink)
    yield "content", "rename into", place, moved_in
    yield "content", "inherited descriptor", place, lambda: _through_descriptors(name)


def _on_file(file: Path, name: str, private: Path) -> Iterator[Attempt]:
    def linked_out() -> object:
        link = private / f"{name}-link"
        link.hardlink_to(file)
        return _open(link, os.O_WRONLY)

    def reopened() -> object:
        with file.open("rb") as stream:
            return _open(Path(f"/proc/self/fd/{stream.fileno()}"), os.O_WRONLY)

    def linked_in() -> None:
        link = file.with_name(name)
        link.hardlink_to(file)
        link.unlink()

    place = str(file)
    yield "content", "append", place, lambda: _open(file, os.O_WRONLY | os.O_APPEND)
    yield "content", "reopen through /proc/self/fd", place, reopened
    yield "content", "hard link into", place, linked_in
    yield "content", "write through a hard link", place, linked_out
    yield "content", "rename", place, lambda: file.rename(file)
    yield "truncation", "truncate", place, lambda: os.truncate(file, file.stat().st_size)


def _metadata(path: Path) -> Iterator[Attempt]:
    def touched() -> None:
        found = path.lstat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def unmarked() -> bool:
        try:
            os.removexattr(path, "user.flowrunner_probe")
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
        return True

    place = str(path)
    yield "metadata", "chmod", place, lambda: path.chmod(stat.S_IMODE(path.stat().st_mode))
    yield "metadata", "chown", place, lambda: os.chown(path, -1, -1)
    yield "metadata", "utime", place, touched
    yield "metadata", "xattr", place, unmarked


def _on_decoy(decoy: int, nonce: str) -> Iterator[Attempt]:
    """The decoy stands for our own processes; the outside sees whether it lives."""
    proc = Path(f"/proc/{decoy}")

    def attached() -> None:
        ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        if ptrace(ctypes.c_long(_PTRACE_ATTACH), decoy, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")
        os.waitpid(decoy, 0)
        ptrace(ctypes.c_long(_PTRACE_DETACH), decoy, None, None)

    def killed() -> bool:
        if nonce.encode() not in (proc / "cmdline").read_bytes():
            return False  # In a namespace of processes this number is somebody else's, or nobody's.
        os.kill(decoy, signal.SIGKILL)
        return True

    place = f"process {decoy}"
    yield "memory", "environ", place, lambda: nonce.encode() in (proc / "environ").read_bytes()
    yield "memory", "mem", place, lambda: _open(proc / "mem", os.O_RDWR)
    yield "memory", "ptrace", place, attached
    yield "signals", "kill", place, killed


def _create(path: Path) -> bool:
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def _open(path: Path, flags: int) -> bool:
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o600))
    return True


def _connect(nonce: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"\0{nonce}")


def _reach(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2.0):
        pass


def _link_to_root(path: Path) -> None:
    path.symlink_to("/")


def _would_unlink(folder: Path) -> bool:
    """A folder cannot be unlinked: who is told so has passed every question of rights."""
    try:
        folder.unlink()
    except IsADirectoryError:
        return True
    return True


def _through_descriptors(name: str) -> bool:
    for number in _HOPEFUL_DESCRIPTORS:
        with suppress(OSError):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=number))
            os.unlink(name, dir_fd=number)
            return True
    return False


def _unreadable(plan: Plan) -> list[str]:
    """What the outside can read and we cannot: an agent would be blind in such a project."""
    missing: list[str] = []
    for target in plan["targets"]:
        folder, file, _ = target
        try:
            if folder:
                os.listdir(folder)  # noqa: PTH208
            if file:
                Path(file).open("rb").close()
        except OSError:
            missing.append(file or folder)
    return missing


def _leave_somebody(nonce: str) -> None:
    """Who reads our output sees its end only when the one we leave behind is gone, too."""
    if os.fork():
        return
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(_LINGER_SECONDS)
    os._exit(len(nonce) and 0)
