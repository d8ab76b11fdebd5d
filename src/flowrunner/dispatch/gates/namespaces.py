"""Namespaces of our own: every mount read-only, devices and processes private, no powers.

Three processes: the outer one waits, the first inside is the namespace's init, the second becomes
the agent. When the outer one or the init ends, for whatever reason, the kernel ends all the rest.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from flowrunner.dispatch.gates import kernel

_SHIELDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_SHARED = "/dev/shm"  # noqa: S108  # a memory of its own, mounted here
_EMPTY = "mode=0755,size=64k"
_STATUS_BYTES = 4


def enter(writable: Sequence[str], hidden: Sequence[str], seal: Callable[[], None]) -> None:
    """Return in the process that becomes the agent; *seal* was called before it was made."""
    parent = os.getppid()
    for number in _SHIELDED:  # Who stops an agent tells the agent, too; we only wait.
        signal.signal(number, signal.SIG_IGN)
    _unshare(os.geteuid(), os.getegid())
    _close_mounts(writable, hidden)
    kernel.prctl(kernel.DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    told, tell = os.pipe()
    init = os.fork()
    if init:
        os.close(tell)
        _wait_outside(init, told)
    os.close(told)
    _become_init(tell, seal)


def _unshare(user: int, group: int) -> None:
    kernel.unshare(kernel.NEW_USERS | kernel.NEW_MOUNTS | kernel.NEW_PIDS | kernel.NEW_IPC)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    # Inside a further one an agent would have every capability over what it mounts there.
    _write("/proc/sys/user/max_user_namespaces", "0")


def _close_mounts(writable: Sequence[str], hidden: Sequence[str]) -> None:
    # Private: what is mounted outside later would come in as it is, writable.
    kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
    _make_devices()
    opened = {folder: os.open(folder, os.O_PATH | os.O_CLOEXEC) for folder in writable}
    _hide(hidden)
    for folder, source in opened.items():
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # It may lie in one that is hidden.
        kernel.mount(f"/proc/self/fd/{source}", folder, "", kernel.BIND)
        os.close(source)
    closed = kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES
    kernel.change_mount("/", add=closed, below=True)
    for folder in (*writable, _SHARED):
        kernel.change_mount(folder, clear=kernel.READ_ONLY)
    for name in (*_DEVICES, "pts"):
        with suppress(FileNotFoundError):
            kernel.change_mount(f"/dev/{name}", clear=kernel.NO_DEVICES)


def _hide(places: Sequence[str]) -> None:
    """Cover folders by an empty one, and files and sockets by nothing at all."""
    for place in places:
        if os.path.isdir(place):  # noqa: PTH112
            kernel.mount("tmpfs", place, "tmpfs", kernel.NO_SUID | kernel.NO_EXEC, _EMPTY)
        elif os.path.lexists(place):
            kernel.mount(os.devnull, place, "", kernel.BIND)


def _make_devices() -> None:
    """Cover /dev: a mount that is read-only does not keep root from writing to a disk's node."""
    opened: dict[str, int] = {}
    for name in _DEVICES:
        with suppress(FileNotFoundError):
            opened[name] = os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC)
    kernel.mount("tmpfs", "/dev", "tmpfs", kernel.NO_SUID | kernel.NO_EXEC, _EMPTY)
    for name, device in opened.items():
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        kernel.mount(f"/proc/self/fd/{device}", f"/dev/{name}", "", kernel.BIND)
        os.close(device)
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")  # noqa: PTH211  # pathlib would double the start
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"),
        ("shm", "tmpfs", "mode=1777,size=64m"),
    ):
        os.mkdir(f"/dev/{name}")  # noqa: PTH102
        kernel.mount(kind, f"/dev/{name}", kind, kernel.NO_SUID | kernel.NO_EXEC, options)


def _become_init(tell: int, seal: Callable[[], None]) -> None:
    kernel.prctl(kernel.DIE_WITH_PARENT, signal.SIGKILL)
    poll = select.poll()
    poll.register(tell, 0)
    if poll.poll(0):  # The outer one died before we asked to die with it.
        os._exit(1)
    # Read-only: root without a capability may still write /proc/sys, as its owner.
    closed = kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES | kernel.NO_EXEC
    kernel.mount("proc", "/proc", "proc", closed)
    seal()
    kernel.prctl(kernel.DUMPABLE, 0)
    agent = os.fork()
    if agent:
        _reap_until_end(agent, tell)
    os.close(tell)
    os.setsid()
    for number in _SHIELDED:
        signal.signal(number, signal.SIG_DFL)


def _reap_until_end(agent: int, tell: int) -> NoReturn:
    while True:
        ended, status = os.wait()
        if ended == agent:
            os.write(tell, status.to_bytes(_STATUS_BYTES, "little"))
            os._exit(0)


def _wait_outside(init: int, told: int) -> NoReturn:
    """End as the agent did: who watches us wants to know."""
    kernel.renounce()
    _, status = os.waitpid(init, 0)
    if said := os.read(told, _STATUS_BYTES):
        status = int.from_bytes(said, "little")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no other disposition.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
