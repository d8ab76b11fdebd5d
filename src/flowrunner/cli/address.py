"""Where this user's server is: a file that `serve` writes once it answers, and removes again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FILE = "server.json"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server on this machine; *token* is one of its own, if it demands one."""

    url: str
    pid: int
    token: str | None = None


def write_address(folder: Path, address: ServerAddress) -> None:
    """Replace the file at once and for this user only: it may hold a token."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{FILE}.{address.pid}"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        told = {"url": address.url, "pid": address.pid, "token": address.token}
        json.dump(told, file)
    draft.replace(folder / FILE)


def read_address(folder: Path) -> ServerAddress | None:
    """Return what the file says; None if there is none, or if it is not this user's."""
    file = folder / FILE
    try:
        status = file.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            return None
        told = json.loads(file.read_text(encoding="utf-8"))
        token = told.get("token")
        return ServerAddress(str(told["url"]), int(told["pid"]), str(token) if token else None)
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def remove_address(folder: Path, pid: int) -> None:
    """Remove the file if it is still the one of *pid*: a later server's stays."""
    found = read_address(folder)
    if found is not None and found.pid == pid:
        (folder / FILE).unlink(missing_ok=True)
