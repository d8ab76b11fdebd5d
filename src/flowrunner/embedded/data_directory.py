"""The data folder: made once, whole or not at all, and never opened by another major version."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from flowrunner.embedded.account import Account, launch_command
from flowrunner.embedded.errors import FolderError, InitError, WrongMajorError
from flowrunner.embedded.spec import Spec


def ensure_data_directory(spec: Spec, account: Account) -> None:
    """Make the data folder unless it is there; repeatable, and safe to kill at any instant.

    Raises WrongMajorError before any program of the wrong version has touched the data.
    """
    for left in spec.home.glob(f"{spec.pgdata.name}.init*"):
        shutil.rmtree(left, ignore_errors=True)
    found = _major_of(spec.pgdata)
    if found == spec.major:
        return
    if found is not None:
        raise _wrong(spec, spec.pgdata, found)
    if spec.pgdata.exists() and (not spec.pgdata.is_dir() or any(spec.pgdata.iterdir())):
        raise FolderError(
            f"{spec.pgdata} holds something that is not a PostgreSQL data folder",
            hint="move it away",
        )
    for other in sorted(spec.home.glob("pg[0-9][0-9]")):
        if (major := _major_of(other)) is not None:
            raise _wrong(spec, other, major)
    _create(spec, account)


def _major_of(pgdata: Path) -> int | None:
    try:
        return int((pgdata / "PG_VERSION").read_text(encoding="ascii"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as exc:
        raise FolderError(f"{pgdata}/PG_VERSION is damaged", hint="restore a backup") from exc


def _wrong(spec: Spec, pgdata: Path, major: int) -> WrongMajorError:
    return WrongMajorError(
        f"{pgdata} was written by PostgreSQL {major}; {spec.bindir} is PostgreSQL {spec.major}",
        hint=f"point FLOWRUNNER_PG_BIN to the bin folder of a PostgreSQL {major}; "
        "or dump with it, move the folder away and load the dump; or move it away to start empty",
    )


def _create(spec: Spec, account: Account) -> None:
    """Make the folder beside its place, then rename: a kill leaves the place empty."""
    # A name of our own: the children of a killed initdb may still be writing to the old one.
    side = spec.pgdata.with_name(f"{spec.pgdata.name}.init-{os.getpid()}")
    side.mkdir(mode=0o700)
    if account.mode == "setuid":
        os.chown(side, account.uid, account.gid)
    _initdb(spec, account, side)
    (side / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
    side.rename(spec.pgdata)
    _sync(spec.home)


def _initdb(spec: Spec, account: Account, side: Path) -> None:
    program = [str(spec.bindir / "initdb"), f"--pgdata={side}", *_initdb_options(spec)]
    done = subprocess.run(  # noqa: S603
        launch_command(account, program, last_signal=signal.SIGKILL),
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(side, ignore_errors=True)
        raise InitError(
            f"initdb ended with {done.returncode}: {done.stderr.strip()[-2000:]}",
            hint=f"is there room, and may user {account.uid} write, in {spec.home}?",
        )


def _initdb_options(spec: Spec) -> list[str]:
    """Return options that give the same folder on every host: none of its locales are used."""
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        *(builtin if spec.major >= 17 else []),  # noqa: PLR2004
        "--wal-segsize=1",
        "--data-checksums",
        "--no-instructions",
        *([] if spec.durable else ["--no-sync"]),
    ]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
