"""Who may do what: the database enforces it, whatever a program says."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from builders import a_graph
from fixtures.by_hand import a_finished_run
from fixtures.databases import Database

pytestmark = pytest.mark.anyio

ALLOWED = {
    "append_transcript_v1",
    "claim_v1",
    "deregister_worker_v1",
    "register_worker_v1",
    "release_unknown_v1",
    "release_v1",
    "renew_v1",
    "renew_v2",
    "report_v1",
    "report_v2",
}
FUNCTIONS = """
SELECT p.proname, has_function_privilege('flowrunner_dispatcher', p.oid, 'EXECUTE'), p.prosecdef,
       coalesce(array_to_string(p.proconfig, ' '), '')
  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype
"""
RIGHTS = """
SELECT c.relname, r.right
  FROM pg_class c
 CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS r ("right")
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
   AND has_table_privilege(%s, c.oid, r.right)
"""
APPEND_ONLY = {
    "flow_definitions",
    "flow_run_meta",
    "flow_step_events",
    "payloads",
    "tasks",
    "transcripts",
}


async def test_a_dispatcher_may_call_its_functions_and_nothing_else(database: Database) -> None:
    """P8, DESIGN section 7: no table, no other function; and those run on a fixed search path."""
    functions = await database.sql(FUNCTIONS)
    tables = await database.sql(RIGHTS, ("flowrunner_dispatcher",))

    assert {name for name, may, _, _ in functions if may} == ALLOWED
    assert tables == []
    loose = [
        name for name, _, is_definer, path in functions if is_definer and "pg_temp" not in path
    ]
    assert loose == []


async def test_nothing_is_everybodys(database: Database) -> None:
    """Least rights: PUBLIC may not execute a single function of ours."""
    public = await database.sql(
        "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace"
        " AND p.prorettype <> 'trigger'::regtype AND has_function_privilege('public', p.oid, 'EXECUTE')"
    )

    assert public == []


async def test_the_service_cannot_change_what_is_immutable(database: Database) -> None:
    """P7, P8: no UPDATE on tasks, payloads, definitions or the log, nor on a partition of it."""
    rights = await database.sql(RIGHTS, ("flowrunner_service",))

    assert {name for name, right in rights if right == "TRUNCATE"} == set()
    may_change = {name for name, right in rights if right == "UPDATE"}
    assert may_change & APPEND_ONLY == set()
    assert [
        name for name in may_change if name.startswith(("flow_step_events", "transcripts"))
    ] == []
    assert "alembic_version" not in {name for name, right in rights if right != "SELECT"}
    assert {"flow_runs", "flow_steps", "task_queue"} <= may_change


@pytest.mark.parametrize("table", ["tasks", "payloads", "flow_definitions"])
async def test_even_the_owner_cannot_change_what_is_immutable(
    database: Database, table: str
) -> None:
    """P8: a trigger refuses what rights would allow."""
    async with await database.connect() as conn:
        await a_finished_run(conn, a_graph("a"))
    column = {"tasks": "agent", "payloads": "body", "flow_definitions": "name"}[table]

    with pytest.raises(psycopg.Error, match=f"{table} rows are never changed") as refused:
        await database.sql(f"UPDATE {table} SET {column} = {column}", role="owner")  # noqa: S608

    assert refused.value.sqlstate == "FR001"


async def test_a_dispatcher_is_refused_by_name(database: Database) -> None:
    """P8: the same as above, seen by somebody who tries."""
    for statement in (
        "SELECT * FROM tasks",
        "INSERT INTO tasks (run_id) VALUES (gen_random_uuid())",
        "UPDATE task_queue SET worker_id = NULL",
        "DELETE FROM flow_runs",
        "SELECT apply_v2('{}', '{}', '{}')",
        "SELECT launch_v2('{}', '{}', '{}')",
        "SELECT nextval('claim_epoch_seq')",
        "CREATE TABLE mine (id int)",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            await database.sql(statement, role="dispatcher")


async def test_a_dispatcher_cannot_be_led_astray_by_a_search_path(database: Database) -> None:
    """P8: a function with its owner's rights looks where we said, not where its caller says."""
    async with await database.connect("dispatcher") as conn:
        await conn.execute("CREATE TEMP TABLE workers (LIKE pg_class)")
        await conn.execute("SET search_path = pg_temp, public")
        found = await conn.execute("SELECT known FROM renew_v1(gen_random_uuid(), 1, '{}')")

        assert await found.fetchone() == (False,)
