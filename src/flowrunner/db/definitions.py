"""Statements on flow_definitions: what runs are pinned to, by content hash (D2-21)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    id: int
    hash: str
    name: str
    graph: dict[str, Any]


ENSURE_DEFINITION = """
WITH made AS (
    INSERT INTO flow_definitions (hash, name, graph, sources)
    VALUES (%(hash)s, %(name)s, %(graph)s, %(sources)s)
    ON CONFLICT (hash) DO NOTHING
    RETURNING id)
SELECT id FROM made UNION ALL SELECT id FROM flow_definitions WHERE hash = %(hash)s LIMIT 1
"""


async def ensure_definition(
    conn: Conn, name: str, content_hash: str, graph: Mapping[str, Any], sources: Mapping[str, Any]
) -> int:
    """Store the definition once per content and return its id. May be repeated."""
    args = {"hash": content_hash, "name": name, "graph": json.dumps(graph)}
    for _attempt in range(3):
        cur = await conn.execute(ENSURE_DEFINITION, {**args, "sources": json.dumps(sources)})
        row = await cur.fetchone()
        if row is not None:
            return int(row[0])
    msg = f"definition {content_hash} is being stored by somebody else"
    raise RuntimeError(msg)


FIND_STORED = """
SELECT sources || jsonb_build_object('graph', graph) FROM flow_definitions WHERE id = %(id)s
"""


async def find_stored(conn: Conn, definition_id: int) -> dict[str, Any] | None:
    """What a definition was stored as, and its graph; None when there is no such row."""
    row = await (await conn.execute(FIND_STORED, {"id": definition_id})).fetchone()
    return None if row is None else row[0]


FIND_DEFINITION = "SELECT id, hash, name, graph FROM flow_definitions WHERE id = %(id)s"


async def find_definition(conn: Conn, definition_id: int) -> DefinitionRow | None:
    async with conn.cursor(row_factory=class_row(DefinitionRow)) as cur:
        await cur.execute(FIND_DEFINITION, {"id": definition_id})
        return await cur.fetchone()
