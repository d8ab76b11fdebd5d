"""Whom postgres runs as: it refuses root, and anybody whom the password file does not know."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrunner.embedded import launcher
from flowrunner.embedded.errors import FolderError, NoAccountError
from flowrunner.embedded.spec import Mode

_HINT = "run as a normal user, or set FLOWRUNNER_DATABASE_URL to a server of your own"


@dataclass(frozen=True)
class Account:
    """In mode plain that is us; in userns *uid* holds inside the namespace; in setuid outside."""

    mode: Mode
    uid: int
    gid: int


def choose_account(mode: Mode | None = None) -> Account:
    """Return *mode*, or the first that works here of plain, userns, setuid.

    Forks to try the namespace, so call it where there are no threads. Raises NoAccountError.
    """
    if mode == "plain" or (mode is None and _is_ordinary(os.geteuid())):
        return Account("plain", os.geteuid(), os.getegid())
    someone = _someone()
    if mode != "setuid" and _may_enter_namespace(someone):
        return Account("userns", someone.pw_uid, someone.pw_gid)
    if mode != "userns" and os.geteuid() == 0:
        return Account("setuid", someone.pw_uid, someone.pw_gid)
    raise NoAccountError(
        f"PostgreSQL does not run as user {os.geteuid()}, and user namespaces are refused here",
        hint=_HINT,
    )


def launch_command(account: Account, program: Sequence[str], *, last_signal: int) -> list[str]:
    """Return the command that runs *program* as *account* until this process dies."""
    identity = [account.mode, str(account.uid), str(account.gid)]
    bond = [str(int(last_signal)), str(os.getpid())]
    return [sys.executable, "-I", "-S", launcher.__file__, *identity, *bond, *program]


def admit(account: Account, *folders: Path) -> None:
    """Raise FolderError unless *account* can reach each of *folders*; matters to setuid only."""
    if account.mode != "setuid":
        return
    for folder in folders:
        for step in (folder, *folder.parents):
            if not step.stat().st_mode & 0o001:
                raise FolderError(
                    f"postgres has to run as user {account.uid}, who may not enter {step}",
                    hint=f"keep {folder} where everybody may enter, or run as a normal user",
                )


def _is_ordinary(uid: int) -> bool:
    try:
        return uid != 0 and bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _someone() -> pwd.struct_passwd:
    """Return an entry to borrow: nobody, or whoever else is not root."""
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not others:
        raise NoAccountError("the password file knows nobody but root", hint=_HINT)
    return min(others, key=lambda entry: entry.pw_name != "nobody")


def _may_enter_namespace(someone: pwd.struct_passwd) -> bool:
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        try:
            launcher.enter_user_namespace(someone.pw_uid, someone.pw_gid)
        except BaseException:  # noqa: BLE001  # whatever it was, this copy of us must end here
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
