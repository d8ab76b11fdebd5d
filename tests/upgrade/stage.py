"""An installation in which processes of several releases meet, on a database of any schema."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.programs import Program, Server
from chaos.site import Site, a_site
from chaos.verdicts import violations
from fixtures.cluster import Server as Postgres
from flowrunner.wire.runs import LaunchBody
from upgrade.trees import Tree

FLOWS = Path(__file__).parent / "flows"
COMMAND_SECONDS = 60.0
# Who is stopped hands its tasks back after this.
DRAIN = {"FLOWRUNNER_DRAIN_SECONDS": "1"}
AGENT = Path(__file__).with_name("agent.py")


@dataclass(frozen=True, slots=True)
class Stage:
    """*tree* None stands for the code of today."""

    site: Site

    def serve(self, tree: Tree | None, *options: str, port: int | None = None) -> Server:
        """A server that is ready."""
        return self.begin_server(tree, *options, port=port).ready()

    def begin_server(self, tree: Tree | None, *options: str, port: int | None = None) -> Server:
        """A server that is going to be ready."""
        settings = code_of(tree) | DRAIN
        return self.site.installation.serve(*options, port=port, settings=settings)

    def begin_worker(self, tree: Tree | None, *options: str) -> Program:
        """A worker that is going to be ready."""
        return self.site.installation.worker(*options, settings=code_of(tree) | DRAIN)

    def command(self, tree: Tree | None, *words: str) -> Program:
        """Run one command to its end."""
        owner = {"FLOWRUNNER_MIGRATION_URL": self.site.postgres.address("owner")}
        name = next(word for word in words if word.isalpha())
        program = self.site.installation.start(name, *words, settings={**code_of(tree), **owner})
        program.process.wait(COMMAND_SECONDS)
        return program

    def upgrade(self) -> Program:
        """What an operator does."""
        program = self.command(None, "-v", "db", "upgrade")
        assert program.process.returncode == 0, program.err.read_text()
        return program

    def revision(self) -> str:
        ((revision,),) = self.site.sql("SELECT version_num FROM alembic_version")
        return str(revision)

    def body(self, **given: str) -> LaunchBody:
        return LaunchBody(input=dict(given), project=str(self.site.project), agent="watched")

    def assert_sound(self) -> None:
        """Nothing is left running or was alive twice, and today's invariants hold."""
        self.site.assert_sound()
        assert violations(self.site.postgres.address()) == []


def code_of(tree: Tree | None) -> dict[str, str]:
    return tree.settings if tree is not None else {}


@contextmanager
def a_stage(folder: Path, postgres: Postgres, template: str) -> Generator[Stage]:
    """A stage on a clone of *template*, with flows of our own and an agent that may fail."""
    with a_site(folder, postgres, template) as site:
        installation = site.installation
        shutil.copytree(FLOWS, folder / "flows", dirs_exist_ok=True)
        argv = [
            sys.executable,
            "-I",
            "-S",
            str(AGENT),
            str(folder / "diary"),
            str(folder / "gates"),
        ]
        agents = {"watched": {"kind": "command", "argv": argv}}
        installation.settings["FLOWRUNNER_AGENTS"] = json.dumps(agents)
        yield Stage(site)
