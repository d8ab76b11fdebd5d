"""The kernel's calls that gates need. Standard library only: this runs in the agent's process."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

NEW_MOUNTS, NEW_IPC, NEW_USERS, NEW_PIDS = 0x00020000, 0x08000000, 0x10000000, 0x20000000
BIND, REC, PRIVATE = 0x1000, 0x4000, 0x40000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
"""The same numbers for mount(2) and mount_setattr(2)."""

DIE_WITH_PARENT, DUMPABLE, DROP_BOUND, NO_NEW_PRIVILEGES, AMBIENT = 1, 4, 24, 38, 47
_AMBIENT_CLEAR_ALL = 4
_MOUNT_SETATTR = 442
_HERE, _RECURSIVE = -100, 0x8000
_CAPABILITIES_V3 = 0x20080522
_MOST_CAPABILITIES = 64


def unshare(flags: int) -> None:
    _check(_libc().unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc().mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {target}")


def change_mount(path: str, *, add: int = 0, clear: int = 0, below: bool = False) -> None:
    """Change the flags of the mount at *path*, and with *below* of all mounts under it."""
    change = struct.pack("=QQQQ", add, clear, 0, 0)
    call(
        _MOUNT_SETATTR,
        ctypes.c_int(_HERE),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_uint(_RECURSIVE if below else 0),
        ctypes.c_char_p(change),
        ctypes.c_size_t(len(change)),
    )


def prctl(option: int, *arguments: int) -> None:
    given = [*arguments, 0, 0, 0, 0][:4]
    _check(_libc().prctl(option, *(ctypes.c_ulong(word) for word in given)), f"prctl {option}")


def renounce() -> None:
    """Give up every capability for good, and what set-uid programs would give."""
    for number in range(_MOST_CAPABILITIES):
        try:
            prctl(DROP_BOUND, number)
        except OSError as exc:  # Past the last one, or we have no right to: then we gain none.
            if exc.errno in {errno.EINVAL, errno.EPERM}:
                break
            raise
    prctl(AMBIENT, _AMBIENT_CLEAR_ALL)
    prctl(NO_NEW_PRIVILEGES, 1)
    header = struct.pack("=Ii", _CAPABILITIES_V3, 0)
    _check(_libc().capset(ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))), "capset")


def call(number: int, *arguments: object) -> int:
    """Make a system call by its number: those used here have the same on every architecture."""
    result = _libc().syscall(ctypes.c_long(number), *arguments)
    return _check(int(result), f"system call {number}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
