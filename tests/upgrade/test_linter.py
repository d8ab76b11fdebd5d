"""Migrations are safe under those who work: the SQL is read, as it would be in a review."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.databases import Database
from flowrunner.db import migrations
from upgrade.linter import complaints, functions, lost
from upgrade.trees import Tree

ALEMBIC = migrations.script_directory()
VERSIONS = sorted((ALEMBIC / "versions").glob("[0-9]*.py"))
FIRST = "0001_spine"
SAFE = "-- safe: "
STATEMENT = re.compile(r"\b(?:ALTER|CREATE|DROP|SET|UPDATE|DELETE|INSERT|LOCK|REINDEX)\b")


def test_every_revision_is_looked_at() -> None:
    """ADR 7: revisions are numbered in their order, and there are upgrades only."""
    revisions = [path.name.partition("_")[0] for path in VERSIONS]

    assert revisions == sorted(migrations.known())
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    for path in VERSIONS:
        assert "def downgrade" not in path.read_text(), path.name


@pytest.mark.parametrize("version", [p for p in VERSIONS if p.stem != FIRST], ids=lambda p: p.stem)
def test_a_revision_is_safe_under_those_who_work(version: Path) -> None:
    """D2-18, ADR 7: no long lock, no rewrite, nothing taken away that the release before uses."""
    found = [problem for text in texts(version) for problem in complaints(text)]

    assert found == []


def texts(version: Path) -> Iterator[str]:
    """What a revision executes: the files it names, and the statements in its Python."""
    source = version.read_text(encoding="utf-8")
    for name in re.findall(r'"(\d{4}_\w+\.sql)"', source):
        yield (ALEMBIC / "sql" / name).read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            above = lines[node.lineno - 2].strip().replace("# ", "-- ", 1)
            is_sql = STATEMENT.match(node.value) is not None
            if is_sql:
                yield f"{above if above.startswith(SAFE) else ''}\n{node.value}"


def test_functions_of_the_release_before_are_kept(last: Tree, database: Database) -> None:
    """ADR 7, ADR 15: old replicas call old names; a function goes one release after its last caller."""
    before = signatures(last.root / "alembic")

    assert len(before) > 20
    assert lost(before, signatures(ALEMBIC)) == []
    with psycopg.connect(database.address("owner")) as conn:
        rows = conn.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert set(before) <= {name for (name,) in rows}


def signatures(alembic: Path) -> dict[str, tuple[str, str]]:
    files = sorted((alembic / "sql" / "functions").glob("*.sql"))
    return {name: each for file in files for name, each in functions(file.read_text()).items()}


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX flow_steps_x ON flow_steps (key)", "index blocks writers"),
        ("CREATE UNIQUE INDEX a ON tasks (a)", "index blocks writers"),
        (
            "ALTER TABLE tasks ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
            "volatile default",
        ),
        ("ALTER TABLE tasks ADD COLUMN a int NOT NULL", "column without default"),
        ("ALTER TABLE tasks ADD CONSTRAINT a CHECK (a > 0)", "check scans"),
        ("ALTER TABLE tasks ADD COLUMN a int CHECK (a > 0)", "column check scans"),
        ("ALTER TABLE tasks ALTER COLUMN a TYPE bigint", "type rewrites"),
        ("ALTER TABLE tasks ALTER a SET NOT NULL", "not null scans"),
        ("ALTER TABLE tasks ADD UNIQUE (a)", "unique builds an index"),
        ("ALTER TABLE tasks DROP COLUMN a", "takes a column away"),
        ("ALTER TABLE tasks RENAME COLUMN a TO b", "renames"),
        ("DROP TABLE tasks", "takes a table away"),
        ("DROP FUNCTION IF EXISTS apply_v1(jsonb, bytea[], bytea[])", "takes a function away"),
        ("DROP INDEX a", "drop index blocks"),
        ("DROP TRIGGER a ON tasks", "takes a view or type away"),
        ("UPDATE flow_runs SET generation = 1", "moves every row"),
        ("REINDEX TABLE tasks", "rewrites a table"),
        ("SET LOCAL lock_timeout = '10s'", "waits longer"),
        ("SET lock_timeout = 0", "waits longer"),
    ],
)
def test_what_hurts_is_refused_and_may_be_justified(sql: str, rule: str) -> None:
    """ADR 7: each rule bites; a reason that a reviewer can read lets a statement pass."""
    assert any(found.startswith(rule) for found in complaints(f"-- a; remark\n{sql};"))
    assert complaints(f"{SAFE}nobody reads it\n{sql};") == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY a ON tasks (a)",
        "CREATE TABLE fresh (a int); CREATE INDEX b ON fresh (a)",
        "ALTER TABLE tasks ADD COLUMN a integer NOT NULL DEFAULT 0, ADD COLUMN b jsonb",
        "ALTER TABLE tasks ADD CONSTRAINT a CHECK (a > 0) NOT VALID",
        "ALTER TABLE tasks VALIDATE CONSTRAINT a",
        "SET LOCAL lock_timeout = '2s'",
        "CREATE OR REPLACE FUNCTION a() RETURNS void LANGUAGE sql AS $$ DELETE FROM tasks; $$",
    ],
)
def test_what_does_not_hurt_is_let_pass(sql: str) -> None:
    """ADR 7: a linter that cries wolf is switched off."""
    assert complaints(sql) == []


def test_a_changed_function_is_noticed() -> None:
    """ADR 15: parameters may be added at the end with defaults; everything else is another function."""
    made = "CREATE OR REPLACE FUNCTION {} LANGUAGE sql AS $$ SELECT 1 $$;"
    before = functions(made.format("a_v1(p int, q text) RETURNS TABLE (x int, y text)"))
    assert before == {"a_v1": ("p int, q text", "TABLE (x int, y text)")}

    for kept in ("a_v1(p int, q text) RETURNS", "a_v1(p int, q text, r int DEFAULT 0) RETURNS"):
        assert lost(before, functions(made.format(f"{kept} TABLE (x int, y text)"))) == []
    for changed in (
        "a_v1(p int, q text, r int) RETURNS TABLE (x int, y text)",
        "a_v1(p int) RETURNS TABLE (x int, y text)",
        "a_v1(p int, q text) RETURNS TABLE (x int)",
        "a_v2(p int, q text) RETURNS TABLE (x int, y text)",
    ):
        assert lost(before, functions(made.format(changed))) == ["a_v1"]
