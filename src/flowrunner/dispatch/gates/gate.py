"""What a gate is: parts that the kernel closes around an agent, and the rights they take away."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.dispatch.gates import landlock

_SOURCES = Path(__file__).resolve().parents[3]
# Behind the standard library: beside an installed package lie others with names of their own.
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from {0} import main; main()"
_ENTER = "flowrunner.dispatch.gates.enter"
# Whoever stops an agent signals all of its family, and this one must outlive the agent.
_DEAF = 'trap "" TERM INT HUP QUIT; exec "$@"'


Part: TypeAlias = Literal["bubblewrap", "namespaces", "landlock"]


class Right(StrEnum):
    """What an agent cannot do any more behind a gate that covers it."""

    CONTENT = "content"
    """Create, write, remove, rename or link anything in the project."""
    TRUNCATION = "truncation"
    """Cut a file of the project without opening it for writing."""
    METADATA = "metadata"
    """Change modes, owners, times or extended attributes in the project."""
    OUTSIDE = "outside"
    """Create anything outside of its own HOME and TMPDIR."""
    DEVICES = "devices"
    """Write to disks and other people's terminals."""
    MEMORY = "memory"
    """Read or change the memory or environment of processes that are not its own."""
    SIGNALS = "signals"
    """Signal processes that are not its own."""
    SURVIVAL = "survival"
    """Leave a process behind, even if our supervisor is killed."""
    ABSTRACT_SOCKETS = "abstract_sockets"
    """Reach sockets of this machine that have no file."""
    HIDDEN = "hidden"
    """Find what the worker hides: the service's folders, keys, sockets of other programs."""
    TCP = "tcp"
    """Connect by TCP to ports that the operator did not name."""


REQUIRED = frozenset({Right.CONTENT, Right.TRUNCATION, Right.OUTSIDE, Right.MEMORY})
"""Without these a gate is none, and `strict` does not run."""
_OF_NAMESPACES = frozenset(Right) - {Right.ABSTRACT_SOCKETS, Right.TCP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A stack of parts. Without any it is an open door, and its name says so."""

    bubblewrap: str = ""
    """Its program's absolute path."""
    namespaces: bool = False
    landlock: int = 0
    """The ABI that is asked for."""
    hidden: tuple[str, ...] = field(default=(), compare=False)
    """Places that an agent finds empty; Landlock alone cannot hide."""
    ports: tuple[int, ...] | None = None
    """All that can be connected to by TCP, from Landlock 4 on; None: whatever answers."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what it is made of, the outer one first."""
        closed: dict[Part, object] = {
            "bubblewrap": self.bubblewrap,
            "namespaces": self.namespaces,
            "landlock": self.landlock,
        }
        return tuple(part for part, is_closed in closed.items() if is_closed)

    @property
    def name(self) -> str:
        told = (f"{part}-{self.landlock}" if part == "landlock" else part for part in self.parts)
        return "+".join(told) or "none"

    @property
    def rights(self) -> frozenset[Right]:
        """Return what it claims to take away; a probe shows whether it does."""
        boxed = _OF_NAMESPACES if self.bubblewrap or self.namespaces else frozenset[Right]()
        rights = boxed | _of_landlock(self.landlock)
        limits_tcp = self.ports is not None and self.landlock >= landlock.CONNECTS
        return rights | {Right.TCP} if limits_tcp else rights

    @property
    def uncovered(self) -> frozenset[Right]:
        return frozenset(Right) - self.rights


OPEN = Gate()


def wrap(
    gate: Gate, argv: Sequence[str], *, cwd: Path, writable: Sequence[Path]
) -> tuple[str, ...]:
    """Return how to start *argv* in *cwd* behind *gate*, which leaves it *writable* and no more."""
    if gate == OPEN:
        return tuple(argv)
    folders = [str(folder) for folder in writable]
    place = {
        "cwd": str(cwd),
        "writable": folders,
        "hidden": gate.hidden,
        "namespaces": gate.namespaces,
        "landlock": gate.landlock,
        "ports": gate.ports,
        "has_own_devices": bool(gate.bubblewrap or gate.namespaces),
    }
    inner = (*program(_ENTER), json.dumps(place), *argv)
    return (*_bubblewrap(gate, folders), *inner) if gate.bubblewrap else inner


def program(module: str) -> tuple[str, ...]:
    """Return how to run a module of ours with the standard library and nothing else."""
    return (sys.executable, "-I", "-S", "-B", "-c", _BOOT.format(module), str(_SOURCES))


def _bubblewrap(gate: Gate, folders: Sequence[str]) -> tuple[str, ...]:
    """Its safe form: without its own user namespace and all capabilities gone, root gets out.

    Root needs no capability to write /proc/sys, and its core_pattern names a program for outside.
    """
    binds = [word for folder in folders for word in ("--bind", folder, folder)]
    covers, closed = _covers(gate.hidden)
    return (
        *("/bin/sh", "-c", _DEAF, "sh", gate.bubblewrap),
        *("--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        *("--unshare-pid", "--unshare-ipc", "--die-with-parent"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"),
        *covers,
        *binds,
        *closed,
        "--",
    )


def _covers(hidden: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what covers these, and what makes the covers read-only when all is in its place."""
    folders = [path for path in hidden if Path(path).is_dir()]
    files = [path for path in hidden if path not in folders and os.path.lexists(path)]
    covers = [word for path in folders for word in ("--tmpfs", path)]
    covers += [word for path in files for word in ("--ro-bind", os.devnull, path)]
    return covers, [word for path in folders for word in ("--remount-ro", path)]


def _of_landlock(abi: int) -> frozenset[Right]:
    rights: set[Right] = set()
    if abi:
        rights |= {Right.CONTENT, Right.OUTSIDE, Right.MEMORY}
    if abi >= landlock.TRUNCATES:
        rights.add(Right.TRUNCATION)
    if abi >= landlock.CONTROLS:
        rights.add(Right.DEVICES)
    if abi >= landlock.SCOPES:
        rights |= {Right.SIGNALS, Right.ABSTRACT_SOCKETS}
    return frozenset(rights)
