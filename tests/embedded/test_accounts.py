"""Whoever starts us, postgres runs: as root, as a normal user, as a user nobody knows."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from embedded.support import CLIENT, SOURCES, postmaster_of
from flowrunner.embedded.account import choose_account
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.databases import Role
from flowrunner.embedded.errors import FolderError

UNKNOWN_UID = 12345

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@cache
def python_for_all() -> str | None:
    """Return a Python that everybody may run and that finds our packages."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        try:
            done = run_as(UNKNOWN_UID, [python, "-c", "import flowrunner.embedded.cluster"])
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def run_as(uid: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(SOURCES), sysconfig.get_paths()["purelib"]))
    return subprocess.run(
        command,
        user=uid,
        group=uid,
        extra_groups=(),
        env={"PYTHONPATH": path, "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@as_root
@pytest.mark.parametrize("uid", [pwd.getpwnam("nobody").pw_uid, UNKNOWN_UID])
def test_any_user_may_have_a_cluster(place: Path, uid: int) -> None:
    """A container often runs as a number that the password file does not know."""
    python = python_for_all()
    if python is None:
        pytest.skip(f"user {uid} may not read this Python, its packages or our sources")
    os.chown(place, uid, uid)

    done = run_as(uid, [python, str(CLIENT), str(place / "home"), "--ask"])

    assert done.stdout.splitlines()[-1:] != [], done.stderr
    assert done.stdout.splitlines()[-1].startswith("flowrunner_service PostgreSQL"), done.stderr
    assert (place / "home/pg18").stat().st_uid == uid


@as_root
def test_a_user_without_a_home_is_told_so() -> None:
    """A temporary folder instead would lose runs at the next boot, without a word (P11)."""
    python = python_for_all()
    if python is None:
        pytest.skip("other users may not read this Python, its packages or our sources")
    code = "from flowrunner.embedded.home import data_home; data_home({})"

    done = run_as(UNKNOWN_UID, [python, "-c", code])

    assert f"NoHomeError: user {UNKNOWN_UID} has no home folder" in done.stderr


@pytest.mark.parametrize(
    ("uid", "answer"), [(0, "mode='setuid'"), (UNKNOWN_UID, "NoAccountError: PostgreSQL does not")]
)
def test_where_namespaces_are_refused(uid: int, answer: str) -> None:
    """Root becomes nobody; a user that nobody knows has no way left, and is told."""
    code = "from flowrunner.embedded.account import *; print(choose_account())"
    inner = f'exec unshare --user --map-user={uid} "$0" -c "$1"'
    # The limit counts namespaces inside this one: the inner one uses it up.
    script = f"echo 1 > /proc/sys/user/max_user_namespaces && {inner}"
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script, sys.executable, code]
    if choose_account("userns" if os.geteuid() == 0 else None).mode != "userns":
        pytest.skip("there is no namespace to refuse one in")

    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(SOURCES)}
    )

    assert answer in done.stdout + done.stderr


@as_root
def test_root_needs_no_new_user_and_opens_no_folder(
    place: Path, home: Path, a_cluster: Callable[..., Cluster]
) -> None:
    """Under a closed folder, postgres sees another user while every file stays root's."""
    if choose_account().mode != "userns":
        pytest.skip("user namespaces are refused here")
    place.chmod(0o700)
    users = Path("/etc/passwd").read_bytes()
    cluster = a_cluster()

    cluster.start()

    psycopg.connect(cluster.address()).close()
    inside, outside, count = Path(f"/proc/{postmaster_of(home)}/uid_map").read_text().split()
    assert (int(inside) > 0, outside, count) == (True, "0", "1")
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_uid for path in home.rglob("*")} == {0}
    assert Path("/etc/passwd").read_bytes() == users


@as_root
def test_without_namespaces_postgres_runs_as_nobody(place: Path) -> None:
    """Root's last resort; the folder's parents must let everybody pass."""
    bindir = find_binaries().bindir
    if not all(folder.stat().st_mode & 0o001 for folder in (bindir, *bindir.parents)):
        pytest.skip(f"nobody may not enter {bindir}")
    place.chmod(0o711)

    with Cluster(place / "home", durable=False, linger=0, mode="setuid") as cluster:
        psycopg.connect(cluster.address()).close()
        owner = Path(f"/proc/{postmaster_of(place / 'home')}").stat().st_uid

    assert owner == choose_account("setuid").uid != 0


@as_root
def test_a_folder_closed_to_nobody_is_named(place: Path) -> None:
    """Only for lack of namespaces; postgres's own words would not say which folder it is."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(FolderError, match=rf"may not enter {closed}$"):
        Cluster(closed / "home", durable=False, linger=0, mode="setuid").start()


@pytest.mark.parametrize("role", ["service", "dispatcher", "owner"])
def test_the_service_may_not_run_programs(shared: Cluster, role: Role) -> None:
    """COPY PROGRAM by a superuser would run with the rights of whoever started us (P8)."""
    with (
        psycopg.connect(shared.address(role)) as conn,
        pytest.raises(InsufficientPrivilege, match="COPY to or from an external program"),
    ):
        conn.execute("COPY (SELECT 1) TO PROGRAM 'true'")
