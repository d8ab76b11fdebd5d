"""What one cluster is to be: agreed between a client and the keeper it starts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from flowrunner.embedded.errors import FolderError

Mode = Literal["plain", "userns", "setuid"]

# The smallest sun_path among the systems we know has 104 bytes, the last one a zero.
_LONGEST_SOCKET = 103
_LONGEST_NAME = "/pg/.s.PGSQL.5432"


@dataclass(frozen=True)
class Spec:
    """*linger* is how many seconds postgres outlives its last client; *mode* None means choose."""

    home: Path
    bindir: Path
    major: int
    settings: Mapping[str, str]
    durable: bool
    linger: float
    mode: Mode | None

    @property
    def pgdata(self) -> Path:
        return self.home / f"pg{self.major}"

    @property
    def lock(self) -> Path:
        return self.home / f"pg{self.major}.lock"

    @property
    def log(self) -> Path:
        return self.home / f"pg{self.major}.log"

    def to_json(self) -> str:
        paths = {"home": str(self.home), "bindir": str(self.bindir)}
        return json.dumps(vars(self) | paths | {"settings": dict(self.settings)})

    @classmethod
    def from_json(cls, text: str) -> Spec:
        fields = json.loads(text)
        home, bindir = Path(fields.pop("home")), Path(fields.pop("bindir"))
        return cls(home=home, bindir=bindir, **fields)


def open_home(home: Path) -> Path:
    """Return *home* made and resolved; repeatable. Raises FolderError where that cannot be."""
    if any(char < " " for char in str(home)):
        # postmaster.pid has one field per line, and the data folder is one of them.
        raise FolderError(f"{str(home)!r} has a control character", hint="use another folder")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise FolderError(f"{home}: {exc.strerror}", hint="use another folder, or mend it") from exc
    if not os.access(home, os.W_OK | os.X_OK):
        raise FolderError(
            f"{home} cannot be written by user {os.geteuid()}", hint="change its owner"
        )
    return home.resolve()


def open_socket_folder(spec: Spec) -> Path:
    """Return the 0700 folder for the keeper's and postgres's sockets; repeatable.

    In the data folder when its path fits, else under the temporary folder, by a name that depends
    on the user and the data folder alone: an address must survive the keeper that made it.
    """
    near = spec.home / f"run{spec.major}"
    folder = near if _fits(near) else _far_folder(spec)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o066 or not folder.is_dir():
        raise FolderError(f"{folder} is not ours alone", hint="remove it, or set TMPDIR")
    return folder


def _far_folder(spec: Spec) -> Path:
    name = sha256(os.fsencode(spec.pgdata)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"flowrunner-{os.geteuid()}-{name}"
    if not _fits(folder):
        raise FolderError(f"{folder} cannot hold a socket", hint="set TMPDIR to a short plain path")
    return folder


def _fits(folder: Path) -> bool:
    """Whether libpq and the kernel take a socket in *folder*; a comma means two hosts to libpq."""
    try:
        length = len(f"{folder}{_LONGEST_NAME}".encode())
    except UnicodeEncodeError:
        return False
    return length <= _LONGEST_SOCKET and "," not in str(folder)
