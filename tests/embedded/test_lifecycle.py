"""How long postgres lives: exactly as long as somebody holds on to its keeper."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from embedded.support import (
    a_client,
    first_line,
    is_alive,
    launch,
    postmaster_of,
    processes_of,
    until,
)
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.errors import (
    KeeperError,
    NotDurableError,
    NotStartedError,
    SettingError,
    StartError,
)
from flowrunner.embedded.patience import PAUSES, STEADY_SECONDS, Patience

MakeCluster = Callable[..., Cluster]


def test_a_cold_start_makes_the_cluster_and_a_warm_one_finds_it(place: Path) -> None:
    """Between the two, nothing of it runs."""
    with Cluster(place / "home", linger=0) as cluster:
        with psycopg.connect(cluster.address("owner")) as conn:
            conn.execute("CREATE TABLE kept AS SELECT 1 AS n")
        postmaster = postmaster_of(place / "home")
    assert not is_alive(postmaster)

    with Cluster(place / "home", linger=0) as cluster:
        with psycopg.connect(cluster.address("owner")) as conn:
            assert conn.execute("SELECT n FROM kept").fetchone() == (1,)
        assert postmaster_of(place / "home") != postmaster


def test_five_programs_at_once_share_one_keeper(place: Path) -> None:
    """The lock decides: one initdb, one keeper, five clients (P5)."""
    with ExitStack() as stack:
        started = [stack.enter_context(launch(place / "home")) for _ in range(5)]
        keepers = {int(first_line(process.stdout)) for process in started}

        assert len(keepers) == 1
        for process in started[1:]:
            process.communicate()
        assert is_alive(*keepers)
        started[0].communicate()

    until(lambda: not processes_of(place))


def test_the_second_of_two_clients_keeps_postgres_alive(home: Path, a_cluster: MakeCluster) -> None:
    """Leaving is one client's own affair."""
    cluster = a_cluster()
    with a_client(home) as client:
        cluster.start()
        assert cluster.keeper == client.keeper

        client.let_go()

        assert not is_alive(client.process.pid)
        with psycopg.connect(cluster.address()) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_client_takes_postgres_with_it(home: Path) -> None:
    """Nobody is left to say goodbye, so the keeper goes by the end of the connection."""
    with a_client(home) as client:
        postmaster = postmaster_of(home)
        assert is_alive(postmaster)

        client.process.kill()

        until(lambda: not is_alive(postmaster) and not is_alive(client.keeper))


def test_the_keeper_outlives_the_client_that_started_it(home: Path, a_cluster: MakeCluster) -> None:
    """Whoever came first is a client like any other."""
    with a_client(home) as client:
        cluster = a_cluster()
        cluster.start()

        client.process.kill()
        client.process.wait()

    with psycopg.connect(cluster.address()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert cluster.keeper == client.keeper


def test_a_lingering_keeper_serves_the_next_client_and_then_goes(home: Path) -> None:
    """Two commands in a row pay for one start."""
    with Cluster(home, durable=False, linger=0.4) as first:
        keeper = first.keeper

    with Cluster(home, durable=False, linger=0.4) as second:
        assert second.keeper == keeper
    assert is_alive(keeper)

    until(lambda: not is_alive(keeper))


def test_starting_and_stopping_again_changes_nothing(a_cluster: MakeCluster) -> None:
    """Both are repeatable, and a stopped cluster may be started again."""
    cluster = a_cluster()
    cluster.start()
    keeper = cluster.keeper
    cluster.start()
    assert cluster.keeper == keeper

    cluster.stop()
    cluster.stop()

    with pytest.raises(NotStartedError):
        cluster.address()
    cluster.start()
    assert cluster.keeper != keeper


def test_sigterm_waits_for_the_clients_to_leave(home: Path, a_cluster: MakeCluster) -> None:
    """A supervisor that ends a whole process group must not pull the base from under us."""
    cluster = a_cluster()
    cluster.start()
    keeper = cluster.keeper

    os.kill(keeper, signal.SIGTERM)

    with a_client(home) as client, psycopg.connect(cluster.address()) as conn:
        assert client.keeper == keeper
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_the_keeper_belongs_to_nobody_s_session(shared: Cluster) -> None:
    """Ctrl-C in the terminal of its first client must not reach it, nor postgres."""
    assert os.getsid(shared.keeper) != os.getsid(0)
    assert os.getpgid(shared.keeper) != os.getpgid(0)


def test_settings_reach_the_server_and_ours_are_small(a_cluster: MakeCluster) -> None:
    """What the caller asks for wins over ours, ours over postgres's own."""
    cluster = a_cluster(settings={"work_mem": "3MB", "max_connections": "17"})
    cluster.start()

    with psycopg.connect(cluster.address()) as conn:
        for name, value in (
            ("work_mem", "3MB"),
            ("max_connections", "17"),
            ("jit", "off"),
            ("fsync", "off"),
            ("listen_addresses", ""),
            ("wal_segment_size", "1MB"),
            ("data_checksums", "on"),
        ):
            assert conn.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,), name


