from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from itertools import count
from pathlib import Path

import pytest

from chaos.conftest import SHM, measured
from fixtures.cluster import Server as Postgres
from upgrade.stage import Stage, a_stage
from upgrade.trees import LAST, SPINE, STEPS, Release, Tree, extract

__all__ = ["measured"]

_NUMBERS = count()


@pytest.fixture(scope="session")
def place() -> Generator[Path]:
    """A folder with a short name: sockets lie in it."""
    parent = SHM if SHM.is_dir() else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="fr-upgrade-", dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def spine(place: Path) -> Tree:
    return extract(SPINE, place / "trees")


@pytest.fixture(scope="session")
def steps(place: Path) -> Tree:
    return extract(STEPS, place / "trees")


@pytest.fixture(scope="session")
def last(place: Path) -> Tree:
    """The release before this one."""
    return extract(LAST, place / "trees")


@pytest.fixture(scope="session")
def spine_template(cluster: Postgres, spine: Tree) -> str:
    return made_by(cluster, spine)


@pytest.fixture(scope="session")
def last_template(cluster: Postgres, last: Tree) -> str:
    return made_by(cluster, last)


def made_by(cluster: Postgres, tree: Tree) -> str:
    """A database as *tree*'s own command makes it."""
    release: Release = tree.release
    name = f"flowrunner_upgrade_{release.name}_{os.getpid()}_{next(_NUMBERS)}"
    cluster.create_database(name)
    address = {
        "FLOWRUNNER_DATABASE_URL": cluster.address("service", name),
        "FLOWRUNNER_MIGRATION_URL": cluster.address("owner", name),
    }
    environment = {"PATH": os.environ.get("PATH", os.defpath), **tree.settings, **address}
    upgrade = [sys.executable, "-m", "flowrunner", "db", "upgrade"]
    made = subprocess.run(upgrade, env=environment, cwd=tree.root, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    assert release.schema in made.stdout.decode()
    return name


@pytest.fixture
def spine_stage(place: Path, cluster: Postgres, spine_template: str) -> Generator[Stage]:
    """A database that the code of the spine has made."""
    with a_stage(place / "stage", cluster, spine_template) as stage:
        yield stage


@pytest.fixture
def last_stage(place: Path, cluster: Postgres, last_template: str) -> Generator[Stage]:
    """A database that the release before this one has made."""
    with a_stage(place / "stage", cluster, last_template) as stage:
        yield stage


@pytest.fixture
def stage(place: Path, cluster: Postgres, template: str) -> Generator[Stage]:
    """A database of today."""
    with a_stage(place / "stage", cluster, template) as made:
        yield made
