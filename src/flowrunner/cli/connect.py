"""The server a command talks to: the one named, the one that runs here, or one of its own."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from flowrunner.cli.address import read_address
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell
from flowrunner.client import Client, ClientError
from flowrunner.embedded.home import data_home
from flowrunner.wire.control import ACTOR

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# One that answered once is waited for when it is away; one that never did is a mistake.
_FIRST_SECONDS, _PATIENCE_SECONDS = 1.0, 15.0


class Own(Enum):
    """What a command starts for itself when no server runs: how much of a service it needs."""

    NONE = "none"
    READING = "reading"
    ENGINE = "engine"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Connection:
    """*is_near*: the server sees the same files as we do; *is_own*: it ends with the command."""

    client: Client
    is_near: bool
    is_own: bool


@contextmanager
def connected(shell: Shell, own: Own) -> Generator[Connection]:
    """Yield a server that answers. Raises UnreachableError if the named one does not."""
    if shell.server:
        with named_client(shell) as client:
            yield Connection(client, is_near=is_near(shell.server), is_own=False)
        return
    found = running_client(shell)
    if found is not None:
        with found:
            yield Connection(found, is_near=True, is_own=False)
        return
    if own is Own.NONE:
        hint = "start a server first: flowrunner serve"
        raise CommandError("there is no server to leave the run to", Exit.USAGE, hint=hint)
    if own is not Own.READING:
        shell.tell("no server runs here: this command starts one of its own")
    from flowrunner.cli.ephemeral import own_server  # noqa: PLC0415  # it imports the service

    with own_server(shell, own) as (url, token), _client(url, token) as client:
        yield Connection(client, is_near=True, is_own=True)


UNATTENDED = "no server runs and no worker is live: live runs stand still until flowrunner serve"


def is_unattended(connection: Connection) -> bool:
    """Whether nobody is there who would move a live run: our own service only reads."""
    if not connection.is_own:
        return False
    return not any(worker.is_live for worker in connection.client.list_workers().items)


def named_client(shell: Shell) -> Client:
    """A client of the server that the user named. Raises UnreachableError if it does not answer."""
    assert shell.server is not None  # noqa: S101  # the caller looked
    with _client(shell.server, shell.token, patience=_FIRST_SECONDS) as probe:
        probe.get_version()
    return _client(shell.server, shell.token)


def running_client(shell: Shell) -> Client | None:
    """A client of the server that runs for this user on this machine, if it answers."""
    address = read_address(shell.data_home or data_home())
    if address is None:
        return None
    token = shell.token or address.token
    with _client(address.url, token, patience=0) as probe:
        try:
            probe.get_version()
        except ClientError:
            if _is_process(address.pid):
                told = f"the server at {address.url} (process {address.pid}) does not answer"
                shell.tell(f"{told}: this command does without it")
            return None
    return _client(address.url, token)


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _client(server: str, token: str | None, *, patience: float = _PATIENCE_SECONDS) -> Client:
    return Client(server, token=token, actor=actor(), patience_seconds=patience, name="cli")


def actor() -> str | None:
    """Who acts, for the record: this machine's user, if it has a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return None
    return name if re.fullmatch(ACTOR, name) else None


def is_near(server: str) -> bool:
    return urlsplit(server).hostname in _LOOPBACK


def here() -> str:
    return str(Path.cwd().resolve())
