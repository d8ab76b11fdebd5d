"""Which schema a database has, and whether a program of this version may work on it (ADR 7)."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from flowrunner.db import migrations
from flowrunner.db.pool import Conn

KNOWN = """
SELECT to_regclass('alembic_version') IS NOT NULL, to_regprocedure('serves_v1()') IS NOT NULL
"""
REVISION = "SELECT (SELECT version_num FROM alembic_version)"
SERVED = "SELECT serves_v1()"

_UPGRADE = "run: flowrunner db upgrade"
_NEWER = "run the version of flowrunner that made this schema, or a newer one"


@dataclass(frozen=True, slots=True)
class Standing:
    """*found* is None where our tables are not; *served* are revisions whose programs may go on."""

    found: str | None
    served: frozenset[str] = frozenset()

    @property
    def is_newer(self) -> bool:
        """Whether a later version than this one has upgraded the database."""
        return self.found is not None and self.found not in migrations.known()

    @property
    def is_fit(self) -> bool:
        """Whether this version may work on it."""
        return self.found == migrations.head() or (
            self.is_newer and migrations.head() in self.served
        )

    @property
    def complaint(self) -> str | None:
        """Why this version may not work on it; None if it may."""
        if self.is_fit:
            return None
        wanted = migrations.head()
        if self.found is None:
            return f"the database holds no flowrunner tables, this version needs {wanted}"
        if not self.is_newer:
            return f"the database is at schema {self.found}, this version needs {wanted}"
        served = " and ".join(sorted(self.served)) or self.found
        return (
            f"the database is at schema {self.found}, which serves programs of {served};"
            f" this version is of {wanted}"
        )

    @property
    def hint(self) -> str:
        """What to do about the complaint."""
        return _NEWER if self.is_newer else _UPGRADE


def look(url: str) -> Standing:
    """Ask the database behind *url*, before a loop runs."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        has_tables, has_served = conn.execute(KNOWN).fetchone() or (False, False)
        found = conn.execute(REVISION).fetchone() if has_tables else None
        served = conn.execute(SERVED).fetchone() if has_served else None
    return _standing(found, served)


async def find_standing(conn: Conn) -> Standing:
    """Ask on a connection that is there."""
    has_tables, has_served = await (await conn.execute(KNOWN)).fetchone() or (False, False)
    found = await (await conn.execute(REVISION)).fetchone() if has_tables else None
    served = await (await conn.execute(SERVED)).fetchone() if has_served else None
    return _standing(found, served)


def _standing(found: tuple[str | None] | None, served: tuple[list[str]] | None) -> Standing:
    return Standing(found[0] if found else None, frozenset(served[0]) if served else frozenset())
