"""The program that stands between our supervisor and an agent: close the gate, become the agent.

It never starts the agent if any part of the gate cannot be closed. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from flowrunner.dispatch.gates import kernel, landlock, namespaces

NOT_CLOSED = 78
"""Our exit code when the gate could not be closed: EX_CONFIG, which is never tried again."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126
COMPLAINT = "flowrunner: the gate could not be closed"


def main() -> NoReturn:
    """Run as `... PLACE ARGV...`; PLACE says which parts to close around what, as JSON."""
    place, command = json.loads(sys.argv[1]), sys.argv[2:]
    writable, abi = place["writable"], place["landlock"]

    def seal() -> None:
        kernel.renounce()
        if abi:
            private = landlock.PRIVATE_DEVICES if place["has_own_devices"] else ()
            landlock.restrict(abi, writable, (*landlock.DEVICES, *private), place["ports"])

    try:
        _close_descriptors()
        if place["namespaces"]:
            namespaces.enter(writable, place["hidden"], seal)
        else:
            seal()
        os.chdir(place["cwd"])
    except OSError as exc:
        _refuse(f"{COMPLAINT}: {exc}", NOT_CLOSED)
    _become(command)


def _close_descriptors() -> None:
    """One that was opened before the gate was closed would lead through it."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # pathlib would double the start
        if int(name) > 2:  # noqa: PLR2004  # the standard streams
            with suppress(OSError):  # The one that listed them is gone.
                os.close(int(name))


def _become(command: list[str]) -> NoReturn:
    for number in signal.valid_signals():  # Python ignores some, and that would be inherited.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606  # no shell: that is the point
    except FileNotFoundError as exc:
        _refuse(f"flowrunner: {command[0]}: {exc.strerror}", NOT_FOUND)
    except OSError as exc:
        _refuse(f"flowrunner: {command[0]}: {exc.strerror}", NOT_EXECUTABLE)


def _refuse(why: str, code: int) -> NoReturn:
    os.write(2, f"{why}\n".encode())
    os._exit(code)
