"""Whoever is killed, no acknowledged row is lost and what must run runs again (P3)."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from structlog.testing import capture_logs

from embedded.support import (
    a_client,
    a_process,
    first_line,
    is_alive,
    kill,
    postmaster_of,
    processes_of,
    until,
)
from flowrunner.embedded.account import choose_account, launch_command
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.orphans import state_of
from flowrunner.embedded.postmaster import Postmaster
from flowrunner.embedded.spec import Spec

MakeCluster = Callable[..., Cluster]


def answers(cluster: Cluster) -> bool:
    try:
        with psycopg.connect(cluster.address()) as conn:
            return conn.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def a_stopped(cluster: Cluster, home: Path) -> Path:
    """Start and stop once, and return the data folder."""
    cluster.start()
    cluster.stop()
    (pgdata,) = home.glob("pg[0-9][0-9]")
    return pgdata


def a_spec(home: Path) -> Spec:
    found = find_binaries()
    return Spec(home, found.bindir, found.major, {}, durable=False, linger=0, mode=None)


def test_a_killed_keeper_is_replaced_and_the_rows_are_there(a_cluster: MakeCluster) -> None:
    """The address stays good, and neither keeper becomes a child of ours to be reaped."""
    cluster = a_cluster(durable=True)
    cluster.start()
    address, keeper = cluster.address("owner"), cluster.keeper
    with psycopg.connect(address) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS n")

    kill(keeper)
    cluster.ensure()

    assert cluster.keeper != keeper
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == ""
    with psycopg.connect(address) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (1,)


def test_a_killed_keeper_is_replaced_without_anybody_asking(a_cluster: MakeCluster) -> None:
    """A service does not know of keepers; its cluster watches."""
    cluster = a_cluster()
    cluster.start()
    keeper = cluster.keeper

    kill(keeper)

    until(lambda: cluster.keeper != keeper and answers(cluster))


def test_postgres_dies_with_its_keeper(home: Path) -> None:
    """Killed together with the only client, so that nobody but the kernel can see to it."""
    with a_client(home) as client:
        postmaster = postmaster_of(home)
        os.kill(client.process.pid, signal.SIGSTOP)

        kill(client.keeper, client.process.pid)

        until(lambda: not is_alive(postmaster) and not processes_of(home))


def test_a_killed_postmaster_is_started_again_by_the_keeper(
    home: Path, a_cluster: MakeCluster
) -> None:
    """And ensure() waits until it is back."""
    cluster = a_cluster()
    cluster.start()
    keeper, postmaster = cluster.keeper, postmaster_of(home)

    kill(postmaster)
    cluster.ensure()

    assert answers(cluster)
    assert postmaster_of(home) != postmaster
    assert cluster.keeper == keeper


def test_a_start_after_the_whole_tree_was_killed(home: Path, a_cluster: MakeCluster) -> None:
    """Nobody had the time to clean up, and the dead may not have been reaped yet."""
    with a_client(home) as client:
        os.kill(client.keeper, signal.SIGSTOP)
        kill(client.process.pid, *processes_of(home))

    cluster = a_cluster()
    cluster.start()

    assert answers(cluster)


def test_a_zombie_in_the_pid_file_does_not_stop_a_start(home: Path, a_cluster: MakeCluster) -> None:
    """Postgres takes a process that nobody has reaped for a live rival."""
    cluster = a_cluster()
    pgdata = a_stopped(cluster, home)
    with a_process("sleep", "60") as zombie:
        zombie.kill()
        until(lambda: not is_alive(zombie.pid))
        (pgdata / "postmaster.pid").write_text(f"{zombie.pid}\n{pgdata}\n1\n5432\n\n\n\nready\n")
        (home / "run18/.s.PGSQL.5432.lock").write_text(f"{zombie.pid}\n{pgdata}\n1\n5432\n")
        assert state_of(zombie.pid, pgdata) == "dead"

        cluster.start()

        assert answers(cluster)


def test_a_stranger_in_the_pid_file_does_not_stop_a_start(
    home: Path, a_cluster: MakeCluster
) -> None:
    """Pids begin again in every container, so an old number may belong to anybody."""
    cluster = a_cluster()
    pgdata = a_stopped(cluster, home)
    with a_process("sleep", "60") as stranger:
        (pgdata / "postmaster.pid").write_text(f"{stranger.pid}\n{pgdata}\n1\n5432\n\n\n\nready\n")
        assert state_of(stranger.pid, pgdata) == "other"

        cluster.start()

        assert answers(cluster)
        assert is_alive(stranger.pid)


def test_a_postmaster_without_a_keeper_is_stopped_before_a_start(
    home: Path, a_cluster: MakeCluster
) -> None:
    """Where the kernel cannot bind one to the other, or both were stopped and one was killed."""
    cluster = a_cluster()
    pgdata = a_stopped(cluster, home)
    postgres, sockets = str(find_binaries().bindir / "postgres"), str(home / "run18")
    program = [postgres, "-D", str(pgdata), "-h", "", "-k", sockets]
    command = launch_command(choose_account(), program, last_signal=signal.SIGINT)
    with a_process(*command) as orphan:
        until((home / "run18/.s.PGSQL.5432").exists)
        assert state_of(orphan.pid, pgdata) == "ours"

        cluster.start()

        assert answers(cluster)
        assert not is_alive(orphan.pid)


def test_the_ready_of_a_dead_postmaster_is_not_believed(home: Path, a_cluster: MakeCluster) -> None:
    """Not even if the new process happens to have the pid of the old one."""
    pgdata = a_stopped(a_cluster(), home)
    pid_file = pgdata / "postmaster.pid"
    with a_process("sleep", "60") as process:
        pid_file.write_text(f"{process.pid}\n{pgdata}\n1\n5432\n\n\n\nready\n")
        old = (pid_file.stat().st_ino, pid_file.stat().st_mtime_ns)

        assert not Postmaster(a_spec(home), process, 0, old).is_ready()
        assert Postmaster(a_spec(home), process, 0, None).is_ready()
        pid_file.write_text(pid_file.read_text().replace(str(process.pid), str(os.getpid())))
        assert not Postmaster(a_spec(home), process, 0, None).is_ready()
        pid_file.unlink()


def test_a_start_waits_for_what_is_left_of_the_last_server(
    home: Path, a_cluster: MakeCluster
) -> None:
    """A session that outlives its postmaster still holds the shared memory (no two servers)."""
    first, second = a_cluster(), a_cluster()
    first.start()
    with psycopg.connect(first.address(), autocommit=True) as conn:
        session = conn.info.backend_pid
        os.kill(session, signal.SIGSTOP)
        kill(postmaster_of(home), first.keeper)
        first.stop()
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(second.start)
            until(lambda: "pre-existing shared memory" in (home / "pg18.log").read_text())
            kill(session)
            started.result()

    assert answers(second)


def test_every_acknowledged_row_survives_the_kill_of_everything(
    home: Path, a_cluster: MakeCluster
) -> None:
    """A commit that was answered is on disc, whoever dies next (P3)."""
    with a_client(home, "--write") as client:
        acknowledged = [first_line(client.process.stdout) for _ in range(300)]
        os.kill(client.keeper, signal.SIGSTOP)
        kill(*processes_of(home / "pg18"))
        kill(*processes_of(home), client.process.pid)
        acknowledged += client.process.communicate()[0].splitlines()

    cluster = a_cluster(durable=True)
    cluster.start()

    with psycopg.connect(cluster.address("owner")) as conn:
        rows = {n for (n,) in conn.execute("SELECT n FROM counted").fetchall()}
    assert {int(line) for line in acknowledged} <= rows


def test_a_server_beyond_help_is_given_up_and_recovers_when_help_comes(
    home: Path, a_cluster: MakeCluster
) -> None:
    """The keeper tries a few times and says why it leaves; its clients go on asking."""
    cluster = a_cluster()
    cluster.start()
    control = home / "pg18/global/pg_control"
    with capture_logs() as logs:
        shutil.move(control, home / "aside")
        kill(postmaster_of(home))
        until(lambda: any(entry["event"] == "cluster.restart_failed" for entry in logs))

    shutil.move(home / "aside", control)

    until(lambda: answers(cluster))
    assert any("could not open" in entry.get("error", "") for entry in logs)
