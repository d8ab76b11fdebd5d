"""Bring a database to this version's schema. Upgrade only; safe when several start at once."""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

# Any number that only we use: replicas that start together take turns (transaction level, poolers).
_LOCK = 0x666C6F77


def script_directory() -> Path:
    """Where the migrations are: inside the wheel, else at the top of the checkout."""
    package = Path(__file__).parents[1]
    checkout = package.parents[1] / "alembic"
    return checkout if (checkout / "env.py").exists() else package / "_data" / "alembic"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(script_directory()).replace("%", "%%"))
    return config


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


def upgrade(url: str) -> str:
    """Migrate to the newest revision and return it. May be repeated; waits for a rival's run."""
    engine = engine_for(url)
    with engine.connect() as connection, connection.begin():
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return head()


def current(url: str) -> str | None:
    """The database's revision; None when it holds none of our tables."""
    with engine_for(url).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
