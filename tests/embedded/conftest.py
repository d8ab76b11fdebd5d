from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from embedded.support import kill, processes_of, until
from flowrunner.embedded.cluster import Cluster

SHM = Path("/dev/shm")  # noqa: S108  # in memory: these tests are about processes, not discs


@pytest.fixture
def place() -> Generator[Path]:
    """A folder of its own for the test; afterwards no process may be left in it."""
    parent = SHM if SHM.is_dir() else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="fr-embedded-", dir=parent))
    yield folder
    try:
        until(lambda: not processes_of(folder))
    finally:
        kill(*processes_of(folder))
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped cluster to copy, which is quicker than initdb."""
    folder = tmp_path_factory.mktemp("embedded") / "seed"
    with Cluster(folder, durable=False, linger=0):
        pass
    return folder


@pytest.fixture(scope="session")
def shared(seed: Path) -> Generator[Cluster]:
    """A cluster for tests that leave it as they found it, but for databases of their own."""
    with Cluster(_copy(seed, seed.with_name("shared")), durable=False, linger=0) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_home(seed: Path) -> Path:
    """The data home of *shared*."""
    return seed.with_name("shared")


@pytest.fixture
def home(place: Path, seed: Path) -> Path:
    """A data home in which the cluster has been made already."""
    return _copy(seed, place / "home")


@pytest.fixture
def a_cluster(home: Path) -> Generator[Callable[..., Cluster]]:
    """Make clusters in *home* that stop with the test."""
    made: list[Cluster] = []

    def make(*, durable: bool = False, settings: dict[str, str] | None = None) -> Cluster:
        made.append(Cluster(home, durable=durable, settings=settings, linger=0))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def _copy(seed: Path, home: Path) -> Path:
    # Three times as fast as shutil's.
    subprocess.run(["cp", "-r", seed, home], check=True)
    return home