def test_a_durable_cluster_syncs(a_cluster: MakeCluster) -> None:
    """Which is the default, and nothing of ours may weaken it (P3)."""
    cluster = a_cluster(durable=True)
    cluster.start()

    with psycopg.connect(cluster.address()) as conn:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert conn.execute("SELECT current_setting(%s)", [name]).fetchone() == ("on",), name


@pytest.mark.usefixtures("shared")
def test_a_durable_cluster_does_not_attach_to_one_for_tests(shared_home: Path) -> None:
    """It would lose committed results with the next power cut (P3)."""
    with pytest.raises(NotDurableError):
        Cluster(shared_home, durable=True).start()


@pytest.mark.usefixtures("shared")
def test_other_settings_than_the_running_ones_are_told(shared_home: Path) -> None:
    """Whoever comes second gets the server as it is, but not in silence (P11)."""
    with (
        capture_logs() as logs,
        Cluster(shared_home, durable=False, settings={"work_mem": "3MB"}),
    ):
        pass

    assert "cluster.settings_differ" in [entry["event"] for entry in logs]


def test_a_setting_that_would_open_the_server_is_refused(a_cluster: MakeCluster) -> None:
    """Behind TCP, trust in pg_hba.conf would mean everybody."""
    with pytest.raises(SettingError, match="listen_addresses"):
        a_cluster(settings={"listen_addresses": "*"}).start()


def test_a_setting_postgres_refuses_is_told_in_its_words(
    a_cluster: MakeCluster, home: Path
) -> None:
    """The first start is not tried again and again: nothing would be different (P11)."""
    with pytest.raises(StartError, match=r'unrecognized configuration parameter "no_such"'):
        a_cluster(settings={"no_such": "1"}).start()

    assert "starting it again" not in (home / "pg18.log").read_text()


def test_the_host_s_postgres_variables_do_not_reach_us(
    a_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would take its defaults from them."""
    cluster = a_cluster()
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    cluster.start()
    monkeypatch.delenv("PGCLIENTENCODING")

    with psycopg.connect(cluster.address()) as conn:
        assert conn.execute("SHOW client_encoding").fetchone() == ("UTF8",)


def test_case_folding_does_not_depend_on_the_host(shared: Cluster) -> None:
    """The locale is postgres's own, so a data folder means the same everywhere."""
    with psycopg.connect(shared.address()) as conn:
        assert conn.execute("SELECT lower('ÄÉ')").fetchone() == ("äé",)


def test_the_log_holds_no_values(shared: Cluster, shared_home: Path) -> None:
    """Statements carry prompts and outputs, and errors quote them."""
    with psycopg.connect(shared.address()) as conn, pytest.raises(psycopg.DataError):
        conn.execute("SELECT 'a secret prompt'::int")

    words = (shared_home / "pg18.log").read_text()
    assert "ready to accept connections" in words
    assert "secret" not in words


def test_a_log_that_has_grown_is_put_aside(a_cluster: MakeCluster, home: Path) -> None:
    """One old log is kept, so that years of use do not fill the disc."""
    os.truncate(home / "pg18.log", 6_000_000)

    a_cluster().start()

    assert (home / "pg18.log.1").stat().st_size == 6_000_000
    assert (home / "pg18.log").stat().st_size < 100_000


@pytest.mark.parametrize("python", ["/bin/false", "/nowhere/python"])
def test_a_keeper_that_cannot_be_started_is_told(
    a_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    """Not waited for until the time is over."""
    monkeypatch.setattr(sys, "executable", python)

    with pytest.raises(KeeperError):
        a_cluster().start()


def test_patience_runs_out_and_comes_back() -> None:
    """A postgres that falls at once is given up; one that falls once a day never is."""
    patience = Patience()

    assert [patience.after_fall(1.0) for _ in range(5)] == [*PAUSES, None]
    assert [patience.after_fall(STEADY_SECONDS) for _ in range(9)] == [PAUSES[0]] * 9
