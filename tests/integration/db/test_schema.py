"""The tables as the migration makes them are the tables as `db.schema` describes them."""

from __future__ import annotations

from typing import Any

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fixtures.databases import Database
from flowrunner.db import schema
from flowrunner.db.migrations import engine_for

# Partitions come and go with the weeks; alembic's table is its own.
_OURS = "c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
COLUMNS = f"""
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       pg_get_expr(d.adbin, d.adrelid)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE {_OURS} AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
 ORDER BY c.relname, a.attnum
"""  # noqa: S608
CONSTRAINTS = f"""
SELECT c.relname, n.conname, pg_get_constraintdef(n.oid)
  FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
 WHERE {_OURS} AND n.contype <> 'n' AND c.relname <> 'alembic_version' ORDER BY 1, 2
"""  # noqa: S608
INDEXES = f"""
SELECT pg_get_indexdef(i.indexrelid), i.indisunique
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
 WHERE {_OURS} AND c.relname <> 'alembic_version' ORDER BY 1
"""  # noqa: S608
PARTITIONED = f"""
SELECT c.relname, pg_get_partkeydef(c.oid) FROM pg_class c
 WHERE {_OURS} AND c.relkind = 'p' ORDER BY 1
"""  # noqa: S608


def test_alembic_finds_nothing_to_do(database: Database) -> None:
    """No column, index or unique constraint of the metadata is missing or different."""
    with engine_for(database.address("owner")).connect() as connection:
        options: dict[str, Any] = {"compare_type": True, "include_object": _is_compared}
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, schema.metadata) == []


def _is_compared(thing: Any, name: str | None, kind: str, reflected: object, _: Any) -> bool:
    table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", None)
    return not reflected or table in schema.metadata.tables


def test_the_metadata_makes_the_same_catalogue(
    database: Database, empty_database: Database
) -> None:
    """What alembic does not compare: defaults, identities, CHECKs, keys, partial indexes."""
    schema.metadata.create_all(engine_for(empty_database.address("owner")))

    for query in (COLUMNS, CONSTRAINTS, INDEXES, PARTITIONED):
        assert catalogue(empty_database, query) == catalogue(database, query)


def catalogue(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.address("owner")) as conn:
        return conn.execute(query.encode()).fetchall()
