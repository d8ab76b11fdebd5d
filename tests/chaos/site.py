"""One installation on a database of its own, and what has to be true of both at the end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from pydantic import JsonValue

from chaos.diary import Diary
from chaos.programs import Installation, Program, Server, an_installation, ready
from chaos.verdicts import assert_quiet, violations
from fixtures.cluster import Server as Postgres
from fixtures.databases import Database
from flowrunner.wire.runs import LaunchBody


@dataclass(frozen=True, slots=True)
class Site:
    """*database* is None where flowrunner keeps an embedded one."""

    installation: Installation
    diary: Diary
    database: Database | None = None

    @property
    def project(self) -> Path:
        """An empty folder to launch against."""
        return self.installation.folder / "project"

    @property
    def postgres(self) -> Database:
        assert self.database is not None
        return self.database

    def sql(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.postgres.address("admin"), autocommit=True) as conn:
            cur = conn.execute(statement.encode(), args)
            return cur.fetchall() if cur.description else []

    def body(self, *stubborn: str, gate: str = "open") -> LaunchBody:
        """A launch of the watched flow."""
        given: dict[str, JsonValue] = {"stubborn": list(stubborn), "gate": gate}
        return LaunchBody(input=given, project=str(self.project), agent="watched")

    def serve(
        self, *options: str, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> Server:
        """A server that is ready."""
        return self.installation.serve(*options, port=port, settings=settings).ready()

    def worker(self, *options: str, settings: Mapping[str, str] | None = None) -> Program:
        """A worker that is ready."""
        return ready(self.installation.worker(*options, settings=settings))

    def assert_sound(self) -> None:
        """Nothing is left running, nothing was alive twice, and every invariant holds."""
        assert_quiet(self.diary, self.installation)
        if self.database is not None:
            assert violations(self.database.address()) == []
        else:
            self.assert_checked()

    def assert_checked(self) -> None:
        """`flowrunner check` has nothing to say."""
        checked = self.installation.start("check", "--json", "check")
        code = checked.process.wait(60)
        assert code == 0, checked.out.read_text(encoding="utf-8")

    def assert_no_complaints(self) -> None:
        """Nothing happened that a person would have to look at."""
        for program in self.installation.programs:
            assert program.complaints() == [], program.name


@contextmanager
def a_site(folder: Path, postgres: Postgres, template: str, **settings: str) -> Generator[Site]:
    """An installation on a clone of *template*; its processes end with the block."""
    database = Database(f"flowrunner_chaos_{uuid4().hex[:12]}", postgres)
    postgres.clone_database(database.name, template)
    try:
        address = {"FLOWRUNNER_DATABASE_URL": database.address()}
        with an_embedded_site(folder, **address, **settings) as site:
            yield Site(site.installation, site.diary, database)
    finally:
        postgres.drop_database(database.name)


@contextmanager
def an_embedded_site(folder: Path, **settings: str) -> Generator[Site]:
    """An installation that keeps its own PostgreSQL; its processes end with the block."""
    installation = an_installation(folder, **settings)
    try:
        yield Site(installation, Diary(folder))
    finally:
        installation.finish()
        installation.tell()
        shutil.rmtree(folder, ignore_errors=True)


class Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._began, 2)
