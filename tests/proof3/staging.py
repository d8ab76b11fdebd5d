"""A real installation on which agents of ours work: a server, a worker, PostgreSQL, projects."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.programs import Server
from chaos.site import Site, a_site
from fixtures.cluster import Server as Postgres
from proof3.sick import KINDS

TESTS = Path(__file__).resolve().parents[1]
SEEDS = (1, 2, 3)
SHM = Path("/dev/shm")  # noqa: S108  # in memory: these tests are about processes, not discs


def _agent(*words: str) -> dict[str, Any]:
    """A program that knows nothing of the product; -P: nor finds modules in the project."""
    argv = [sys.executable, "-P", "-S", "-m", *words]
    return {"kind": "command", "argv": argv, "env": {"PYTHONPATH": str(TESTS)}}


AGENTS = {
    **{f"liar-{seed}": _agent("proof3.liar", str(seed)) for seed in SEEDS},
    **{f"sick-{kind}": _agent("proof3.sick", kind) for kind in ("well", *KINDS)},
    "sick-missing": {"kind": "command", "argv": ["/no/such/program"]},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """*folder* is where projects may be made."""

    site: Site
    server: Server
    folder: Path


@contextmanager
def a_stage(folder: Path, postgres: Postgres, template: str) -> Generator[Stage]:
    """A server that runs no agents, and a worker that does."""
    place = Path(tempfile.mkdtemp(prefix="fr-proof-", dir=SHM if SHM.is_dir() else None))
    settings = {"FLOWRUNNER_AGENTS": json.dumps(AGENTS), "FLOWRUNNER_WALL": "tool-level"}
    try:
        with a_site(place / "site", postgres, template, **settings) as site:
            server = site.serve("--no-worker")
            site.worker("--slots", "4")
            yield Stage(site, server, folder)
            site.assert_no_complaints()
            site.assert_checked()
    finally:
        shutil.rmtree(place, ignore_errors=True)
