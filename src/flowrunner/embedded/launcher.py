"""Become somebody PostgreSQL accepts, promise to die with the parent, then be the program.

Run as a file, without site or packages: launcher.py MODE UID GID LAST_SIGNAL PARENT PROGRAM...
These calls stand here and not in a preexec_fn, which is unsafe once a process has threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Replace this process by the program; comes back only by an exception."""
    mode, uid, gid, last_signal, parent = argv[1], *map(int, argv[2:6])
    os.setsid()
    if mode == "userns":
        enter_user_namespace(uid, gid)
    elif mode == "setuid":
        become(uid, gid)
    die_with(parent, last_signal)
    os.execv(argv[6], argv[6:])  # noqa: S606


def enter_user_namespace(uid: int, gid: int) -> None:
    """Look like *uid* and *gid* from inside, while files stay ours. Raises OSError if refused."""
    outside = os.geteuid(), os.getegid()
    _checked(_libc().unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside[0]} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside[1]} 1", encoding="ascii")


def become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent: int, last_signal: int) -> None:
    """Ask the kernel for *last_signal* when *parent* dies; elsewhere than on Linux do nothing.

    Must follow every change of identity: the kernel forgets the wish at each of them.
    """
    if sys.platform != "linux":
        return
    _checked(_libc().prctl(_PR_SET_PDEATHSIG, last_signal, 0, 0, 0))
    if os.getppid() != parent:
        raise SystemExit("the keeper died before postgres was started")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv)
