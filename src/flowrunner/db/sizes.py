"""How large the tables are: for people who run the database."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its indexes and partitions; *row_estimate* is the planner's."""

    name: str
    row_estimate: int
    bytes: int


LIST_TABLE_SIZES = """
SELECT t.name, greatest(sum(c.reltuples), 0)::bigint AS row_estimate,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
  LEFT JOIN pg_class p ON p.oid = i.inhparent
 CROSS JOIN LATERAL (SELECT coalesce(p.relname, c.relname)::text AS name) AS t
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
 GROUP BY t.name
 ORDER BY bytes DESC, t.name
"""


async def list_table_sizes(conn: Conn) -> list[TableSize]:
    """Every table of ours, the largest first."""
    async with conn.cursor(row_factory=class_row(TableSize)) as cur:
        await cur.execute(LIST_TABLE_SIZES)
        return await cur.fetchall()
