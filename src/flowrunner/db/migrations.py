"""Bring a database to this version's schema. Upgrade only; safe when several start at once.

All revisions that are missing are one transaction, for functions have one text (ADR 15): whenever
a migration dies, the database is at the schema it had. A lock is waited for briefly, since all
work waits behind whoever waits for it; then everything is let go and tried again.
"""

from __future__ import annotations

import random
import time
from functools import cache
from pathlib import Path

import psycopg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

log = structlog.stdlib.get_logger()

# Any number that only we use: replicas that start together take turns (transaction level, poolers).
_LOCK = 0x666C6F77
# Whoever makes partitions holds this one (ensure_partitions_v1): none comes while rights are given.
_PARTITIONS = 0x666C6F78
_LOCK_SECONDS = 2.0
_PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = (0.2, 1.0)
# A lock that was not given in time; a deadlock, of which we were the victim.
_AGAIN = frozenset({"55P03", "40P01"})


def script_directory() -> Path:
    """Where the migrations are: inside the wheel, else at the top of the checkout."""
    package = Path(__file__).parents[1]
    checkout = package.parents[1] / "alembic"
    return checkout if (checkout / "env.py").exists() else package / "_data" / "alembic"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(script_directory()).replace("%", "%%"))
    return config


@cache
def known() -> frozenset[str]:
    """The revisions that this code can migrate from."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return frozenset(script.revision for script in scripts)


@cache
def head() -> str:
    """The revision this code was written for."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  # the wheel test proves that migrations are inside
    return revision


def engine_for(url: str) -> sa.Engine:
    """Let SQLAlchemy use a libpq address, whatever characters it holds."""
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool
    )


def upgrade(url: str, *, patience: float = _PATIENCE_SECONDS) -> str:
    """Migrate to the newest revision and return it. May be repeated; waits for a rival's run.

    After *patience* seconds of locks that others hold, the last refusal is raised.
    """
    engine, end = engine_for(url), time.monotonic() + patience
    while True:
        try:
            _upgrade_once(engine)
        except DBAPIError as error:
            if not _may_pass(error) or time.monotonic() > end:
                raise
            log.warning("migration.locked_out", reason=str(error.orig).strip())
        else:
            return head()
        time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311  # who meets again parts again


def _upgrade_once(engine: sa.Engine) -> None:
    with engine.connect() as connection, connection.begin():
        # A rival may take its time, and so may nobody else.
        for key in (_LOCK, _PARTITIONS):
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {round(_LOCK_SECONDS * 1000)}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _may_pass(error: DBAPIError) -> bool:
    return isinstance(error.orig, psycopg.Error) and error.orig.sqlstate in _AGAIN


def current(url: str) -> str | None:
    """The database's revision; None when it holds none of our tables."""
    with engine_for(url).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
