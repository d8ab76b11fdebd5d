"""A flow of one agent step, a real agent for it, and a scripted model that can change its mind."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from chaos.site import Site, a_site
from dispatch.adapters.real import AGENTS, processes_at
from fixtures.cluster import Server as Postgres
from flowrunner.wire.runs import LaunchBody
from model_server.script import Step
from model_server.server import Model, a_model
from model_server.wire import Asked

FLOW = """
from flowrunner import Flow, Report, Step

flow = Flow(
    "look",
    steps=[Step("look", run=lambda _ctx: "Which word is in README.md?")],
    render=lambda ctx: Report("# Looked\\n\\n" + str(ctx.results["look"])),
)
"""


@dataclass
class Mind:
    """What the model does; tests change it while it works."""

    steps: tuple[Step, ...] = ()
    asked: list[Asked] = field(default_factory=list[Asked])

    def __call__(self, asked: Asked) -> Step:
        self.asked.append(asked)
        return self.steps[min(asked.done, len(self.steps) - 1)]


@dataclass(frozen=True)
class House:
    """An installation whose agents are real, and what nobody may ever read of it."""

    site: Site
    model: Model
    mind: Mind
    key: str
    canary: str

    @property
    def project(self) -> Path:
        return self.site.project

    def body(self, agent: str) -> LaunchBody:
        return LaunchBody(project=str(self.project), agent=agent)

    def agents(self) -> list[int]:
        """Processes that work in the project."""
        return processes_at(self.project)

    def everything(self) -> str:
        """All rows of all tables, all that was logged and printed, and what lies in our folders."""
        texts = [*_rows(self.site), *_files(self.site.installation.folder)]
        return "\n".join(texts)


@contextmanager
def a_house(postgres: Postgres, template: str) -> Generator[House]:
    """An installation outside of /dev/shm, which gates keep private."""
    place = Path(tempfile.mkdtemp(prefix="fr-real-", dir="/var/tmp"))
    key, canary = f"sk-{secrets.token_hex(16)}", f"canary-{secrets.token_hex(8)}"
    mind = Mind()
    try:
        with a_model(choose=mind) as model:
            settings = {
                "FLOWRUNNER_AGENTS": json.dumps(_agents(model, place)),
                "FLOWRUNNER_AGENTS_DIR": str(AGENTS),
                "FLOWRUNNER_WALL": "strict",
                "FLOWRUNNER_GATES": "bubblewrap,namespaces,landlock",
                "WORKER_CANARY": canary,
                "THE_KEY": key,
            }
            (place / "key").write_text(key + "\n", encoding="utf-8")
            with a_site(place / "site", postgres, template, **settings) as site:
                flows = Path(site.installation.settings["FLOWRUNNER_FLOWS"])
                (flows / "look.py").write_text(FLOW, encoding="utf-8")
                (site.installation.home / "key").write_text(canary, encoding="utf-8")
                (site.project / "README.md").write_text("the word is marzipan\n", encoding="utf-8")
                yield House(site, model, mind, key, canary)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _agents(model: Model, place: Path) -> dict[str, Any]:
    """One has its key in a file, the other in the worker's environment."""
    about = {"model": "scripted", "base_url": f"{model.address}/v1"}
    return {
        "qwen": {"kind": "qwen", **about, "api_key_file": str(place / "key")},
        "codex": {"kind": "codex", **about, "api_key_env": "THE_KEY"},
    }


def _rows(site: Site) -> Iterable[str]:
    with psycopg.connect(site.postgres.address("admin"), autocommit=True) as conn:
        tables = conn.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            for row in conn.execute(query):
                yield " ".join(_text(value) for value in row)
        told = "SELECT string_agg(text, '' ORDER BY seq) FROM transcripts GROUP BY run_id, kind"
        for (spoken,) in conn.execute(told):
            yield spoken


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _files(folder: Path) -> Iterable[str]:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "key":
            with suppress(OSError):
                yield path.read_text(encoding="utf-8", errors="replace")
