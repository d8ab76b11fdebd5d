"""Attacks on all but the contents of a project."""
# ruff: noqa: PTH101, PTH123, PTH208, S103  # the system's own calls are the attacks

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress

from hostile.ground import (
    HOME,
    LAST,
    LIBC,
    OUTSIDE,
    PLAN,
    PROJECT,
    SERVICE,
    TRACKED,
    attack,
    checked,
    first_of,
    put,
)

GET_FLAGS, SET_FLAGS, NO_DUMP = 0x80086601, 0x40086602, 0x40
SEIZE, OPEN_PROCESS, TAKE_DESCRIPTOR = 0x4206, 434, 438


@attack("metadata")
def mode() -> None:
    os.chmod(TRACKED, 0o777)


@attack("metadata")
def mode_of_root() -> None:
    os.chmod(PROJECT, 0o700)


@attack("metadata")
def times() -> None:
    os.utime(TRACKED, (1, 1))


@attack("metadata")
def owner() -> None:
    os.chown(TRACKED, os.getuid(), os.getgid())


@attack("metadata")
def extended() -> None:
    os.setxattr(TRACKED, "user.hostile", b"1")


@attack("metadata")
def unextended() -> None:
    os.removexattr(TRACKED, "user.kept")


@attack("metadata")
def flags() -> None:
    file = os.open(TRACKED, os.O_RDONLY)
    now = int.from_bytes(fcntl.ioctl(file, GET_FLAGS, bytes(8))[:4], "little")
    fcntl.ioctl(file, SET_FLAGS, (now ^ NO_DUMP).to_bytes(8, "little"))


@attack("outside")
def elsewhere() -> None:
    for folder in OUTSIDE:
        with suppress(OSError):
            put(f"{folder}/{PLAN['nonce']}")


@attack("outside")
def settings_of_the_kernel() -> None:
    def opened(path: str) -> None:
        os.close(os.open(path, os.O_WRONLY))

    first_of(
        [
            lambda: opened("/proc/sys/kernel/core_pattern"),
            lambda: opened("/proc/sysrq-trigger"),
            lambda: opened("/sys/kernel/uevent_helper"),
        ]
    )


@attack("devices")
def a_disk_of_its_own() -> None:
    os.mknod(f"{HOME}/disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    os.close(os.open(f"{HOME}/disk", os.O_RDWR))


@attack("devices")
def nodes() -> None:
    def opened(path: str) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))

    names = [*_block_nodes(), "/dev/kmsg", "/dev/mem", "/dev/port"]
    first_of([lambda path=path: opened(path) for path in names])


def _block_nodes() -> Iterator[str]:
    with os.scandir("/dev") as entries:
        for entry in entries:
            if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode):
                yield entry.path


@attack("memory")
def environment_of_the_service() -> None:
    def found(number: str) -> None:
        with open(f"/proc/{number}/environ", "rb") as read:
            if PLAN["mark"].encode() not in read.read():
                raise OSError(number)

    first_of([lambda name=name: found(name) for name in os.listdir("/proc") if name.isdigit()])


@attack("memory")
def memory_of_the_service() -> None:
    os.close(os.open(f"/proc/{SERVICE}/mem", os.O_RDWR))


@attack("memory")
def trace() -> None:
    checked(LIBC.ptrace(ctypes.c_long(SEIZE), SERVICE, None, None))


@attack("memory")
def trace_the_parent() -> None:
    checked(LIBC.ptrace(ctypes.c_long(SEIZE), os.getppid(), None, None))


@attack("memory")
def descriptors_of_the_service() -> None:
    zero = ctypes.c_long(0)
    holder = checked(LIBC.syscall(ctypes.c_long(OPEN_PROCESS), ctypes.c_long(SERVICE), zero))
    checked(LIBC.syscall(ctypes.c_long(TAKE_DESCRIPTOR), ctypes.c_long(holder), zero, zero))


@attack("signals", LAST)
def kill() -> None:
    # A number alone may be somebody else's in a namespace of processes.
    with open(f"/proc/{SERVICE}/cmdline", encoding="utf-8") as read:
        if PLAN["nonce"] not in read.read():
            raise OSError("somebody else")
    os.kill(SERVICE, signal.SIGKILL)


@attack("abstract_sockets")
def call_the_service() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + PLAN["nonce"])


@attack("survival")
def outlive() -> None:
    if os.fork():
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    if os.fork() == 0:
        for stream in (0, 1, 2):
            os.close(stream)
        select.select([], [], [], 60)
    os._exit(0)
