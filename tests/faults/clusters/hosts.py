"""Hosts that can be cut off: network namespaces on a bridge, or ports of loopback that cannot."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from chaos.programs import a_free_port

_ROOM = Path("/run/netns")
_PREFIX = "fr-clusters-"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Host:
    """*namespace* is None on loopback: then it is a port of its own that makes it another host."""

    name: str
    address: str
    port: int
    namespace: str | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with to run there; it stays one process, with one pid."""
        return ("nsenter", f"--net={_ROOM / self.namespace}") if self.namespace else ()

    def enter(self) -> None:
        """Let the calling thread, and what it starts, live there: its sockets are the host's."""
        if self.namespace is None:
            return
        place = os.open(_ROOM / self.namespace, os.O_RDONLY)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(place, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(place)


@dataclass(slots=True)
class Network:
    """Hosts that reach each other, until one is cut off."""

    hosts: dict[str, Host]
    hub: str | None = None
    cuts: set[str] = field(default_factory=set[str])

    def cut(self, host: Host) -> None:
        """Pull its cable: nothing is refused, nothing arrives."""
        self._cable(host, "down")
        self.cuts.add(host.name)

    def heal(self, host: Host) -> None:
        if host.name in self.cuts:
            self._cable(host, "up")
            self.cuts.discard(host.name)

    def _cable(self, host: Host, state: str) -> None:
        assert self.hub is not None, "loopback cannot be cut"
        _ip("-n", self.hub, "link", "set", f"v-{host.name}", state)


@cache
def why_no_namespaces() -> str | None:
    """Why hosts cannot be cut off here; None when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"no {' and no '.join(missing)} on PATH"
    try:
        with a_network("one", "two"):
            return None
    except BrokenToolError as error:
        return str(error)


@contextmanager
def loopback(*names: str) -> Generator[Network]:
    """Hosts by name only: for what needs no cut."""
    yield Network({name: Host(name, "127.0.0.1", a_free_port()) for name in names})


@contextmanager
def a_network(*names: str, port: int = 5432) -> Generator[Network]:
    """Hosts with an address each on one bridge; nothing of it is left after the block."""
    _sweep()
    own = f"{_PREFIX}{os.getpid()}"
    hub, spaces = f"{own}-hub", {name: f"{own}-{name}" for name in names}
    made: list[str] = []
    try:
        for space in (hub, *spaces.values()):
            _ip("netns", "add", space)
            made.append(space)
        _ip("-n", hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", hub, "link", "set", "br0", "up")
        for number, (name, space) in enumerate(spaces.items(), 1):
            _plug(hub, name, space, _address(number))
        hosts = {
            name: Host(name, _address(number), port, space)
            for number, (name, space) in enumerate(spaces.items(), 1)
        }
        yield Network(hosts, hub)
    finally:
        for space in made:
            _ip("netns", "del", space)


def _address(number: int) -> str:
    return f"10.77.0.{number}"


def _plug(hub: str, name: str, space: str, address: str) -> None:
    wire = f"v-{name}"
    _ip("-n", hub, "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", space)
    _ip("-n", hub, "link", "set", wire, "master", "br0", "up")
    _ip("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", space, "link", "set", "eth0", "up")
    _ip("-n", space, "link", "set", "lo", "up")


def _sweep() -> None:
    """Remove what killed sessions have left."""
    for left in _ROOM.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            _ip("netns", "del", left.name)


def _ip(*words: str) -> None:
    run_quietly("ip", *words)


class BrokenToolError(Exception):
    """A program of others did not do what it was asked; the message is what it said."""


def run_quietly(*command: str | Path) -> str:
    """Run a program to its end and return what it said. Raises BrokenToolError."""
    words: Sequence[str] = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokenToolError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
