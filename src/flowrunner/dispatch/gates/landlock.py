"""Landlock without a dependency: from here on this process writes only where it was allowed.

What a kernel's version of it (its ABI) covers:

    1  creating, writing, removing; links and renames stay within one folder
    2  links and renames between folders can be judged (none are allowed out of the private ones)
    3  truncate(2)
    4  connecting by TCP, by port
    5  device controls
    6  signals and abstract sockets to processes outside

No version covers what is not content: modes, owners, times and extended attributes.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Sequence

from flowrunner.dispatch.gates import kernel

NEWEST = 6
"""The last version that brought a right we ask for; a newer kernel is asked for these."""
TRUNCATES, CONNECTS, CONTROLS, SCOPES = 3, 4, 5, 6

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_CONNECT_TCP = 1 << 1
_WRITE_FILE = 1 << 1
_REMOVE = 1 << 4 | 1 << 5
_MAKE_CHARACTER, _MAKE_BLOCK = 1 << 6, 1 << 11
_MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12
_REFER, _TRUNCATE, _CONTROL = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _WRITE_FILE | _TRUNCATE | _CONTROL
_SCOPE_ALL = 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PRIVATE_DEVICES = ("/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")  # noqa: S108
"""Allowed only where a private /dev was made: elsewhere these are other people's."""


def version() -> int:
    """Return the kernel's ABI, 0 where there is none."""
    try:
        nothing, no_size = ctypes.c_void_p(None), ctypes.c_size_t(0)
        return kernel.call(_CREATE_RULESET, nothing, no_size, ctypes.c_uint(_ASK_VERSION))
    except OSError:
        return 0


def restrict(
    abi: int, writable: Iterable[str], devices: Iterable[str], ports: Sequence[int] | None = None
) -> None:
    """Forbid every write but into *writable* folders and to *devices*. There is no way back.

    With *ports* (from version 4 on) no others can be connected to by TCP.
    """
    handled = _handled(abi)
    ruleset = _create(abi, handled, 0 if ports is None else _CONNECT_TCP)
    try:
        for folder in writable:
            _allow(ruleset, folder, handled & ~(_MAKE_CHARACTER | _MAKE_BLOCK))
        for device in devices:
            if os.path.exists(device):  # noqa: PTH110  # pathlib would double the start
                _allow(ruleset, device, handled & ~(_MAKE_CHARACTER | _MAKE_BLOCK))
        for port in ports or ():
            _add(ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port))
        kernel.call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    rights = _WRITE_FILE | _REMOVE | _MAKE | _MAKE_CHARACTER | _MAKE_BLOCK
    rights |= _REFER if abi >= 2 else 0  # noqa: PLR2004  # see the table above
    rights |= _TRUNCATE if abi >= TRUNCATES else 0
    return rights | (_CONTROL if abi >= CONTROLS else 0)


def _create(abi: int, handled: int, connecting: int) -> int:
    # Older kernels refuse a longer structure: files; then networks, then scopes.
    whole = struct.pack("=QQQ", handled, connecting, _SCOPE_ALL)
    attributes = whole[: 24 if abi >= SCOPES else 16 if abi >= CONNECTS else 8]
    return kernel.call(
        _CREATE_RULESET,
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
        ctypes.c_uint(0),
    )


def _allow(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        is_folder = stat.S_ISDIR(os.fstat(beneath).st_mode)
        rule = struct.pack("=Qi", rights if is_folder else rights & _ON_FILES, beneath)
        _add(ruleset, _PATH_BENEATH, rule)
    finally:
        os.close(beneath)


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    kernel.call(
        _ADD_RULE,
        ctypes.c_int(ruleset),
        ctypes.c_int(kind),
        ctypes.c_char_p(rule),
        ctypes.c_uint(0),
    )
