from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from chaos.programs import SOURCES
from chaos.site import Site, a_site, an_embedded_site
from fixtures.cluster import Server as Postgres

SHM = Path("/dev/shm")  # noqa: S108  # in memory: these tests are about processes, not discs
REVIEWED = ("evidence", "wire")
# Ours are clean; a report that finds nothing would be equal to one that lost everything.
DOUBTFUL = """import os, sys
import subprocess

def load(path, cache={}):
    try:
        return cache.setdefault(path, eval(open(path).read()))
    except:
        pass

def list_folder(name):
    assert name
    return subprocess.call("ls " + name, shell=True)
"""

Measured = Callable[[str, object], None]


@pytest.fixture(scope="module")
def place() -> Generator[Path]:
    """A folder with a short name: sockets lie in it."""
    parent = SHM if SHM.is_dir() else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="fr-chaos-", dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(place: Path, cluster: Postgres, template: str) -> Generator[Site]:
    """An installation on a database of the session's server."""
    with a_site(place / "site", cluster, template) as made:
        yield made


@pytest.fixture
def embedded_site(place: Path) -> Generator[Site]:
    """An installation that keeps its own PostgreSQL."""
    with an_embedded_site(place / "own") as made:
        yield made


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real project: some dozens of our own files and a doubtful one, committed."""
    root = tmp_path_factory.mktemp("reviewed")
    for name in REVIEWED:
        shutil.copytree(
            SOURCES / "flowrunner" / name, root / name, ignore=shutil.ignore_patterns("__*")
        )
    (root / "legacy.py").write_text(DOUBTFUL)
    author = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*author, "commit", "-q", "-m", "begin")):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Tell a number that docs/explanation/crashes.md quotes; shown by `pytest -s`."""

    def tell(what: str, value: object) -> None:
        request.node.user_properties.append((what, value))
        print(f"\nmeasured {request.node.name}: {what} = {value}")  # noqa: T201

    return tell
