"""Statements on projects: the code bases that flows run against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from psycopg.rows import class_row

from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class ProjectRow:
    id: int
    name: str
    root: str
    default_model: str | None


# Two callers may name the same tree at once: the loser of the insert reads the winner's row. They
# may meet on the name before they meet on the root, so no constraint is named.
ENSURE_PROJECT = """
WITH made AS (
    INSERT INTO projects (name, root) VALUES (%(name)s, %(root)s)
    ON CONFLICT DO NOTHING
    RETURNING id, name, root, default_model)
SELECT id, name, root, default_model FROM made
UNION ALL
SELECT id, name, root, default_model FROM projects WHERE root = %(root)s
LIMIT 1
"""


async def ensure_project(conn: Conn, root: Path) -> ProjectRow:
    """Return the project at *root*, making it known if it is new. May be repeated."""
    args = {"name": project_name(root), "root": str(root)}
    async with conn.cursor(row_factory=class_row(ProjectRow)) as cur:
        for _attempt in range(3):
            await cur.execute(ENSURE_PROJECT, args)
            row = await cur.fetchone()
            if row is not None:
                return row
    msg = f"project {root} is being made by somebody else"
    raise RuntimeError(msg)


def project_name(root: Path) -> str:
    """A name from the folder's, made unique by the path's hash."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", root.name.lower()).strip("-._") or "project"
    return f"{plain[:50]}-{sha256(str(root).encode()).hexdigest()[:8]}"


LIST_PROJECTS = "SELECT id, name, root, default_model FROM projects ORDER BY id"


async def list_projects(conn: Conn) -> list[ProjectRow]:
    async with conn.cursor(row_factory=class_row(ProjectRow)) as cur:
        await cur.execute(LIST_PROJECTS)
        return await cur.fetchall()


GET_PROJECT = "SELECT id, name, root, default_model FROM projects WHERE id = %(id)s"


async def find_project(conn: Conn, project_id: int) -> ProjectRow | None:
    async with conn.cursor(row_factory=class_row(ProjectRow)) as cur:
        await cur.execute(GET_PROJECT, {"id": project_id})
        return await cur.fetchone()
