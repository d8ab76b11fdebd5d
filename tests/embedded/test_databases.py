"""Roles and databases: made once, found again, copied for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from embedded.support import SOURCES
from fixtures.cluster import container_server, embedded_server, foreign_server
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.databases import Role, ensure_database, ensure_roles, refusal

MakeCluster = Callable[..., Cluster]

ROLES: tuple[Role, ...] = ("owner", "service", "dispatcher")


@pytest.fixture
def started(a_cluster: MakeCluster) -> Cluster:
    cluster = a_cluster()
    cluster.start()
    return cluster


def test_only_the_admin_is_a_superuser(shared: Cluster) -> None:
    """None of the three may make roles or databases either; migrations grant the rest."""
    with psycopg.connect(shared.address("admin")) as conn:
        rights = conn.execute(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname LIKE 'flowrunner%' ORDER BY rolname"
        ).fetchall()

    users = ("flowrunner_dispatcher", "flowrunner_owner", "flowrunner_service")
    assert rights == [(user, True, False, False, False) for user in users]


def test_the_owner_may_make_tables_and_the_service_may_not(shared: Cluster) -> None:
    """Nothing is granted to it before the first migration."""
    shared.create_database("owned")
    with psycopg.connect(shared.address("owner", "owned")) as conn:
        conn.execute("CREATE TABLE made (n int)")

    with (
        psycopg.connect(shared.address("service", "owned")) as conn,
        pytest.raises(InsufficientPrivilege),
    ):
        conn.execute("CREATE TABLE refused (n int)")


def test_what_is_missing_is_made_again_at_the_next_start(started: Cluster) -> None:
    """A kill between two of these statements is mended by the next start."""
    started.drop_database("flowrunner")
    with psycopg.connect(started.address("admin", "postgres")) as conn:
        conn.execute("DROP ROLE flowrunner_dispatcher")
    started.stop()

    started.start()

    assert refusal(started.address("dispatcher")) is None


def test_roles_and_database_may_be_ensured_by_many_at_once(started: Cluster) -> None:
    """Without taking turns, all but one would fail on a duplicate key (P5)."""
    admin = started.address("admin", "postgres")
    started.drop_database("flowrunner")
    with psycopg.connect(admin) as conn:
        conn.execute("DROP ROLE flowrunner_service, flowrunner_dispatcher")

    def ensure(_: int) -> None:
        ensure_roles(admin)
        ensure_database(admin, "flowrunner")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ensure, range(6)))

    assert [refusal(started.address(role)) for role in ROLES] == [None, None, None]


def test_a_clone_has_what_its_template_has(shared: Cluster) -> None:
    """And may have any name."""
    shared.create_database("template")
    with psycopg.connect(shared.address("owner", "template")) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS n")

    shared.clone_database("copy of it", "template")

    with psycopg.connect(shared.address("owner", "copy of it")) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (1,)


def test_a_database_is_dropped_even_while_somebody_is_connected(shared: Cluster) -> None:
    """And dropping it once more is no error."""
    shared.create_database("gone")
    with psycopg.connect(shared.address("owner", "gone")):
        shared.drop_database("gone")
    shared.drop_database("gone")

    assert "does not exist" in str(refusal(shared.address("owner", "gone")))


def test_a_foreign_server_gives_what_the_embedded_one_gives() -> None:
    """Tests see no difference, and what they made there is gone afterwards."""
    with embedded_server() as own:
        with foreign_server(own.address("admin", "postgres")) as foreign:
            foreign.create_database("template")
            foreign.clone_database("clone", "template")
            assert [refusal(foreign.address(role, "clone")) for role in ROLES] == [None] * 3

        assert "does not exist" in str(refusal(own.address("owner", "clone")))


def test_a_container_without_docker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for by name, so it is not replaced by something else without a word (P11)."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    with pytest.raises(pytest.UsageError, match="no Docker answers"), container_server():
        pass


def test_a_session_may_use_the_server_the_user_names(shared: Cluster, tmp_path: Path) -> None:
    """The address comes from the environment; the option is for the others."""
    (tmp_path / "test_it.py").write_text(
        "def test_it(cluster):\n"
        "    cluster.create_database('of_the_session')\n"
        "    assert 'password' in cluster.address('service', 'of_the_session')\n"
    )
    environment = os.environ | {
        "FLOWRUNNER_TEST_DATABASE_URL": shared.address("admin", "postgres"),
        "PYTHONPATH": os.pathsep.join((str(SOURCES), str(SOURCES.with_name("tests")))),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "fixtures.cluster", "-c", os.devnull]

    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout
    assert "does not exist" in str(refusal(shared.address("owner", "of_the_session")))


def test_what_killed_sessions_left_is_swept_and_live_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory it would stay until the next boot."""
    with subprocess.Popen(["true"]) as dead:
        pass
    made = [tmp_path / f"flowrunner-tests-{os.getuid()}-{pid}-x" for pid in (dead.pid, 1)]
    for folder in made:
        folder.mkdir()
    monkeypatch.setattr("fixtures.cluster._SHM", tmp_path)

    with embedded_server():
        kept = {folder.name for folder in tmp_path.iterdir()}

    assert {folder.name for folder in made} & kept == {made[1].name}
    assert len(kept) == 2
